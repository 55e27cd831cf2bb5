"""What networks do to connections."""

from __future__ import annotations

from collections.abc import AsyncGenerator
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
        return {"side": self.side, "after_bytes": self._after}

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
            self._facts = {"connection": connection.number, "bytes": self._passed, "direction": direction}
            connection.reset()

    def witness(self) -> Facts | None:
        """Which connection, after how many bytes which way."""
        return self._facts
