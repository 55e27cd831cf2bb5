"""Crash points of sinks that are files: the file events of a clean load, and a kill right after one.

For a database in one file (DuckDB, SQLite) the files beside it that bear its name are looked at, its journal
and its log among them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, NothingToDisturb, ToolMissing
from certification_pipeline.harness.faults.inotify import Change, Watch
from certification_pipeline.harness.faults.stable_names import stable_path
from certification_pipeline.harness.services import watchdog

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession

_TOLD = 20
"""How many further boundaries a witness names; it counts them all."""


class _Boundaries:
    """The file events of one load, as crash points."""

    def __init__(self, then: Callable[[CrashPoint], None] | None = None) -> None:
        self._then = then
        self._seen: Counter[tuple[str, str]] = Counter()
        self._watch: Watch | None = None
        self.points: list[CrashPoint] = []

    def watch(self, arena: Arena) -> None:
        """From now on. Raises ``NothingToDisturb`` or ``ToolMissing``."""
        if arena.sink_files is None:
            raise NothingToDisturb("the sink is a service: the engine writes no files of its own there")
        if not Watch.available():
            raise ToolMissing("file events are watched with Linux's inotify", "run this cell on Linux")
        place = arena.sink_files
        database = bool(place.suffix) and not place.is_dir()
        stem = place.stem if database else arena.namespace
        root = place.parent if database else place
        if not root.is_dir():
            raise NothingToDisturb("the sink's directory is not there")
        # SQLite's shared index of its log is rebuilt from the log after a crash: nothing durable is in it.
        self._watch = Watch(
            root, lambda name: stem in name and not name.endswith("-shm"), self._tell, running=database
        )
        self._watch.start()

    def end(self) -> bool:
        """Take in what has happened until now; whether that is all there was."""
        if self._watch is None:
            return False
        self._watch.stop()
        return not self._watch.overflowed

    def _tell(self, change: Change) -> None:
        where = stable_path(change.path)
        self._seen[change.action, where] += 1
        point = CrashPoint(
            number=len(self.points) + 1,
            medium="files",
            action=change.action,
            object=where,
            nth=self._seen[change.action, where],
        )
        self.points.append(point)
        if self._then is not None:
            self._then(point)


class FileRecorder(Fault):
    """Breaks nothing: records the file events of a clean load as crash points."""

    name: ClassVar[str] = "files.record"

    def __init__(self) -> None:
        self._boundaries = _Boundaries()
        self._complete = False

    @property
    def points(self) -> tuple[CrashPoint, ...]:
        """What was seen, in its order; complete once the fault was witnessed."""
        return tuple(self._boundaries.points)

    def plan(self) -> Facts:
        """That it listens."""
        return {"records": "created, written, renamed and deleted files of the sink"}

    def arm(self, arena: Arena) -> None:
        """Listen."""
        self._boundaries.watch(arena)

    def witness(self) -> Facts | None:
        """How many boundaries; ``None`` when there was none, or the kernel dropped some."""
        self._complete = self._boundaries.end() or self._complete
        return {"boundaries": len(self.points)} if self._complete and self.points else None

    def heal(self) -> None:
        """Listen no more."""
        self._complete = self._boundaries.end() or self._complete


class KillAtFile(Fault):
    """SIGKILL the load right after that boundary appears.

    Asynchronous: the load goes on until it is stopped, so that one or more further boundaries may have been
    reached; the witness counts and names them. No witness when the load had answered ``result`` before.
    """

    name: ClassVar[str] = "files.kill"

    def __init__(self, point: CrashPoint) -> None:
        self._point = point
        self._boundaries = _Boundaries(self._reached)
        self._session: EngineSession | None = None
        self._loading: EngineSession | None = None
        self._pids: tuple[int, ...] = ()
        self._number = 0

    def plan(self) -> Facts:
        """The boundary."""
        return {"signal": "SIGKILL", "after": self._point.address}

    def arm(self, arena: Arena) -> None:
        """Listen."""
        self._boundaries.watch(arena)

    def begin(self, session: EngineSession) -> None:
        """This is the load to kill."""
        self._loading = session

    def hear(self, session: EngineSession, event: Event) -> None:
        """Its events tell nothing about files."""

    def witness(self) -> Facts | None:
        """Who died, at which boundary, and what had been reached when they were dead."""
        self._boundaries.end()
        if self._session is None or self._session.last_end == "result":
            return None
        further = self._boundaries.points[self._number :]
        return {
            "signal": "SIGKILL",
            "pids": list(self._pids),
            "after": self._point.address,
            "further_boundaries": len(further),
            "further": [point.address for point in further[:_TOLD]],
        }

    def heal(self) -> None:
        """Listen no more."""
        self._boundaries.end()

    def _reached(self, point: CrashPoint) -> None:
        """In the listening thread."""
        if self._loading is None or self._pids or point.address != self._point.address:
            return
        self._pids = self._loading.kill_load()
        if self._pids and all(watchdog.state(pid) in ("", "Z", "X") for pid in self._pids):
            self._session, self._number = self._loading, point.number
