"""The engine's clock goes wrong, for it alone: libfaketime between it and the C library.

What is linked statically (a Go binary) asks the kernel itself and is not deceived; then there is no witness.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.engines.venv import EngineUnavailable, read_lock, virtual_environment
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, ToolMissing
from certification_pipeline.harness.services import watchdog

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession

LIBRARY_VARIABLE = "CERTIFY_LIBFAKETIME"
"""Names libfaketime's shared library, where it is in no usual place."""

_PLACES = ("/usr/lib/*/faketime", "/usr/lib/faketime", "/usr/lib64/faketime", "/usr/local/lib/faketime")
_NAME = "libfaketime.so.1"
_LOCK = Path(__file__).with_name("libfaketime.lock")
_REMEDY = (
    f"install libfaketime (Debian: apt-get install libfaketime), or name its library in {LIBRARY_VARIABLE}"
)
_SHARED = Path("/dev/shm")  # noqa: S108 - where Linux keeps POSIX shared memory
_NEAR = timedelta(minutes=10)
"""How far a load's start may be from where the plan puts it; far less than the least skew."""


class ClockSkew(Fault):
    """The engine's process sees a clock that is so many hours ahead (or, negative, behind).

    The loads of the block are done by a process of its own. The witness is the run record's ``started_at``,
    and that the library is mapped into every process of the load.
    """

    name: ClassVar[str] = "clock.skew"

    def __init__(self, hours: float) -> None:
        if abs(hours) < 1:
            raise ValueError(
                f"a skew of {hours:g} hours is too small to be told from a slow start: at least 1"
            )
        self._hours = hours
        self._arena: Arena | None = None
        self._session: EngineSession | None = None
        self._began: datetime | None = None
        self._deceived: set[int] = set()
        self._honest: set[int] = set()

    def plan(self) -> Facts:
        """The hours."""
        return {"hours": self._hours}

    def arm(self, arena: Arena) -> None:
        """Raises ``ToolMissing`` where there is no libfaketime."""
        path = library(os.environ)
        if arena.dress is None:
            raise ToolMissing("no engine can be started here with variables of its own", _REMEDY)
        self._arena = arena
        arena.dress(
            {
                "LD_PRELOAD": str(path),
                "FAKETIME": f"{self._hours * 3600:+.0f}",
                "DONT_FAKE_MONOTONIC": "1",  # timeouts are not time
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
                "NO_FAKE_STAT": "1",  # files are as old as they are
            }
        )

    def begin(self, session: EngineSession) -> None:
        """When it begins, by our clock."""
        self._session, self._began = session, utc_now()
        _forget(session.pid)

    def hear(self, session: EngineSession, event: Event) -> None:
        """Look who is deceived; later they may have gone."""
        for pid in session.members() - self._deceived - self._honest:
            mapped = _maps(pid)
            if mapped:
                (self._deceived if _NAME in mapped else self._honest).add(pid)

    def witness(self) -> Facts | None:
        """The record's start and ours; ``None`` when they are not as far apart as was planned."""
        last = self._session.last if self._session is not None else None
        record = last.record if last is not None else None
        if self._began is None or record is None or not record.started_at or self._honest:
            return None
        try:
            said = datetime.fromisoformat(record.started_at)
        except ValueError:
            return None
        if said.tzinfo is None or abs(said - self._began - timedelta(hours=self._hours)) > _NEAR:
            return None
        return {
            "started_at_by_its_clock": said.isoformat(),
            "started_at": self._began.isoformat(),
            "processes": len(self._deceived),
        }

    def heal(self) -> None:
        """The next loads are done by the usual process; nothing stays in shared memory."""
        if self._arena is not None and self._arena.dress is not None:
            self._arena.dress({})
        if self._began is not None:
            _forget_the_dead(self._began)


def library(environ: Mapping[str, str]) -> Path:
    """libfaketime's shared library; raises ``ToolMissing``.

    The one that is named, the system's, or one that is built once from its pinned source, with a C compiler.
    """
    if sys.platform != "linux":
        raise ToolMissing("an engine's clock is skewed with libfaketime on Linux", "run this cell on Linux")
    if named := environ.get(LIBRARY_VARIABLE):
        if Path(named).is_file():
            return Path(named)
        raise ToolMissing(f"{LIBRARY_VARIABLE} names no file", f"correct or unset {LIBRARY_VARIABLE}")
    for place in _PLACES:
        for found in sorted(Path("/").glob(f"{place[1:]}/{_NAME}")):
            return found
    return _built()


@cache
def _built() -> Path:
    try:
        home = virtual_environment(
            "libfaketime", _LOCK, read_lock("libfaketime", _LOCK), "libfaketime", lambda _: None
        )
    except EngineUnavailable as error:
        raise ToolMissing(f"libfaketime is not here: {error.args[0]}", _REMEDY) from None
    for found in sorted(home.glob(f"lib/python*/site-packages/**/{_NAME}")):
        return found
    raise ToolMissing("libfaketime was not built", _REMEDY)


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


def _forget(pid: int) -> None:
    """Unlink what libfaketime put into shared memory for the process, which has it open: only an orderly exit
    would, and a child that does not find it makes its own."""
    for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
        (_SHARED / name).unlink(missing_ok=True)


def _forget_the_dead(since: datetime) -> None:
    """As :func:`_forget`, for programs that were started by the load and killed."""
    for path in _SHARED.glob("faketime_shm_*"):
        pid = path.name.rpartition("_")[2]
        with suppress(OSError):
            if pid.isdigit() and not watchdog.state(int(pid)) and path.stat().st_mtime >= since.timestamp():
                _forget(int(pid))
