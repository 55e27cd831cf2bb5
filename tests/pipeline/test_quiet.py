"""A benchmark is measured alone: beside no cell, no other family, no calibration, in whichever process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.pipeline import calibrate, cells, families
from certification_pipeline.pipeline.quiet import at_work

WAIT = 30.0


class Worker:
    """One piece of work in a thread; locks are of open files, so it is as good as another process."""

    def __init__(self, root: Path, *, measures: bool = False) -> None:
        self.entered, self.go_home, self.waits = threading.Event(), threading.Event(), threading.Event()
        self.cancel = threading.Event()
        self.said: list[str] = []
        self.thread = threading.Thread(target=self._work, args=(root, measures), daemon=True)
        self.thread.start()

    def _work(self, root: Path, measures: bool) -> None:
        with at_work(root, self.cancel, self._told, measures=measures):
            self.entered.set()
            self.go_home.wait(WAIT)

    def _told(self, why: str) -> None:
        self.said.append(why)
        self.waits.set()

    def ends(self) -> None:
        self.go_home.set()
        self.thread.join(WAIT)
        assert not self.thread.is_alive()


def test_work_goes_on_side_by_side_and_a_measurement_waits_for_all_of_it(tmp_path: Path) -> None:
    first, second = Worker(tmp_path), Worker(tmp_path)
    assert first.entered.wait(WAIT)
    assert second.entered.wait(WAIT)
    measuring = Worker(tmp_path, measures=True)
    assert measuring.waits.wait(WAIT)
    first.ends()
    assert not measuring.entered.is_set()
    second.ends()
    assert measuring.entered.wait(WAIT)
    measuring.ends()
    assert measuring.said == ["waits until nothing else runs, to measure"]


def test_nothing_begins_beside_a_measurement_or_before_one_that_waits(tmp_path: Path) -> None:
    """Else a row of short steps would keep it waiting for ever."""
    working = Worker(tmp_path)
    assert working.entered.wait(WAIT)
    measuring = Worker(tmp_path, measures=True)
    assert measuring.waits.wait(WAIT)
    late = Worker(tmp_path)
    assert late.waits.wait(WAIT)
    working.ends()
    assert measuring.entered.wait(WAIT)
    assert not late.entered.is_set()
    measuring.ends()
    assert late.entered.wait(WAIT)
    late.ends()
    assert late.said == ["waits: a benchmark is measured"]


def test_a_killed_measurement_holds_nobody_up(tmp_path: Path) -> None:
    program = (
        "import sys, threading; from pathlib import Path\n"
        "from certification_pipeline.pipeline.quiet import at_work\n"
        "with at_work(Path(sys.argv[1]), threading.Event(), print, measures=True):\n"
        "    print('in', flush=True); threading.Event().wait()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    with process.stdout as said:
        assert said.readline() == "in\n"
        late = Worker(tmp_path)
        assert late.waits.wait(WAIT)
        process.kill()
        process.wait()
    assert late.entered.wait(WAIT)
    late.ends()


def test_who_is_told_to_stop_does_not_wait(tmp_path: Path) -> None:
    with ExitStack() as stack:
        stack.enter_context(at_work(tmp_path, threading.Event(), print, measures=True))
        late = Worker(tmp_path)
        assert late.waits.wait(WAIT)
        late.cancel.set()
        assert late.entered.wait(WAIT)
        late.ends()


def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(EvidenceError, match="cannot write it"),
        at_work(tmp_path / "file", threading.Event(), print),
    ):
        pass


@pytest.mark.parametrize("work", [cells.run_cells, families.run_family, calibrate._run])
def test_whatever_loads_anything_takes_part(work: Callable[..., object]) -> None:
    assert "at_work" in work.__code__.co_names
