"""What is done to the service behind a side: it is killed and started again on the same data."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import psycopg

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault, NothingToDisturb
from certification_pipeline.harness.faults.moments import Moment, Trigger, planned
from certification_pipeline.harness.services.provider import Restartable, ServiceError

if TYPE_CHECKING:
    from certification_pipeline.harness.engines.session import EngineSession


class Restart(Fault):
    """SIGKILL the service with all its processes, and start it again on the same data and address.

    At the moment of a load, or, without one, at once. Only a service of the cell's own: its scenario must say
    ``disturbs: {<side>: [restart]}``. Where both sides are one system, it is one service that restarts.
    """

    name: ClassVar[str] = "service.restart"

    def __init__(self, side: Side, moment: Moment | None = None) -> None:
        self._side = side
        self._moment = moment
        self._trigger = Trigger(moment, self._during) if moment else None
        self._service: Restartable | None = None
        self._seen: Facts | None = None

    def plan(self) -> Facts:
        """The side and the moment."""
        return {"side": self._side.value, "signal": "SIGKILL", **planned(self._moment)}

    def arm(self, arena: Arena) -> None:
        """Restart it at once, unless a moment was given. Raises ``RuntimeError`` for a shared service."""
        service: object = arena.services.get(self._side)
        if not isinstance(service, Restartable):
            raise NothingToDisturb(f"the {self._side} is no process of its own that could be restarted")
        if self._side not in arena.own:
            says = f"disturbs: {{{self._side}: [restart]}}"
            raise RuntimeError(f"the {self._side}'s service is shared with other cells: say `{says}`")
        self._service = service
        if self._trigger is None:
            self._restart({})

    def begin(self, session: EngineSession) -> None:
        """The clock starts."""
        if self._trigger is not None:
            self._trigger.begin(session)

    def hear(self, session: EngineSession, event: Event) -> None:
        """Wait for the moment."""
        if self._trigger is not None:
            self._trigger.hear(session, event)

    def settle(self) -> None:
        """The server may be starting still: nobody could read it."""
        if self._trigger is not None:
            self._trigger.stop()

    def witness(self) -> Facts | None:
        """Process ids and the starts that the server itself reports; ``None`` when either is as before."""
        if self._trigger is not None:
            self._trigger.stop()
        return self._seen

    def heal(self) -> None:
        """Start it, should it not run."""
        if self._trigger is not None:
            self._trigger.stop()
        if self._service is not None and self._service.pid is None:
            self._service.restart()

    def _during(self, session: EngineSession) -> None:
        assert self._trigger is not None
        if session.loading:
            self._restart({"phase": self._trigger.phase, "seconds": self._trigger.seconds()})

    def _restart(self, when: Facts) -> None:
        service = self._service
        assert service is not None
        before, started_before = service.pid, _started_at(service)
        try:
            service.kill()
            service.restart()
        except ServiceError:
            return  # no witness; `heal` tries again, and then says why
        after, started_after = service.pid, _started_at(service)
        if None not in (before, after) and before != after and started_before != started_after:
            self._seen = {
                **when,
                "pid_before": before,
                "pid_after": after,
                "started_before": started_before,
                "started_after": started_after,
            }


def _started_at(service: Restartable) -> str:
    """What the server says itself (PostgreSQL: the only one that is restarted so far)."""
    with psycopg.connect(service.source().dsn, autocommit=True, connect_timeout=10) as connection:
        row = connection.execute("SELECT pg_postmaster_start_time()::text").fetchone()
    return str(row[0]) if row else ""
