"""When in a load something is to happen: at a phase, after so many rows, after so many seconds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.engines.protocol import Phase, Progress

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession
    from certification_pipeline.harness.faults.fault import Facts


@dataclass(frozen=True)
class AtPhase:
    """When the engine says that it enters the phase for the ``nth`` time."""

    name: str
    nth: int = 1


@dataclass(frozen=True)
class AfterSeconds:
    """So long after the load was asked for."""

    seconds: float


@dataclass(frozen=True)
class AtRows:
    """When the engine says that so many rows of a phase are done; few engines say it."""

    rows: int


Moment = AtPhase | AfterSeconds | AtRows


def planned(moment: Moment | None) -> Facts:
    """The moment, as a fault's plan tells it."""
    match moment:
        case AtPhase(name, nth):
            return {"at_phase": name, "nth": nth}
        case AfterSeconds(seconds):
            return {"after_seconds": seconds}
        case AtRows(rows):
            return {"at_rows": rows}
        case None:
            return {"at": "once, before the load"}


class Trigger:
    """Calls ``act`` once, at the moment, in the thread that waits for the engine or in a timer's."""

    def __init__(self, moment: Moment, act: Callable[[EngineSession], None]) -> None:
        self._moment = moment
        self._act = act
        self._lock = threading.Lock()
        self._fired = False
        self._begun = 0.0
        self._timer: threading.Timer | None = None
        self._phases: Counter[str] = Counter()
        self.phase = ""
        """The last one that was heard of."""

    def begin(self, session: EngineSession) -> None:
        """The load is asked for now."""
        if self._begun:
            return
        self._begun = time.monotonic()
        if isinstance(self._moment, AfterSeconds):
            self._timer = threading.Timer(self._moment.seconds, self._fire, [session])
            self._timer.daemon = True
            self._timer.start()

    def hear(self, session: EngineSession, event: Event) -> None:
        """An event of the load."""
        if isinstance(event, Phase):
            self.phase = event.phase
            self._phases[event.phase] += 1
        match self._moment, event:
            case AtPhase(name, nth), Phase(phase=phase) if phase == name and self._phases[name] == nth:
                self._fire(session)
            case AtRows(rows), Progress(rows=done) if done >= rows:
                self._fire(session)

    def seconds(self) -> float:
        """Since the load was asked for."""
        return round(time.monotonic() - self._begun, 3)

    def stop(self) -> None:
        """From now on nothing happens; returns when what is happening is over."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        with self._lock:
            self._fired = True

    def _fire(self, session: EngineSession) -> None:
        with self._lock:
            if self._fired:
                return
            self._fired = True
        self._act(session)
