from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.harness.engines import venv
from certification_pipeline.harness.engines.environment import (
    EngineUnavailable,
    child_environment,
    locked_digest,
    prepare,
)
from certification_pipeline.harness.engines.snapshot import restore, snapshot

ROOT = Path(__file__).parents[2]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def engines(tmp_path: Path) -> Path:
    """A folder with one engine, ``toy``, whose only dependency is a wheel made here: no network."""
    folder = tmp_path / "engines" / "toy"
    folder.mkdir(parents=True)
    wheel = _wheel(tmp_path, "toy", "1.2.3", "ANSWER = 42\n")
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    (folder / "driver.py").write_text("import toy, sys; print(toy.ANSWER, sys.prefix)\n")
    (folder / "driver.lock").write_text(
        f"toy @ {wheel.as_uri()} \\\n    --hash=sha256:{digest}\n    # via nobody\n"
    )
    return folder.parent


def _wheel(directory: Path, name: str, version: str, body: str) -> Path:
    info = f"{name}-{version}.dist-info"
    files = {
        f"{name}.py": body,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b'=').decode()},{len(text)}\n"
        for path, text in files.items()
    )
    path = directory / f"{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{info}/RECORD": record + f"{info}/RECORD,,\n"}.items():
            archive.writestr(file, text)
    return path


SPEC = DriverSpec(script="driver.py", lock="driver.lock")


def test_a_script_runs_in_an_environment_of_its_own(engines: Path, cache: Path) -> None:
    told: list[str] = []
    prepared = prepare("toy", SPEC, told.append, engines=engines)
    assert told == ["toy: making its environment from driver.lock"]
    ran = subprocess.run(prepared.command, env=dict(prepared.env), capture_output=True, text=True, check=True)
    answer, prefix = ran.stdout.split()
    assert answer == "42"
    assert cache in Path(prefix).parents
    assert any(Path(prefix).rglob("toy.cpython-*.pyc"))
    lock = (engines / "toy" / "driver.lock").read_text()
    assert prepared.artifact_digest == "sha256:" + lock.split("sha256:")[1][:64]


def test_the_second_time_nothing_is_made_and_uv_is_not_asked(
    engines: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = prepare("toy", SPEC, engines=engines)

    def fail(*_: object) -> None:
        raise AssertionError("uv was called")

    monkeypatch.setattr(venv, "run_uv", fail)
    assert prepare("toy", SPEC, pytest.fail, engines=engines).command == first.command


def test_another_lock_is_another_environment(engines: Path, cache: Path) -> None:
    first = prepare("toy", SPEC, engines=engines)
    lock = engines / "toy" / "driver.lock"
    lock.write_text(lock.read_text() + "# changed\n")
    assert prepare("toy", SPEC, engines=engines).command != first.command


def test_two_runs_at_once_make_it_once(engines: Path, cache: Path) -> None:
    told: list[str] = []
    threads = [threading.Thread(target=prepare, args=("toy", SPEC, told.append), kwargs={"engines": engines})]
    threads += [
        threading.Thread(target=prepare, args=("toy", SPEC, told.append), kwargs={"engines": engines})
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("making its environment from" in line for line in told) == 1


def test_a_wheel_that_is_not_the_locked_one_is_refused_and_nothing_is_kept(
    engines: Path, cache: Path
) -> None:
    lock = engines / "toy" / "driver.lock"
    lock.write_text(lock.read_text().replace("--hash=sha256:", "--hash=sha256:" + "0" * 64 + " #"))
    with pytest.raises(EngineUnavailable, match=r"toy: uv pip failed.*— correct the lock file"):
        prepare("toy", SPEC, engines=engines)
    assert [path for path in (cache / "engines").iterdir() if path.is_dir()] == []


def test_a_requirement_without_a_hash_is_refused(engines: Path, cache: Path) -> None:
    lock = engines / "toy" / "driver.lock"
    lock.write_text(lock.read_text().split("\\")[0] + "\n")
    with pytest.raises(EngineUnavailable, match="hash"):
        prepare("toy", SPEC, engines=engines)


def test_an_edited_file_of_the_engine_in_the_cache_is_refused(engines: Path, cache: Path) -> None:
    home = Path(prepare("toy", SPEC, engines=engines).command[0]).parent.parent
    (module,) = home.rglob("site-packages/toy.py")
    module.unlink()  # uv may have linked it to its own cache
    module.write_text("ANSWER = 43\n")
    with pytest.raises(
        EngineUnavailable, match=r"toy\.py in its environment is not what was installed"
    ) as caught:
        prepare("toy", SPEC, engines=engines)
    assert str(home) in caught.value.remedy


def test_a_script_without_a_lock_has_python_and_the_kit_and_nothing_else(engines: Path, cache: Path) -> None:
    script = engines / "toy" / "driver.py"
    script.write_text(
        "import certify_driver\ntry:\n    import pydantic\nexcept ImportError:\n    print('bare')\n"
    )
    prepared = prepare("toy", DriverSpec(script="driver.py"), engines=engines)
    ran = subprocess.run(prepared.command, env=dict(prepared.env), capture_output=True, text=True, check=True)
    assert ran.stdout == "bare\n"
    script.write_text(script.read_text() + "# changed\n")
    assert prepare("toy", DriverSpec(script="driver.py"), engines=engines).artifact_digest != (
        prepared.artifact_digest
    )


def test_programs_have_environments_of_their_own_and_count_as_part_of_the_engine(
    engines: Path, cache: Path
) -> None:
    shutil.copy(engines / "toy" / "driver.lock", engines / "toy" / "toy.lock")
    spec = SPEC.model_copy(update={"environments": {"tap-a": "toy.lock"}, "config": {"tap": "toy"}})
    prepared = prepare("toy", spec, engines=engines)
    assert (Path(prepared.env["CERTIFY_ENV_TAP_A"]) / "bin" / "python").exists()
    assert prepared.env["CERTIFY_ENGINE_CONFIG"] == '{"tap": "toy"}'
    assert prepared.artifact_digest != prepare("toy", SPEC, engines=engines).artifact_digest


def test_engines_may_share_a_driver_and_name_the_package_they_are(engines: Path, cache: Path) -> None:
    spec = SPEC.model_copy(update={"folder": "toy", "distribution": "toy"})
    fast, toy = prepare("toy_fast", spec, engines=engines), prepare("toy", SPEC, engines=engines)
    assert fast.artifact_digest == toy.artifact_digest
    assert fast.command == toy.command  # one environment for both


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (DriverSpec(), "no 'script' and no 'command'"),
        (DriverSpec(script="driver.py", command=("x",)), "both 'script' and 'command'"),
        (DriverSpec(script="absent.py", lock="driver.lock"), "there is no script"),
        (DriverSpec(script="driver.py", lock="absent.lock"), "cannot read"),
        (
            DriverSpec(command=("no-such-engine-anywhere",)),
            "there is no executable 'no-such-engine-anywhere'",
        ),
        (DriverSpec(command=("./absent",)), "there is no executable './absent'"),
        (DriverSpec(command=("python", "-m", "no_such_module_anywhere")), "cannot find what 'python -m"),
        (DriverSpec(command=("python", "-c", "pass")), "cannot find what 'python -c"),
    ],
)
def test_what_cannot_be_started_says_why_and_what_to_do(
    engines: Path, cache: Path, spec: DriverSpec, message: str
) -> None:
    with pytest.raises(EngineUnavailable, match=message) as caught:
        prepare("toy", spec, engines=engines)
    assert caught.value.remedy


