"""Ctrl-C and kill -9 in the middle of a run: finished work is kept, and nothing is left behind."""

from __future__ import annotations

import os
import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.robustness.conftest import Bed, Certify

pytestmark = pytest.mark.integration


def shared_memory(postmaster: int) -> tuple[set[str], set[str]]:
    """System V segments the server created, and files it has in ``/dev/shm``."""
    lines = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
    segments = {line.split()[1] for line in lines if line.split()[4] == str(postmaster)}
    maps = Path(f"/proc/{postmaster}/maps")
    files = set(re.findall(r"/dev/shm/\S+", maps.read_text())) if maps.exists() else set()
    return segments, files


def in_the_midst(bed: Bed) -> Certify:
    """A run with a few cells done and others to do."""
    command = bed.run()
    command.wait_until(lambda: len(command.finished) >= 2)
    return command


@pytest.mark.nightly
def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(bed: Bed) -> None:
    command = in_the_midst(bed)
    postmaster = command.postmaster()
    _, files = shared_memory(postmaster)
    os.killpg(command.process.pid, signal.SIGINT)  # as a terminal does: to the whole group
    assert command.end() == 130
    assert "Stopping" in command.err
    kept = bed.cells()
    assert {cell_id for _, cell_id in command.finished} == set(kept)
    assert f"{len(kept)} cells were finished and are kept" in command.err
    command.leaves_nothing()
    assert shared_memory(postmaster) == (set(), set())
    assert not any(Path(file).exists() for file in files)
    # What it says to do next does the rest, and not again what was done.
    go_on = shlex.split(command.err.rpartition("Go on with: certify ")[2].splitlines()[0])
    assert "--resume" in go_on
    rest = bed.certify(*go_on, "--workers", "1")
    assert rest.end() == 0, rest.err
    assert {cell_id for _, cell_id in rest.finished} == set(bed.cells()) - set(kept)
    assert bed.green()
    rest.leaves_nothing()


def test_kill_nine_leaves_nothing_and_the_next_run_works(bed: Bed) -> None:
    command = in_the_midst(bed)
    postmaster = command.postmaster()
    segments, files = shared_memory(postmaster)
    assert len(command.survivors()) >= 3, "an engine, a server, a watchdog: else this test would see nothing"
    assert list(bed.temporary.glob("certify-work-*"))
    os.kill(command.process.pid, signal.SIGKILL)
    assert command.end() == -signal.SIGKILL
    command.leaves_nothing()
    left, _ = shared_memory(postmaster)
    assert (left & segments, [file for file in files if Path(file).exists()]) == (set(), [])
    kept = set(bed.cells())
    assert {cell_id for _, cell_id in command.finished} <= kept
    rest = bed.run("--resume")
    assert rest.end() == 0, rest.err
    assert not kept & {cell_id for _, cell_id in rest.finished}
    assert bed.green()


@pytest.mark.nightly
def test_kill_nine_while_the_server_starts(bed: Bed) -> None:
    command = bed.run()
    command.wait_until(lambda: "planned cells can run here" in command.err)
    os.kill(command.process.pid, signal.SIGKILL)
    command.end()
    command.leaves_nothing()


@pytest.mark.nightly
def test_a_second_ctrl_c_stops_at_once(bed: Bed) -> None:
    command = in_the_midst(bed)
    os.killpg(command.process.pid, signal.SIGINT)
    command.wait_until(lambda: "Once more stops at once" in command.err)
    os.killpg(command.process.pid, signal.SIGINT)
    assert command.end() == 130
    command.leaves_nothing()


@pytest.mark.nightly
def test_sigterm_is_as_good_as_ctrl_c(bed: Bed) -> None:
    command = in_the_midst(bed)
    os.kill(command.process.pid, signal.SIGTERM)
    assert command.end() == 130
    assert "Go on with" in command.err
    command.leaves_nothing()
