"""Where in a load its rows go over the wire: measured in a clean one, so that a fault hits their midst."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection
from dataclasses import dataclass
from typing import ClassVar

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.connection import ROWS_GO, Connection, Direction, Tap
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault
from certification_pipeline.harness.faults.link import Link
from certification_pipeline.harness.faults.wired import link_of


@dataclass(slots=True)
class _Flow:
    """What one connection sent the rows' way without a word from the other end."""

    begins: int
    """All bytes that had gone that way over the wire before it."""
    ends: int
    bytes: int = 0


class _Gauge(Tap):
    """Counts one wire's bytes the way rows go, over all its connections, and keeps the longest flow."""

    def __init__(self, side: Side) -> None:
        self._rows = ROWS_GO[side]
        self._flows: dict[int, _Flow] = {}
        self.moved = 0
        self.longest = _Flow(0, 0)

    async def passes(
        self, connection: Connection, direction: Direction, data: bytes
    ) -> AsyncGenerator[bytes]:
        if direction is not self._rows:
            self._flows.pop(connection.number, None)
        elif data:
            flow = self._flows.setdefault(connection.number, _Flow(self.moved, self.moved))
            self.moved += len(data)
            flow.bytes += len(data)
            flow.ends = self.moved
            if flow.bytes > self.longest.bytes:
                self.longest = flow
        yield data


class Meter(Fault):
    """Disturbs nothing: measures the loads made while it is armed.

    Statements, answers and catalogue queries are short and take turns; rows are what flows on and on. The
    middle of the longest flow is in the midst of them, whatever the engine does besides.
    """

    name: ClassVar[str] = "network.measure"

    def __init__(self, sides: Collection[Side]) -> None:
        self._gauges = {side: _Gauge(side) for side in sides}
        self._links: dict[Side, Link] = {}

    def plan(self) -> Facts:
        """Where it measures."""
        return {"sides": [*map(str, sorted(self._gauges))]}

    def arm(self, arena: Arena) -> None:
        """Listen on the wires that were laid."""
        for side, gauge in self._gauges.items():
            link = self._links[side] = link_of(arena, side)
            link.install(gauge)

    def middle(self, side: Side) -> int:
        """After so many bytes the way rows go, counted over all connections, a load is amid its rows."""
        flow = self._gauges[side].longest
        return max(1, (flow.begins + flow.ends) // 2)

    def witness(self) -> Facts | None:
        """Bytes on each side; ``None`` when nothing went over a wire."""
        moved = {str(side): gauge.moved for side, gauge in self._gauges.items()}
        return {"bytes": dict(moved)} if any(moved.values()) else None

    def heal(self) -> None:
        """Listen no longer."""
        for side, link in self._links.items():
            link.remove(self._gauges[side])
        self._links.clear()
