"""The engine's disk is full, for it alone: no file of its processes may grow beyond a limit (RLIMIT_FSIZE).

What a server writes on the engine's behalf is not limited: where the sink is a service, it is the disk of the
engine's working folder and of its temporary files that is full.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, ToolMissing
from certification_pipeline.harness.faults.inotify import Watch

if sys.platform == "linux":
    import resource

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession

_SECTOR = 512
_WORDS = (os.strerror(errno.EFBIG), signal.Signals(signal.SIGXFSZ).name, "disk I/O error")
"""The kernel's, and SQLite's for a write that the kernel refused (SQLITE_IOERR): the file is cut back."""


class FileSizeLimit(Fault):
    """Writing beyond so many bytes of a file fails, in all processes of the engine and those they start.

    The witness is a file of exactly that size: what a write that crosses the limit leaves behind. The limit
    must be a figure that no file has by itself, so no multiple of a sector. An engine that says ``resource``
    and no more is no witness; one that passes on the kernel's own words for it (``File too large``,
    ``SIGXFSZ``), or SQLite's, is.
    """

    name: ClassVar[str] = "disk.file_size"

    def __init__(self, limit: int) -> None:
        if limit <= 0 or limit % _SECTOR == 0:
            raise ValueError(
                f"choose a limit that is no multiple of {_SECTOR}: {limit} may be a file's own size"
            )
        self._limit = limit
        self._before: dict[int, tuple[int, int]] = {}
        self._watches: list[Watch] = []
        self._kinds: dict[Path, str] = {}
        self._lock = threading.Lock()
        self._reached = ""
        self._arena: Arena | None = None
        self._session: EngineSession | None = None

    def plan(self) -> Facts:
        """The limit."""
        return {"limit_bytes": self._limit}

    def arm(self, arena: Arena) -> None:
        """Raises ``ToolMissing`` where other processes cannot be limited."""
        if sys.platform != "linux":
            raise ToolMissing(
                "files of other processes are limited with Linux's prlimit", "run this cell on Linux"
            )
        self._arena = arena

    def begin(self, session: EngineSession) -> None:
        """Limit whoever is there; who is started later inherits it."""
        if self._session is not None:
            return
        self._session = session
        self._look_out(session)
        while fresh := session.members() - set(self._before):
            for pid in fresh:
                self._before[pid] = _limit(pid, self._limit)

    def witness(self) -> Facts | None:
        """How many processes were limited, and what reached the limit."""
        self._look_no_more()
        last = self._session.last if self._session is not None else None
        said = next((word for word in _WORDS if last is not None and word in (last.message or "")), "")
        if not any(limits != _GONE for limits in self._before.values()) or not (self._reached or said):
            return None
        seen: Facts = {"limited_processes": len(self._before), "limit_bytes": self._limit}
        return {
            **seen,
            **({"file": self._reached} if self._reached else {}),
            **({"said": said} if said else {}),
        }

    def heal(self) -> None:
        """Put the limits back, of those who are left and of who inherited them."""
        self._look_no_more()
        if self._session is None or not self._before:
            return
        limits = next((found for found in self._before.values() if found != _GONE), None)
        for pid in self._session.members():
            soft = self._before.get(pid, limits)
            if soft is not None and soft != _GONE:
                _limit(pid, soft[0])

    # --- files that reach it ------------------------------------------------------------------------

    def _look_out(self, session: EngineSession) -> None:
        """Where the engine may write: its folder, the sink's files, where it stands, temporary files."""
        arena = self._arena
        assert arena is not None
        places = {arena.state_dir: "working folder"}
        if (sink := arena.sink_files) is not None:
            places[sink if sink.is_dir() else sink.parent] = "sink"
        for place, kind in _surroundings(session.pid):
            places.setdefault(place, kind)
        self._kinds = places
        for place, kind in places.items():
            there = set(os.listdir(place)) if kind == "temporary files" else set()  # noqa: PTH208
            watch = Watch(
                place,
                lambda name, there=there: name not in there,  # type: ignore[misc]
                lambda change, place=place: self._look(place / change.path),  # type: ignore[misc]
                every=True,
            )
            try:
                watch.start()
            except OSError:
                watch.stop()
                continue
            self._watches.append(watch)

    def _look(self, path: Path) -> None:
        """In a watch's thread."""
        try:
            size = path.lstat().st_size
        except OSError:
            return
        if size == self._limit:
            inside = [place for place in self._kinds if path.is_relative_to(place)]
            kind = self._kinds[max(inside, key=lambda place: len(place.parts))]
            with self._lock:
                self._reached = self._reached or f"{kind}: {path.name}"

    def _look_no_more(self) -> None:
        while self._watches:
            self._watches.pop().stop()


_GONE = (-2, -2)


def _limit(pid: int, soft: int) -> tuple[int, int]:
    """Set the soft limit, keep the hard one; what they were. A process may have gone."""
    try:
        before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (soft, before[1]))
    except OSError:
        return _GONE
    return before


def _surroundings(pid: int) -> list[tuple[Path, str]]:
    """Where the process stands, and where it puts temporary files."""
    try:
        environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        stands = Path(f"/proc/{pid}/cwd").readlink()
    except OSError:
        return []
    named = [Path(os.fsdecode(line[7:])) for line in environment if line.startswith(b"TMPDIR=")]
    return [(stands, "current directory"), (next(iter(named), Path("/tmp")), "temporary files")]  # noqa: S108
