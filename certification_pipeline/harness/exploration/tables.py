"""Tables to break loads at: each is fresh, loaded once and right, then takes one change round a trial.

One at a time; a table that a trial has spoilt is left behind and cleaned.
"""

from __future__ import annotations

from collections.abc import Collection
from types import TracebackType

from certification_pipeline.catalog.vocabulary import Disturbable, Outcome, Side
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.cleaning import clean_namespace

WORKLOAD = "steady"
"""Its cursor is one that any engine can follow, so that what goes wrong is the crash's doing; many rounds."""


def sides_with(bench: Bench, way: Disturbable) -> tuple[Side, ...]:
    """The ends that can be disturbed in that way, the sink first."""
    return tuple(side for side in (Side.SINK, Side.SOURCE) if way in bench.station.disturbable.get(side, ()))


def must_be_right(table: Bench, remark: str) -> None:
    """Judge; ``Halt`` when it is wrong undisturbed: whatever is broken on top of that proves nothing."""
    before = len(table.judgements)
    table.judge_delivery(remark)
    if any(one.outcome is not Outcome.PASSED for one in table.judgements[before:]):
        raise Halt


class Tables:
    """See the module docstring. Use as a context manager: it leaves nothing behind but sink tables."""

    def __init__(self, bench: Bench, wired: Collection[Side]) -> None:
        self._bench = bench
        self._wired = tuple(wired)
        self._table: Bench | None = None
        self._made = 0

    def __enter__(self) -> Tables:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.leave()

    def changed(self) -> Bench:
        """A table that one load is behind its source; raises ``Halt`` when a clean load goes wrong.

        The same as before, unless it was left or its workload has no change round more.
        """
        table = self._table
        if table is None or table.applied == table.workload.changes:
            table = self._fresh()
        table.change()
        return table

    @property
    def used_up(self) -> bool:
        """Whether the next change round is on another table."""
        return self._table is None or self._table.applied == self._table.workload.changes

    def leave(self) -> None:
        """Have the next change round on a fresh table; clean up after this one. Idempotent."""
        table, self._table = self._table, None
        if table is None:
            return
        table.close()
        # Cells with slots: a server has few, and each keeps its log for ever.
        for instance in table.station.services.values():
            clean_namespace(instance, table.station.namespace)

    def _fresh(self) -> Bench:
        self.leave()
        self._made += 1
        table = self._table = self._bench.afresh(self._made, f"table {self._made}: ")
        table.nemesis.wire(*self._wired)
        table.seed(WORKLOAD)
        table.load()
        must_be_right(table, "undisturbed")
        return table
