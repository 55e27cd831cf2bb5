"""PostgreSQL snapshots: which transactions one saw (``pg_snapshot``, 64-bit transaction ids)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.failures import LoadError


@dataclass(frozen=True, slots=True)
class Snapshot:
    """``xmin:xmax:in-progress``: below xmin all is decided, from xmax on nothing had begun."""

    xmin: int
    xmax: int
    running: frozenset[int] = frozenset()

    @staticmethod
    def parse(text: str) -> Snapshot:
        """From ``pg_current_snapshot()::text``; anything else is a ``state`` failure."""
        if not re.fullmatch(r"\d+:\d+:(\d+(,\d+)*)?", text):
            raise LoadError(FailureCategory.STATE, f"{text!r} is not a PostgreSQL snapshot; remove the state")
        low, high, running = text.split(":")
        return Snapshot(int(low), int(high), frozenset(int(xid) for xid in running.split(",") if xid))

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, sorted(self.running)))}"

    def sees(self, xid: int) -> bool:
        """Whether a committed top-level transaction with that 32-bit id is visible.

        The epoch is taken such that the id lies within 2^31 of xmax, as PostgreSQL itself compares.
        """
        delta = (xid - self.xmax) & 0xFFFFFFFF
        full = self.xmax + (delta if delta < 1 << 31 else delta - (1 << 32))
        return full < self.xmin or (full < self.xmax and full not in self.running)
