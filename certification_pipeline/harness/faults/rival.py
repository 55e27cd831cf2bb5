"""A second process of the engine that is asked for the same load at the same time."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar
from uuid import uuid4

from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.harness.engines.session import EngineError, EngineSession, LoadOutcome
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault

_TIMEOUT_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class RivalLoad:
    """What the other process was asked, and how it ended."""

    request: Load
    outcome: LoadOutcome
    started_at: datetime
    finished_at: datetime


class Rival(Fault):
    """Begins its load when it is armed, right before the one that it rivals."""

    name: ClassVar[str] = "process.rival"

    def __init__(self, session: EngineSession, request: Load) -> None:
        """``session``: a process of its own, not the one that serves the other load."""
        self._session = session
        self._request = request.model_copy(update={"run_id": str(uuid4())})
        self._thread = threading.Thread(target=self._race, name="rival", daemon=True)
        self._load: RivalLoad | None = None
        self._seconds_beside = 0.0

    def plan(self) -> Facts:
        """How many at a time."""
        return {"loads": 2}

    def arm(self, arena: Arena) -> None:
        """Begin."""
        self._thread.start()

    def loaded(self, since: datetime | None) -> RivalLoad | None:
        """Wait for its end; ``since`` is when the load beside it began. ``None`` when it was never armed."""
        now = utc_now()
        self.heal()
        if since is not None and self._load is not None:
            both_until = min(now, self._load.finished_at)
            self._seconds_beside = (both_until - max(since, self._load.started_at)).total_seconds()
        return self._load

    def witness(self) -> Facts | None:
        """How long the two ran side by side; ``None`` when one was over before the other began."""
        if self._load is None or self._seconds_beside <= 0:
            return None
        return {
            "seconds_side_by_side": round(self._seconds_beside, 4),
            "rival": self._session.pid,
            "rival_ended": self._load.outcome.end,
        }

    def heal(self) -> None:
        """Let it come to its end."""
        if self._thread.ident is not None:
            self._thread.join()

    def _race(self) -> None:
        began = utc_now()
        try:
            outcome = self._session.load(self._request, timeout=_TIMEOUT_SECONDS)
        except EngineError as error:
            outcome = LoadOutcome(error.ended, None, None, str(error), 0.0)
        self._load = RivalLoad(self._request, outcome, began, utc_now())
