"""Whoever measures is alone: nothing of the same evidence directory runs beside a benchmark.

Any number of runs work side by side, in as many processes; a measurement waits until all of them have put
their work down, and nobody takes up new work meanwhile. The kernel lets go of what a dead process held.
"""

from __future__ import annotations

import fcntl
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.layout import QUIET_GATE, QUIET_ROOM

_LOOK_AGAIN_SECONDS = 0.1
_TO_MEASURE = "waits until nothing else runs, to measure"
_MEASURED = "waits: a benchmark is measured"


@contextmanager
def at_work(
    root: Path, cancel: threading.Event, waits: Callable[[str], object], *, measures: bool = False
) -> Iterator[None]:
    """Work below ``root`` beside others, or ``measures``: alone. Waits for its turn.

    ``waits`` is told once when it must wait, and why. When ``cancel`` is set meanwhile, the block is entered
    as it is: it looks at ``cancel`` itself. Raises ``EvidenceError`` when the files of the locks cannot be
    made. Not to be nested.
    """
    kind = fcntl.LOCK_EX if measures else fcntl.LOCK_SH
    gate, room = _open(root / QUIET_GATE), _open(root / QUIET_ROOM)
    try:
        # Who waits to measure holds the gate, so that a row of short steps does not keep it waiting for ever.
        if not (_locked(gate, kind) and _locked(room, kind)):
            waits(
                "waits until nothing else runs, to measure" if measures else "waits: a benchmark is measured"
            )
            _lock(gate, kind, cancel)
            _lock(room, kind, cancel)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
    finally:
        os.close(gate)
        os.close(room)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise EvidenceError.from_os(str(path), error, "write") from None


def _lock(descriptor: int, kind: int, cancel: threading.Event) -> None:
    while not _locked(descriptor, kind):
        if cancel.wait(_LOOK_AGAIN_SECONDS):
            return


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:  # a file system without locks
        raise EvidenceError.from_os(str(Path(f"/proc/self/fd/{descriptor}")), error, "lock") from None
    return True
