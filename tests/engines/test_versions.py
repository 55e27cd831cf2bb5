"""An engine in another version than its lock pins: a lock derived from both, made once."""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

import pytest

from certification_pipeline.catalog.engines import DriverSpec, Engine
from certification_pipeline.catalog.loading import catalog_digest, load_catalog
from certification_pipeline.harness.engines import versions
from certification_pipeline.harness.engines.environment import EngineUnavailable, PreparedEngine, prepare
from certification_pipeline.harness.engines.versions import UnknownVersion
from certification_pipeline.settings import RunSettings, SettingsError
from tests.engines.test_environment import _wheel

SCRIPT = """\
# /// script
# requires-python = ">=3.11"
# dependencies = [
#     # why it is pinned
#     "toy[fast]==1.2.3; python_version >= '3'",
#     "other>=1",
# ]
# ///
import other, toy
print(toy.ANSWER, other.ANSWER)
"""


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``toy`` in two versions beside ``other``, which is locked to the older of its two."""
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    made = _index(tmp_path / "simple")
    monkeypatch.setenv("UV_DEFAULT_INDEX", (tmp_path / "simple").as_uri())
    folder = tmp_path / "engines" / "toy"
    folder.mkdir(parents=True)
    (folder / "driver.py").write_text(SCRIPT)
    pinned = [
        f"{name}==1.2.3 --hash=sha256:{hashlib.sha256(made[name, '1.2.3'].read_bytes()).hexdigest()}\n"
        for name in ("other", "toy")
    ]
    (folder / "driver.lock").write_text("".join(pinned))
    return folder.parent


def _index(simple: Path) -> dict[tuple[str, str], Path]:
    """A package index of files (PEP 503) with two versions of two packages, and nothing else."""
    made: dict[tuple[str, str], Path] = {}
    for name in ("toy", "other"):
        folder = simple / name
        folder.mkdir(parents=True)
        links = []
        for version in ("1.2.3", "1.3.0"):
            wheel = made[name, version] = _wheel(folder, name, version, f"ANSWER = '{version}'\n")
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            links.append(f'<a href="{wheel.name}#sha256={digest}">{wheel.name}</a>')
        (folder / "index.html").write_text("<!doctype html><body>" + "\n".join(links))
    return made


def spec(version: str | None) -> DriverSpec:
    return DriverSpec(
        script="driver.py", lock="driver.lock", folder="toy", distribution="toy", version=version
    )


def said(prepared: PreparedEngine) -> str:
    ran = subprocess.run(prepared.command, env=dict(prepared.env), capture_output=True, text=True, check=True)
    return ran.stdout.strip()


def test_only_the_engine_itself_is_another(engines: Path) -> None:
    locked = prepare("toy", spec(None), engines=engines)
    newer = prepare("toy==1.3.0", spec("1.3.0"), engines=engines)
    same = prepare("toy==1.2.3", spec("1.2.3"), engines=engines)
    assert said(locked) == said(same) == "1.2.3 1.2.3"
    assert said(newer) == "1.3.0 1.2.3"
    assert len({locked.artifact_digest, newer.artifact_digest, same.artifact_digest}) == 3
    assert newer.derived_lock is not None
    assert "toy==1.3.0" in newer.derived_lock.read_text()
    assert locked.derived_lock is None


def test_the_second_time_uv_is_not_asked(engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = prepare("toy==1.3.0", spec("1.3.0"), engines=engines)

    def fail(*_: object) -> None:
        raise AssertionError("uv was called")

    monkeypatch.setattr(versions, "run_uv", fail)
    again = prepare("toy==1.3.0", spec("1.3.0"), pytest.fail, engines=engines)
    assert (again.command, again.artifact_digest) == (first.command, first.artifact_digest)


@pytest.mark.nightly
def test_the_digest_changes_with_what_is_resolved_beside_it(
    engines: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first = prepare("toy==1.3.0", spec("1.3.0"), engines=engines)
    (engines / "toy" / "driver.lock").write_text("")  # nothing is preferred: the newest of all else
    second = prepare("toy==1.3.0", spec("1.3.0"), engines=engines)
    assert said(second) == "1.3.0 1.3.0"
    assert second.artifact_digest != first.artifact_digest


def test_a_version_that_is_not_there_is_told_with_a_remedy(engines: Path) -> None:
    with pytest.raises(UnknownVersion, match=r"toy==9\.9 cannot be installed.*choose a version"):
        prepare("toy==9.9", spec("9.9"), engines=engines)
    assert [path for path in (engines.parent / "cache" / "locks").iterdir() if path.is_dir()] == []


def test_without_network_and_with_a_cold_cache_the_index_is_named(
    engines: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", "https://index.invalid/simple")
    monkeypatch.setenv("UV_OFFLINE", "1")
    with pytest.raises(EngineUnavailable, match="package index is out of reach") as caught:
        prepare("toy==1.3.0", spec("1.3.0"), engines=engines)
    assert not isinstance(caught.value, UnknownVersion)


def test_a_script_that_does_not_name_the_package_has_no_versions(engines: Path) -> None:
    odd = spec("1").model_copy(update={"distribution": "nobody"})
    with pytest.raises(UnknownVersion, match="does not require nobody itself"):
        prepare("toy==1", odd, engines=engines)


def test_a_version_is_an_engine_of_its_own_that_claims_the_same() -> None:
    catalog = load_catalog()
    before = catalog_digest(catalog)
    engine = catalog.engine("dlt==1.30.0")
    assert isinstance(engine, Engine)
    assert (engine.id, engine.driver.folder, engine.driver.version) == ("dlt==1.30.0", "dlt", "1.30.0")
    assert engine.routes == catalog.engines["dlt"].routes
    assert "dlt==1.30.0" not in catalog.engines
    assert catalog_digest(catalog) == before
    with pytest.raises(KeyError):
        catalog.engine("nobody==1")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("reference==1.0", "is a command"),
        ("dlt==", "is no version"),
        ("dlt==../1", "is no version"),
        ("dlt==1.30.0 --index=x", "is no version"),
        ("d*==1.30.0", "belongs to one engine"),
        ("nobody==1.0", "matches nothing"),
    ],
)
def test_what_cannot_be_a_version_is_refused(name: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        RunSettings(engines=(name,)).check(load_catalog())


def test_two_versions_are_two_engines() -> None:
    settings = RunSettings(engines=("dlt==1.30.0", "dlt==1.31.0", "dlt"))
    settings.check(load_catalog())
    assert settings.chosen_engines(load_catalog()) == ("dlt", "dlt==1.30.0", "dlt==1.31.0")


def test_nobody_looks_a_version_up_among_the_catalogues_engines() -> None:
    """``catalog.engines["dlt==1.30.0"]`` is a KeyError in mid-run: ``catalog.engine`` knows versions."""
    package = Path(versions.__file__).parents[2]
    found = [
        f"{file.relative_to(package)}:{number}"
        for file in package.rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1)
        if re.search(r"catalog\.engines(\[(?!base\])|\.get\()", line)
    ]
    # A manifest names an engine of the catalogue, and no version of it.
    assert [place for place in found if not place.startswith("catalog/manifest.py")] == []
