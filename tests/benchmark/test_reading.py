"""What is read from the kernel, and what is kept of an engine."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.evidence import hardware as hardware_module
from certification_pipeline.evidence.hardware import hardware
from certification_pipeline.harness.cpu import peak_memory_bytes, tree_cpu_seconds
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from certification_pipeline.harness.engines.snapshot import restore, snapshot

DRIVERS = {name: engine.driver for name, engine in load_catalog().engines.items()}

BURN = """
import subprocess, sys, time
def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until: pass
if len(sys.argv) == 1:
    burn(0.2)
    subprocess.run([sys.executable, __file__, "ends"], stdout=subprocess.DEVNULL)
    command = [sys.executable, __file__, "stays"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    child.stdout.readline()
    print("done", flush=True)
    sys.stdin.readline()
else:
    burn(0.3)
    print("done", flush=True)
    if sys.argv[1] == "stays": sys.stdin.readline()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_cpu_of_a_process_its_ended_and_its_living_children(tmp_path: Path) -> None:
    script = tmp_path / "burn.py"
    script.write_text(BURN)
    with subprocess.Popen(
        [sys.executable, str(script)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        while process.stdout.readline() != b"done\n":
            pass
        used = tree_cpu_seconds(process.pid)
        assert used is not None
        assert 0.75 < used < 1.6, "0.2 + 0.3 + 0.3, and three interpreters"
        peak = peak_memory_bytes(process.pid)
        assert peak is not None
        assert 1e6 < peak < 1e9
        process.kill()
    assert tree_cpu_seconds(process.pid) is None
    assert peak_memory_bytes(process.pid) is None


def test_hardware_is_coarse_and_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import platform

    assert platform.node() not in hardware().key
    memory = hardware().memory_class_gib
    assert memory is None or memory & (memory - 1) == 0, "a power of two"
    cpuinfo = tmp_path / "cpuinfo"
    monkeypatch.setattr(hardware_module, "_CPUINFO", cpuinfo)
    hardware.cache_clear()
    try:
        cpuinfo.write_text(
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel name\t: X @ 2.2GHz: y\n\nz"
        )
        assert hardware().cpu == "GenuineIntel family 6"
        hardware.cache_clear()
        cpuinfo.unlink()
        assert hardware().cpu
    finally:
        hardware.cache_clear()


@pytest.mark.parametrize("engine", ["reference", "dlt"])
def test_a_snapshot_is_the_same_and_holds_what_is_certified(engine: str) -> None:
    kept = snapshot(engine, DRIVERS[engine])
    assert kept is not None
    assert kept == snapshot(engine, DRIVERS[engine])


def test_a_restored_engine_is_the_one_that_was_kept(tmp_path: Path) -> None:
    driver = DRIVERS["reference"]
    kept = snapshot("reference", driver)
    assert kept is not None
    prepared = restore("reference", driver, kept, tmp_path)
    assert prepared.artifact_digest == prepare("reference", driver).artifact_digest
    assert prepared.env["PYTHONPATH"] == str(tmp_path)
    where = [*prepared.command[:1], "-c", "import certification_pipeline as c; print(c.__file__)"]
    out = subprocess.run(where, env=dict(prepared.env), capture_output=True, text=True, check=True, cwd="/")
    assert out.stdout.startswith(str(tmp_path))


def test_of_a_strangers_binary_nothing_is_kept() -> None:
    assert snapshot("x", DriverSpec(command=("true",))) is None


@pytest.mark.parametrize("name", ["../evil.py", "/etc/evil", "a//b"])
def test_a_snapshot_that_reaches_out_is_refused(tmp_path: Path, name: str) -> None:
    path = tmp_path / "evil.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(zipfile.ZipInfo(name), b"x")
    with pytest.raises(EngineUnavailable, match="no path inside"):
        restore("reference", DRIVERS["reference"], path.read_bytes(), tmp_path / "in" / "side")
    with pytest.raises(EngineUnavailable, match="cannot be unpacked"):
        restore("reference", DRIVERS["reference"], b"no zip", tmp_path / "in")


def test_a_snapshot_of_an_engine_that_shares_a_driver_is_restored_as_that_engine(tmp_path: Path) -> None:
    folder = tmp_path / "engines" / "shared"
    (folder / "inner").mkdir(parents=True)
    (folder / "driver.py").write_text("print('hello')\n")
    (folder / "inner" / "table.sql").write_text("select 1\n")
    driver = DriverSpec(script="driver.py", folder="shared", config={"mode": "fast"})
    kept = snapshot("shared_fast", driver, engines=tmp_path / "engines")
    assert kept is not None
    again = restore("shared_fast", driver, kept, tmp_path / "restored")
    before = prepare("shared_fast", driver, engines=tmp_path / "engines")
    assert again.artifact_digest == before.artifact_digest
    assert again.env["CERTIFY_ENGINE_CONFIG"] == before.env["CERTIFY_ENGINE_CONFIG"]