def test_no_uv_is_said(engines: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> str:
        raise FileNotFoundError("uv")

    monkeypatch.setattr("uv.find_uv_bin", gone)
    with pytest.raises(EngineUnavailable, match="pip install uv"):
        prepare("toy", SPEC, engines=engines)


def test_an_unusable_cache_is_said(engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path / "file"))
    with pytest.raises(EngineUnavailable, match="CERTIFY_CACHE"):
        prepare("toy", SPEC, engines=engines)


def test_python_is_our_own_and_our_own_package_is_found_from_anywhere(tmp_path: Path) -> None:
    spec = DriverSpec(command=("python", "-m", "certification_pipeline.catalog.vocabulary"))
    prepared = prepare("reference", spec)
    assert prepared.command[0] == sys.executable
    subprocess.run(prepared.command, env=dict(prepared.env), cwd=tmp_path, check=True)


def test_the_digest_of_a_package_changes_with_any_of_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "some_engine"
    (package / "inner").mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "inner" / "a.py").write_text("x = 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = DriverSpec(command=("python", "-m", "some_engine"))
    seen = {prepare("e", spec).artifact_digest}
    (package / "inner" / "a.py").write_text("x = 2\n")
    seen.add(prepare("e", spec).artifact_digest)
    (package / "inner" / "a.py").rename(package / "inner" / "b.py")
    seen.add(prepare("e", spec).artifact_digest)
    (package / "notes.txt").write_text("not code")
    seen.add(prepare("e", spec).artifact_digest)
    assert len(seen) == 3
    assert all(len(digest) == 71 and digest.startswith("sha256:") for digest in seen)


def test_a_command_in_its_folder_is_known_by_every_file_there(engines: Path) -> None:
    program = engines / "toy" / "engine"
    program.write_bytes(b"#!/bin/sh\n")
    program.chmod(0o755)
    spec = DriverSpec(command=("./engine", "--serve"))
    prepared = prepare("toy", spec, engines=engines)
    assert prepared.command == (str(program), "--serve")
    seen = {prepared.artifact_digest}
    for name in (".hidden", "compiled.pyc"):
        (engines / "toy" / name).write_text("not the engine's")
        seen.add(prepare("toy", spec, engines=engines).artifact_digest)
    assert len(seen) == 1
    (engines / "toy" / "functions.sh").write_text("true\n")
    assert prepare("toy", spec, engines=engines).artifact_digest not in seen


def test_a_program_of_the_machine_is_known_by_its_bytes() -> None:
    program = Path(shutil.which("true") or "").resolve()
    prepared = prepare("toy", DriverSpec(command=("true",)))
    assert prepared.artifact_digest == "sha256:" + hashlib.sha256(program.read_bytes()).hexdigest()


def test_an_engine_outside_the_package_may_configure_a_driver_inside(engines: Path, tmp_path: Path) -> None:
    (engines / "toy" / "driver.lock").unlink()
    home = tmp_path / "mine"
    home.mkdir()
    (home / "engine.yaml").write_text("config: 1\n")
    spec = DriverSpec(script="driver.py", folder="toy", home=home)
    prepared = prepare("mine", spec, engines=engines)
    assert prepared.command[-1] == str(engines / "toy" / "driver.py")
    assert prepared.env["CERTIFY_ENGINE_HOME"] == str(home)
    (home / "engine.yaml").write_text("config: 2\n")
    assert prepare("mine", spec, engines=engines).artifact_digest != prepared.artifact_digest
    kept = snapshot("mine", spec, engines=engines)
    assert kept is not None
    again = restore("mine", spec, kept, tmp_path / "restored")
    assert again.artifact_digest == prepare("mine", spec, engines=engines).artifact_digest
    assert again.env["CERTIFY_ENGINE_HOME"] == str(tmp_path / "restored" / "mine")


def test_a_command_outside_the_package_is_kept_and_runs_again(tmp_path: Path) -> None:
    home = tmp_path / "mine"
    home.mkdir()
    (home / "driver.sh").write_text("#!/bin/sh\necho here\n")
    (home / "driver.sh").chmod(0o755)
    spec = DriverSpec(command=("./driver.sh",), home=home)
    kept = snapshot("mine", spec)
    assert kept is not None
    again = restore("mine", spec, kept, tmp_path / "restored")
    assert again.artifact_digest == prepare("mine", spec).artifact_digest
    assert subprocess.run(again.command, capture_output=True, text=True, check=True).stdout == "here\n"


A, B = "a" * 64, "b" * 64


def test_which_hash_names_the_engine() -> None:
    lock = f"other==1 --hash=sha256:{B}\nMy_Engine[x]==1.0 \\\n  --hash=sha256:{A}\n"
    assert locked_digest("my-engine", lock) == f"sha256:{A}"
    both = f"my-engine==1.0 \\\n  --hash=sha256:{B} \\\n  --hash=sha256:{A}\n"
    assert locked_digest("my-engine", both) == "sha256:" + hashlib.sha256(f"{A}\n{B}".encode()).hexdigest()
    assert locked_digest("unnamed", both) == "sha256:" + hashlib.sha256(both.encode()).hexdigest()
    assert locked_digest("my", both) == locked_digest("unnamed", both)


@given(st.permutations([A, B, "c" * 64]))
def test_the_order_of_hashes_does_not_matter(order: list[str]) -> None:
    def lock(hashes: list[str]) -> str:
        return "e==1 " + " ".join(f"--hash=sha256:{digest}" for digest in hashes)

    assert locked_digest("e", lock(order)) == locked_digest("e", lock(sorted(order)))


def test_nothing_of_our_environment_leaks_into_a_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        monkeypatch.delenv(name)
    kept = {
        "PATH": "/bin",
        "HOME": "/h",
        "LC_ALL": "C",
        "UV_CACHE_DIR": "/c",
        "XDG_CACHE_HOME": "/x",
        "PYTHONUTF8": "1",
    }
    dropped = {
        "AWS_SECRET_ACCESS_KEY": "canary",
        "CERTIFY_POSTGRES_DSN": "canary",
        "CERTIFY_SIGNING_KEY": "canary",
        "CERTIFY_SIGNING_KEY_FILE": "/canary",
        "CERTIFY_SIGNING_KEY_PASSPHRASE": "canary",
        "PGPASSWORD": "canary",
        "PYTHONPATH": "/p",
        "PYTHONSTARTUP": "/p",
        "UV_PUBLISH_TOKEN": "canary",
        "UV_INDEX_MINE_PASSWORD": "canary",
        "UV_DEFAULT_INDEX": "https://u:canary@example.org/simple",
        "VIRTUAL_ENV": "/v",
    }
    for name, value in {**kept, **dropped}.items():
        monkeypatch.setenv(name, value)
    passed = child_environment({"EXTRA": "1"})
    first, bundled = passed.pop("PATH").split(os.pathsep)
    assert {**passed, "PATH": first} == {**kept, "EXTRA": "1"}
    assert "pgserver" in bundled


def test_a_driver_finds_a_psql_where_the_machine_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    psql = shutil.which("psql", path=child_environment()["PATH"])
    assert psql is not None
    assert "psql (PostgreSQL)" in subprocess.check_output([psql, "--version"], text=True)
