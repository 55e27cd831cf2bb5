"""How much CPU and memory a process tree has used: read from the kernel, from outside, without its help.

Linux only (clock_gettime(2) on another process, proc(5)); elsewhere everything is ``None``.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_TICKS = os.sysconf("SC_CLK_TCK")
_CPUCLOCK_SCHED = 2
"""The clock of a process that counts all its threads, those that ended too: in nanoseconds."""
_TRIES = 20


def tree_cpu_seconds(root: int) -> float | None:
    """User and system CPU of ``root``, its descendants and all children they have waited for.

    Living processes are read in nanoseconds, the ended ones in the kernel's ticks of 10 ms: a difference of
    two readings is off by at most two ticks. Orphans that left the tree are not seen. ``None`` when ``root``
    is gone or the system has no such clocks.
    """
    for _ in range(_TRIES):
        before = _tree(root)
        total = 0.0
        try:
            for pid in before:
                total += _own(pid) + _waited_for(pid)
        except (OSError, IndexError, ValueError):
            if not _alive(root):
                return None
            continue  # somebody ended meanwhile: what he used has moved to his parent
        if _tree(root) == before:
            return total
    return None


def peak_memory_bytes(pid: int) -> int | None:
    """Peak resident bytes of one process, as far back as it did not reset it itself."""
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / str(pid) / "status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return None


class TreeMemory:
    """Watches the memory of ``root`` and all below it while the block runs; ``peak`` in bytes, afterwards.

    Sampled, so a shorter peak is missed; of ``root`` itself the kernel's own mark is taken, too, where it
    rose meanwhile. Pages that processes share count once (proportional set size). ``None``: cannot be read.
    """

    def __init__(self, root: int) -> None:
        self.peak: int | None = None
        self._root = root
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="tree-memory", daemon=True)

    def __enter__(self) -> TreeMemory:
        self._before = peak_memory_bytes(self._root)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        mark = peak_memory_bytes(self._root)
        if mark is not None and mark != self._before:
            self.peak = max(self.peak or 0, mark)

    def _watch(self) -> None:
        while True:
            if (seen := _tree_memory(self._root)) is not None:
                self.peak = max(self.peak or 0, seen)
            if self._stop.wait(_SAMPLE_SECONDS):
                return


_SAMPLE_SECONDS = 0.05


def _tree_memory(root: int) -> int | None:
    found = [size for pid in _tree(root) if (size := _proportional(pid)) is not None]
    return sum(found) if found else None


def _proportional(pid: int) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        for line in (_PROC / str(pid) / "smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) * 1024
    return None


def _own(pid: int) -> float:
    # The clock id of another process: man 2 clock_getres, "dynamic clocks"; bits as in posix-timers.h.
    return time.clock_gettime_ns((~pid << 3) | _CPUCLOCK_SCHED) / 1e9


def _waited_for(pid: int) -> float:
    fields = (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].split()
    return (int(fields[13]) + int(fields[14])) / _TICKS  # cutime, cstime; the third field is the first here


def _tree(root: int) -> tuple[int, ...]:
    return tuple(_walk(root))


def _walk(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in sorted((_PROC / str(pid) / "task").iterdir()):
            for child in (task / "children").read_text().split():
                yield from _walk(int(child))


def _alive(pid: int) -> bool:
    return (_PROC / str(pid)).exists()
