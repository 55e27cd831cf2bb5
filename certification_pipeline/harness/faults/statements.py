"""What a database server does to a statement that it cannot, or may not, finish."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import suppress
from functools import partial
from typing import ClassVar

import psycopg

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.connection import ROWS_GO, Connection, Direction
from certification_pipeline.harness.faults.fault import Arena, Facts
from certification_pipeline.harness.faults.network import NetworkFault
from certification_pipeline.harness.faults.postgres_events import Event, Failure, Statements
from certification_pipeline.harness.faults.postgres_wire import Listener, PostgresWire, Talk
from certification_pipeline.harness.faults.wired import postgres_of

QUERY_CANCELED = "57014"
_TRIES = 50
"""How often one piece of data has its statement cancelled while the server owes an answer to it.

The first may come before the server is at it, and a small INSERT is over within less than one request. Not
without end: a client that sends a statement in pieces has the server wait for the next.
"""


class CancelStatement(NetworkFault, Listener):
    """After so many bytes of rows, the server cancels the statement they are of: a real error in mid-batch.

    Asked by a connection of our own, as a database's administrator would. A statement that ends before the
    cancellation reaches it is let go, and the next one is tried.
    """

    name: ClassVar[str] = "statements.cancel"

    def __init__(self, side: Side, after_bytes: int) -> None:
        super().__init__(side)
        self._after = after_bytes
        self._begun_at = 0
        self._at_work: dict[int, bool] = {}
        self._asked: dict[int, int] = {}
        self._wire: PostgresWire | None = None
        self._own: psycopg.AsyncConnection | None = None
        self._facts: Facts | None = None

    def plan(self) -> Facts:
        """Where, and after how many bytes."""
        return {"side": self.side.value, "after_bytes": self._after}

    def arm(self, arena: Arena) -> None:
        """Connect beside the wire, so that no time is lost later; listen."""
        link, self._wire = postgres_of(arena, self.side)
        self._own = link.run(psycopg.AsyncConnection.connect(link.direct_dsn, autocommit=True))
        self._begun_at = link.passed[ROWS_GO[self.side]]
        link.call(partial(self._wire.add, self))
        super().arm(arena)

    async def hears(self, connection: Connection, talk: Talk, event: Event) -> None:
        """What is at work where, and whether the server gave in."""
        match event:
            case Statements():
                self._at_work[connection.number] = event.writes or self.side is Side.SOURCE
            case Failure() if event.sqlstate == QUERY_CANCELED and connection.number in self._asked:
                if self._facts is None:
                    asked = self._asked[connection.number]
                    self._facts = {"backend": talk.pid, "sqlstate": event.sqlstate, "asked": asked}

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        """All of it; then cancel, when it is time."""
        yield data
        if direction is not ROWS_GO[self.side] or self._facts is not None:
            return
        assert self._link is not None
        if self._link.passed[direction] - self._begun_at >= self._after:
            await self._cancel(connection)

    async def _cancel(self, connection: Connection) -> None:
        assert self._wire is not None
        talk = self._wire.talk(connection)
        for _ in range(_TRIES):
            own, at_work = self._own, self._at_work.get(connection.number)
            if self._facts or own is None or not talk.busy or not at_work or talk.pid is None:
                return
            self._asked[connection.number] = self._asked.get(connection.number, 0) + 1
            with suppress(psycopg.Error):  # healed meanwhile
                await own.execute("SELECT pg_cancel_backend(%s)", [talk.pid])

    def witness(self) -> Facts | None:
        """The server's own error, as it passed on the wire."""
        return self._facts

    def heal(self) -> None:
        """Ask for nothing more."""
        super().heal()
        if self._link is None or self._wire is None:
            return
        self._link.call(partial(self._wire.discard, self))
        if self._own is not None:
            own, self._own = self._own, None
            self._link.run(own.close())
