"""Every commit of a load, as a point at which to break it: found in a clean run, broken at in another.

A point is addressed by what is done to which object for the how-manieth time on that side, counted from the
client's messages: the count is the same whether or not the server lived to answer.
"""

from __future__ import annotations

import asyncio
import threading
from abc import abstractmethod
from collections import Counter
from collections.abc import Collection
from functools import partial
from typing import ClassVar, Literal

import psycopg
from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness.faults.connection import Connection
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault
from certification_pipeline.harness.faults.link import Link
from certification_pipeline.harness.faults.postgres_events import Commit, Event, Proof, Trigger
from certification_pipeline.harness.faults.postgres_wire import Listener, PostgresWire, Talk
from certification_pipeline.harness.faults.wired import postgres_of

_LETS_GO = 10.0
"""Seconds a server gets to roll back and let go of a client that died."""
_STRIKE = 30.0
"""Seconds a strike that has begun gets to its end, before its witness is asked for."""
_ASK_AGAIN = 0.02
_CONFIRMS = 5.0
"""Seconds a server gets to take note of a confirmed position."""

Medium = Literal["source", "sink"]


class _Count:
    """Numbers commits by what is done to what."""

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str]] = Counter()

    def nth(self, commit: Commit) -> int:
        """The how-manieth of its kind it is."""
        self._seen[commit.action, commit.object] += 1
        return self._seen[commit.action, commit.object]


class CommitRecorder(Fault):
    """Disturbs nothing: lists the commit boundaries of the loads made while it is armed."""

    name: ClassVar[str] = "commits.record"

    def __init__(self, sides: Collection[Side]) -> None:
        self._sides = sorted(sides)
        self._seen: list[tuple[Side, Commit, int]] = []
        self._ears: list[tuple[Link, PostgresWire, _Recording, int]] = []

    @property
    def points(self) -> tuple[CrashPoint, ...]:
        """The boundaries the servers have confirmed, in the order in which the engine asked for them.

        None at all when a connection could not be read, e.g. since it was encrypted: there may be more.
        """
        if any(wire.lost > before for _, wire, _, before in self._ears):
            return ()
        confirmed = [(side, commit, nth) for side, commit, nth in list(self._seen) if commit.proven]
        return tuple(
            CrashPoint(number=number, medium=_medium(side), action=c.action, object=c.object, nth=nth)
            for number, (side, c, nth) in enumerate(confirmed, 1)
        )

    def plan(self) -> Facts:
        """Where it listens."""
        return {"sides": [*map(str, self._sides)]}

    def arm(self, arena: Arena) -> None:
        """Listen on the wires that were laid."""
        for side in self._sides:
            link, wire = postgres_of(arena, side)
            ear = _Recording(side, self._seen)
            self._ears.append((link, wire, ear, wire.lost))
            link.call(partial(wire.add, ear))

    def witness(self) -> Facts | None:
        """How many boundaries there are; ``None`` without any."""
        return {"boundaries": len(self.points)} if self.points else None

    def heal(self) -> None:
        """Listen no longer."""
        for link, wire, ear, _ in self._ears:
            link.call(partial(wire.discard, ear))


class _Recording(Listener):
    def __init__(self, side: Side, seen: list[tuple[Side, Commit, int]]) -> None:
        self._side = side
        self._seen = seen
        self._count = _Count()

    async def hears(self, connection: Connection, talk: Talk, event: Event) -> None:
        if isinstance(event, Trigger):
            self._seen.append((self._side, event.commit, self._count.nth(event.commit)))

    async def heard(self, connection: Connection, talk: Talk, event: Event) -> None:
        # Nobody answers a confirmation: that it went out is all there is to know on the wire.
        if isinstance(event, Trigger) and event.commit.action == "CONFIRM":
            event.commit.proven = True


