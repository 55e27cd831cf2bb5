"""What is done to the engine's process itself: it is killed, or made to stand still for a while."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, ClassVar

from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault
from certification_pipeline.harness.faults.moments import (
    AfterSeconds,
    AtPhase,
    AtRows,
    Moment,
    Trigger,
    planned,
)
from certification_pipeline.harness.services import watchdog

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession

__all__ = ["AfterSeconds", "AtPhase", "AtRows", "Kill", "Moment", "Pause"]


class Kill(Fault):
    """SIGKILL the load, with all its processes, at the moment.

    No witness when the load had answered ``result`` before: then nothing was broken.
    """

    name: ClassVar[str] = "process.kill"

    def __init__(self, moment: Moment) -> None:
        self._moment = moment
        self._trigger = Trigger(moment, self._kill)
        self._session: EngineSession | None = None
        self._seen: Facts = {}

    def plan(self) -> Facts:
        """The moment."""
        return {"signal": "SIGKILL", **planned(self._moment)}

    def arm(self, arena: Arena) -> None:
        """Nothing yet."""

    def begin(self, session: EngineSession) -> None:
        """The clock starts."""
        self._trigger.begin(session)

    def hear(self, session: EngineSession, event: Event) -> None:
        """Wait for the moment."""
        self._trigger.hear(session, event)

    def witness(self) -> Facts | None:
        """Who died of it and when; every one of them is gone."""
        self._trigger.stop()
        if self._session is None or self._session.last_end == "result":
            return None
        return self._seen

    def heal(self) -> None:
        """Nothing to make whole: a dead engine is replaced at its next load."""
        self._trigger.stop()

    def _kill(self, session: EngineSession) -> None:
        seconds, phase = self._trigger.seconds(), self._trigger.phase
        pids = session.kill_load()
        if pids and all(watchdog.state(pid) in ("", "Z", "X") for pid in pids):
            self._seen = {"signal": "SIGKILL", "pids": list(pids), "phase": phase, "seconds": seconds}
            self._session = session


class Pause(Fault):
    """SIGSTOP the engine, with all its processes, at the moment, and SIGCONT after so many seconds.

    Its connections stay open and are silent, as when a machine is suspended. The load's timeout stands still.
    No witness when somebody of them did not stop, or when no load was in hand.
    """

    name: ClassVar[str] = "process.pause"

    def __init__(self, moment: Moment, seconds: float) -> None:
        self._moment = moment
        self._seconds = seconds
        self._trigger = Trigger(moment, self._pause)
        self._session: EngineSession | None = None
        self._timer: threading.Timer | None = None
        self._stood: Facts = {}
        self._since = 0.0
        self._lasted: float | None = None

    def plan(self) -> Facts:
        """The moment and how long."""
        return {"signal": "SIGSTOP", "seconds": self._seconds, **planned(self._moment)}

    def arm(self, arena: Arena) -> None:
        """Nothing yet."""

    def begin(self, session: EngineSession) -> None:
        """The clock starts."""
        self._trigger.begin(session)

    def hear(self, session: EngineSession, event: Event) -> None:
        """Wait for the moment."""
        self._trigger.hear(session, event)

    def witness(self) -> Facts | None:
        """Who stood still, when and how long; ``None`` before it goes on."""
        self.heal()
        if not self._stood or self._lasted is None or self._lasted < self._seconds:
            return None
        return {**self._stood, "lasted_seconds": round(self._lasted, 3)}

    def heal(self) -> None:
        """Let it go on."""
        self._trigger.stop()
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        self._resume()

    def _pause(self, session: EngineSession) -> None:
        seconds, phase = self._trigger.seconds(), self._trigger.phase
        # Before the pause: whatever happens to this thread, the engine goes on.
        self._session = session
        pids = session.pause() if session.loading else ()
        self._since = time.monotonic()
        if pids:
            states = {str(pid): watchdog.state(pid) for pid in pids}
            if set(states.values()) == {"T"} and session.loading:
                self._stood = {
                    "signal": "SIGSTOP",
                    "states": dict(states),
                    "phase": phase,
                    "seconds": seconds,
                }
        self._timer = threading.Timer(self._seconds, self._resume)
        self._timer.daemon = True
        self._timer.start()

    def _resume(self) -> None:
        if self._session is not None and self._lasted is None:
            self._lasted = time.monotonic() - self._since
            self._session.resume()
