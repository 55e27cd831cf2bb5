"""What networks do to connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import ClassVar

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.connection import ROWS_GO, Connection, Direction, Tap
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault
from certification_pipeline.harness.faults.link import Link
from certification_pipeline.harness.faults.wired import link_of


class NetworkFault(Fault, Tap):
    """A fault that is a tap on one side's wire while it is armed."""

    def __init__(self, side: Side) -> None:
        self.side = side
        self._link: Link | None = None

    def arm(self, arena: Arena) -> None:
        """Tap the wire: connections that are open already feel it, too."""
        self._link = link_of(arena, self.side)
        self._link.install(self)

    def heal(self) -> None:
        """Leave the wire as it was."""
        if self._link is not None:
            self._link.remove(self)


class Reset(NetworkFault):
    """After so many bytes of rows went through the wire, the connection that carried the last is reset (RST).

    Once; both ends feel it. Rows go up to a sink and come down from a source.
    """

    name: ClassVar[str] = "network.reset"

    def __init__(self, side: Side, after_bytes: int) -> None:
        super().__init__(side)
        self._after = after_bytes
        self._passed = 0
        self._facts: Facts | None = None

    def plan(self) -> Facts:
        """Where, and after how many bytes."""
        return {"side": self.side.value, "after_bytes": self._after}

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        """Up to the last byte that may."""
        if direction is not ROWS_GO[self.side] or self._facts is not None:
            yield data
            return
        room = self._after - self._passed
        self._passed += min(len(data), room)
        yield data[:room]
        if len(data) >= room and self._facts is None:
            self._facts = {
                "connection": connection.number,
                "bytes": self._passed,
                "direction": direction.value,
            }
            connection.reset()

    def witness(self) -> Facts | None:
        """Which connection, after how many bytes which way."""
        return self._facts


class Latency(NetworkFault):
    """Every piece of data, either way, comes so many milliseconds late; a piece is at most 64 KiB."""

    name: ClassVar[str] = "network.latency"

    def __init__(self, side: Side, milliseconds: float) -> None:
        super().__init__(side)
        self._milliseconds = milliseconds
        self._delays = 0

    def plan(self) -> Facts:
        """Where, and how late."""
        return {"side": self.side.value, "milliseconds": self._milliseconds}

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        """All of it, late."""
        await asyncio.sleep(self._milliseconds / 1000)
        self._delays += 1
        yield data

    def witness(self) -> Facts | None:
        """How many pieces came late."""
        return {"delays": self._delays} if self._delays else None


class Refuse(NetworkFault):
    """The next so many connections are reset as soon as they are made; open ones are left alone.

    They are accepted first, since nobody could count what the kernel refuses.
    """

    name: ClassVar[str] = "network.refuse"

    def __init__(self, side: Side, connections: int) -> None:
        super().__init__(side)
        self._connections = connections
        self._refused = 0

    def plan(self) -> Facts:
        """Where, and how many."""
        return {"side": self.side.value, "connections": self._connections}

    def connects(self, number: int) -> bool:
        """Not before enough have been refused."""
        if self._refused >= self._connections:
            return True
        self._refused += 1
        return False

    def witness(self) -> Facts | None:
        """How many were refused."""
        return {"refused": self._refused} if self._refused else None


class SlowClose(NetworkFault):
    """When one end closes, the other hears of it so many seconds later, at the latest when this is healed."""

    name: ClassVar[str] = "network.slow_close"

    def __init__(self, side: Side, seconds: float) -> None:
        super().__init__(side)
        self._seconds = seconds
        self._healed = asyncio.Event()
        self._delayed = 0

    def plan(self) -> Facts:
        """Where, and how late."""
        return {"side": self.side.value, "seconds": self._seconds}

    async def ends(self, connection: Connection, direction: Direction) -> None:
        """Let them wait."""
        self._delayed += 1
        with suppress(TimeoutError):
            await asyncio.wait_for(self._healed.wait(), self._seconds)

    def witness(self) -> Facts | None:
        """How many ends were kept back."""
        return {"closes_delayed": self._delayed} if self._delayed else None

    def heal(self) -> None:
        """Let all ends through."""
        super().heal()
        if self._link is not None:
            self._link.call(self._healed.set)


class HalfOpen(NetworkFault):
    """After so many bytes of rows, the connection that carried the last falls silent and stays open.

    As when a firewall forgets it: no byte and no end passes either way, nobody is told, and other connections
    work. Healing resets it, so that the server frees what it held for it.
    """

    name: ClassVar[str] = "network.half_open"

    def __init__(self, side: Side, after_bytes: int) -> None:
        super().__init__(side)
        self._after = after_bytes
        self._passed = 0
        self._silent: Connection | None = None
        self._healed = asyncio.Event()

    def plan(self) -> Facts:
        """Where, and after how many bytes."""
        return {"side": self.side.value, "after_bytes": self._after}

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        """Up to the last byte that may; then nothing until it is healed."""
        if self._silent is None and direction is ROWS_GO[self.side]:
            room = self._after - self._passed
            self._passed += min(len(data), room)
            if len(data) >= room:
                self._silent = connection
            yield data[:room]
            data = data[room:]
        if self._silent is connection:
            await self._healed.wait()
        yield data

    async def ends(self, connection: Connection, direction: Direction) -> None:
        """Nor does it pass that one end has gone."""
        if self._silent is connection:
            await self._healed.wait()

    def witness(self) -> Facts | None:
        """Which connection, and how many bytes of rows it let through."""
        if self._silent is None:
            return None
        return {"connection": self._silent.number, "bytes": self._passed}

    def heal(self) -> None:
        """Reset it; what was held goes nowhere."""
        super().heal()
        if self._link is not None:
            self._link.call(self._wake)

    def _wake(self) -> None:
        if self._silent is not None and not self._healed.is_set():
            self._silent.reset()
        self._healed.set()