class _AtCommit(Fault, Listener):
    """Waits for one commit, and strikes once."""

    def __init__(self, point: CrashPoint) -> None:
        if point.medium == "files":
            raise ValueError("a point among files is not on a wire")
        self.point = point
        self._side = Side(point.medium)
        self._count = _Count()
        self._due: Commit | None = None
        self._began = threading.Event()
        self._ended = threading.Event()
        self._facts: Facts = {}
        self._link: Link | None = None
        self._arena: Arena | None = None

    def plan(self) -> Facts:
        """The point's address."""
        return {"point": self.point.address}

    def arm(self, arena: Arena) -> None:
        """Wait for the point."""
        self._arena = arena
        self._link, wire = postgres_of(arena, self._side)
        self._link.call(partial(wire.add, self))

    def witness(self) -> Facts | None:
        """Address, the server's process, what it said, and what was ended."""
        if not self._began.is_set():
            return None
        # The load may have ended in another thread before we have taken down how.
        return dict(self._facts) if self._ended.wait(_STRIKE) and self._facts else None

    def heal(self) -> None:
        """Wait for it no longer."""
        if self._link is not None and self._link.postgres is not None:
            self._link.call(partial(self._link.postgres.discard, self))

    def _is_point(self, event: Event) -> bool:
        """Whether this is the trigger that is waited for; counts."""
        if not isinstance(event, Trigger):
            return False
        commit = event.commit
        nth = self._count.nth(commit)
        return (commit.action, commit.object, nth) == (self.point.action, self.point.object, self.point.nth)

    async def _once(self, connection: Connection, talk: Talk, commit: Commit) -> None:
        if self._began.is_set():
            return
        self._began.set()
        try:
            if struck := await self._strike(connection, commit):
                self._facts = {"address": self.point.address, "backend": talk.pid, **struck}
        finally:
            self._ended.set()

    @abstractmethod
    async def _strike(self, connection: Connection, commit: Commit) -> Facts:
        """Do it; what proves it, or nothing when it could not be done."""

    async def _kill(self) -> list[JsonValue]:
        """SIGKILL the load, outside the loop, which has to go on; the ids of the processes that died of it.

        Empty when there was no load in hand any more: it had answered without waiting for its commit.
        """
        assert self._arena is not None
        session = self._arena.session()
        return [*await asyncio.get_running_loop().run_in_executor(None, session.kill_load)]


class KillBeforeCommit(_AtCommit):
    """The engine dies with the commit on its lips: the server never sees it, and rolls back."""

    name: ClassVar[str] = "commits.kill_before"

    async def hears(self, connection: Connection, talk: Talk, event: Event) -> None:
        """Hold the client's message, and strike."""
        if self._is_point(event):
            assert isinstance(event, Trigger)
            await self._once(connection, talk, event.commit)

    async def _strike(self, connection: Connection, commit: Commit) -> Facts:
        killed = await self._kill()
        if not killed:
            return {}
        return {"killed": killed, "server_saw_it": False, "server_let_go": await connection.hang_up(_LETS_GO)}


class _AfterCommit(_AtCommit):
    """Holds back the server's word that it has committed."""

    async def hears(self, connection: Connection, talk: Talk, event: Event) -> None:
        """Wait for the proof, hold it, and strike."""
        if self._is_point(event):
            assert isinstance(event, Trigger)
            self._due = event.commit
        elif isinstance(event, Proof) and event.commit is self._due:
            await self._once(connection, talk, event.commit)

    async def heard(self, connection: Connection, talk: Talk, event: Event) -> None:
        """Of a confirmation, which nobody answers: ask the server itself whether it has taken it in."""
        if isinstance(event, Trigger) and event.commit is self._due and event.commit.action == "CONFIRM":
            assert self._link is not None
            if await _confirmed(self._link.direct_dsn, talk.slot, event.commit.flushed or 0):
                event.commit.tag = "confirmed_flush_lsn"
                await self._once(connection, talk, event.commit)


class KillAfterCommit(_AfterCommit):
    """The engine dies when the server has committed and before the engine hears of it."""

    name: ClassVar[str] = "commits.kill_after"

    async def _strike(self, connection: Connection, commit: Commit) -> Facts:
        killed = await self._kill()
        if not killed:
            return {}
        await connection.hang_up(0)  # nothing is left to be rolled back
        return {"killed": killed, "server_said": commit.tag}


class CutAfterCommit(_AfterCommit):
    """The connection is reset when the server has committed and before the engine hears of it."""

    name: ClassVar[str] = "commits.cut_after"

    async def _strike(self, connection: Connection, commit: Commit) -> Facts:
        connection.reset_client()
        return {"connection": connection.number, "server_said": commit.tag}


def _medium(side: Side) -> Medium:
    return "source" if side is Side.SOURCE else "sink"


async def _confirmed(dsn: str, slot: str, position: int) -> bool:
    """Whether the slot has come as far as that. The server tells nobody when: it has to be asked."""
    query = "SELECT confirmed_flush_lsn >= %s::pg_lsn FROM pg_replication_slots WHERE slot_name = %s"
    lsn = f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
    try:
        async with (
            asyncio.timeout(_CONFIRMS),
            await psycopg.AsyncConnection.connect(dsn, autocommit=True) as own,
        ):
            while True:
                row = await (await own.execute(query, [lsn, slot])).fetchone()
                if row is not None and row[0]:
                    return True
                await asyncio.sleep(_ASK_AGAIN)
    except (TimeoutError, psycopg.Error):
        return False
