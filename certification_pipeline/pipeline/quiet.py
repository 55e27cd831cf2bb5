"""Whoever measures is alone: nothing of the same evidence directory runs beside a benchmark.

Any number of runs work side by side, in as many processes; a measurement waits until all of them have put
their work down, and nobody takes up new work meanwhile. The kernel lets go of what a dead process held.
"""

from __future__ import annotations

import fcntl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from certification_pipeline.evidence.exclusive import lock_file, locked
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
    at_gate, at_room = root / QUIET_GATE, root / QUIET_ROOM
    with lock_file(at_gate) as gate, lock_file(at_room) as room:
        # Who waits to measure holds the gate, so that a row of short steps does not keep it waiting for ever.
        if not (locked(gate, at_gate, kind) and locked(room, at_room, kind)):
            waits(_TO_MEASURE if measures else _MEASURED)
            _lock(gate, at_gate, kind, cancel)
            _lock(room, at_room, kind, cancel)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield


def _lock(descriptor: int, path: Path, kind: int, cancel: threading.Event) -> None:
    while not locked(descriptor, path, kind):
        if cancel.wait(_LOOK_AGAIN_SECONDS):
            return
