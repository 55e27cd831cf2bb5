"""Writes that are killed, or that the system refuses: the old file or the new one, never half of one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.store import EvidenceError, EvidenceStore
from tests.evidence.builders import ENGINE, RELEASE, SMALL, cell, release

PREAMBLE = """
import os, resource, sys, time
from pathlib import Path
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from tests.evidence.builders import ENGINE, RELEASE, SMALL, cell, plan
directory = EvidenceStore(Path(sys.argv[1])).release(RELEASE, ENGINE)
sealed = plan(SMALL)
"""
ROOT = Path(__file__).parents[2]


def names_in(directory: Path) -> list[str]:
    return [path.name for path in directory.iterdir()]


def start(root: Path, program: str) -> subprocess.Popen[str]:
    code = PREAMBLE + textwrap.dedent(program)
    command = [sys.executable, "-c", code, str(root)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    ("hang", "survives"),
    [
        ("os.fsync = hang", "old"),  # everything written to the temporary file, not yet in place
        ("Path.replace = hang", "old"),
        ("import certification_pipeline.evidence.files as files; files._sync_directory = hang", "new"),
    ],
)
def test_kill_9_in_the_middle_of_a_write(tmp_path: Path, hang: str, survives: str) -> None:
    directory, sealed = release(tmp_path)
    path = directory.cell_path(SMALL[0].key.cell_id)
    program = f"""
    def hang(*_):
        print("now", flush=True)
        time.sleep(600)
    {hang}
    directory.write(cell(sealed, SMALL[0], minutes=20, run_id="new"))
    """
    child = start(tmp_path, program)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert directory.read(path, CellEvidence).run_id == ("run-1" if survives == "old" else "new")
    # What is left over disturbs no reader, and the next writer removes it.
    left = [name for name in names_in(path.parent) if name.endswith(".tmp")]
    assert len(left) == (1 if survives == "old" else 0)
    assert [found.planned for found in directory.scan(sealed)] == list(SMALL)
    next_run = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    next_run.write(cell(sealed, SMALL[1], minutes=30, run_id="run-3"))
    assert [name for name in names_in(path.parent) if name.endswith(".tmp")] == []


def test_kill_9_at_any_time(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    path = directory.cell_path(SMALL[0].key.cell_id)
    program = """
    texts = ("x" * 300_000, "y" * 300_000)
    for at in range(1_000_000):
        directory.write(cell(sealed, SMALL[0], minutes=20, run_id="new", detail=texts[at % 2]))
        print(at, flush=True)
    """
    child = start(tmp_path, program)
    try:
        assert child.stdout is not None
        for _ in range(20):
            child.stdout.readline()
    finally:
        child.kill()
        child.communicate()
    detail = directory.read(path, CellEvidence).detail
    assert detail is not None
    assert len(detail) == 300_000
    assert len(set(detail)) == 1


def test_a_full_disk_is_a_message_and_keeps_the_old_file(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    path = directory.cell_path(SMALL[0].key.cell_id)
    before = path.read_bytes()
    program = """
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
    try:
        directory.write(cell(sealed, SMALL[0], minutes=20, run_id="new", detail="x" * 10_000))
    except EvidenceError as error:
        print(error.path, error.remedy, sep="|", flush=True)
    """
    out, _ = start(tmp_path, program).communicate()
    where, remedy = out.strip().split("|")
    assert where == str(path)
    assert "untouched" in remedy
    assert path.read_bytes() == before
    assert sorted(names_in(path.parent)) == sorted(f"{each.key.cell_id}.json" for each in SMALL[:2])


def test_ctrl_c_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "file.json", b"{}")
    assert list(tmp_path.iterdir()) == []


def test_the_temporary_file_of_a_living_writer_is_left_alone(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path)
    cells = directory.path / "cells"
    living = cells / f".a.json.{os.getpid()}.7.tmp"
    living.write_text("in progress")
    fresh, _ = release(tmp_path)
    fresh.write(cell(sealed, SMALL[0], minutes=20))
    assert living.exists()
    os.utime(living, (0, 0))  # … for an hour, in case its number was given to another process
    fresh, _ = release(tmp_path)
    fresh.write(cell(sealed, SMALL[0], minutes=20))
    assert not living.exists()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_without_permission_is_a_message(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(EvidenceError, match="Permission denied"):
        write_atomically(tmp_path / "file.json", b"{}")


def test_a_file_where_a_directory_must_be_is_a_message(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EvidenceError, match=r"File exists|Not a directory"):
        write_atomically(tmp_path / "file" / "x.json", b"{}")
