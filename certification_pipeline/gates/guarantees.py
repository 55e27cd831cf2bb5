"""Delivery guarantees as they were observed: what broken loads showed bounds what may be declared (seed 001).

Worked out from the cells' evidence each time, stored nowhere. A row that a killed load lost makes a route
best-effort, a row it repeated at-least-once, whatever is declared: one counter-example is enough to disprove,
and sixty kills without one are what it takes to uphold.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from certification_pipeline.catalog.vocabulary import Anomaly, Guarantee, Outcome, Strategy
from certification_pipeline.evidence.cell import CellEvidence, Judgement, RowJudgement, RowSample
from certification_pipeline.evidence.delivery import DeliveryCount
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.evidence.trials import anomalies_of, delivery_count

_BOUNDS = {Anomaly.LOST: Guarantee.BEST_EFFORT, Anomaly.DUPLICATE: Guarantee.AT_LEAST_ONCE}
"""What a route is good for at most that showed this anomaly after a broken load."""


class GuaranteeVerdict(StrEnum):
    """What became of a declaration, worst first."""

    DISPROVED = "disproved"
    """Less was observed than is declared."""
    NOT_SHOWN = "not shown"
    """Nothing speaks against it, but too few loads were killed to uphold it."""
    UNDECLARED = "not declared"
    """The vendor promises nothing; what was observed is told all the same."""
    UPHELD = "upheld"

    @property
    def outcome(self) -> Outcome:
        """As the gates fold it."""
        return _OUTCOMES[self]


_OUTCOMES = {
    GuaranteeVerdict.DISPROVED: Outcome.FAILED,
    GuaranteeVerdict.NOT_SHOWN: Outcome.CANT_TELL,
    GuaranteeVerdict.UNDECLARED: Outcome.INAPPLICABLE,
    GuaranteeVerdict.UPHELD: Outcome.PASSED,
}


@dataclass(frozen=True, slots=True)
class CounterExample:
    """Where a broken load lost or repeated rows: the cell, the step with its crash point, a row."""

    cell_id: str
    step: str
    anomaly: Anomaly
    count: int
    sample: RowSample | None


@dataclass(frozen=True, slots=True)
class ObservedGuarantee:
    """One strategy on one route: what is declared, and what broken loads showed."""

    route_id: str
    strategy: Strategy
    declared: Guarantee | None
    count: DeliveryCount
    """Of the loads that ``deliv.exactly_once`` killed; all zero when it has not run."""
    faults: int
    """That fired, in any of its cells."""
    counter_examples: tuple[CounterExample, ...]
    """One an anomaly, the worst first."""

    @property
    def bound(self) -> Guarantee:
        """The strongest guarantee that nothing observed speaks against."""
        return min(
            (_BOUNDS[found.anomaly] for found in self.counter_examples),
            key=lambda guarantee: guarantee.rank,
            default=Guarantee.EXACTLY_ONCE,
        )

    @property
    def verdict(self) -> GuaranteeVerdict:
        """Whether the declaration stands."""
        if self.declared is None:
            return GuaranteeVerdict.UNDECLARED
        if self.declared.rank > self.bound.rank:
            return GuaranteeVerdict.DISPROVED
        return GuaranteeVerdict.UPHELD if self.count.enough else GuaranteeVerdict.NOT_SHOWN


def observed_guarantees(
    cells: Iterable[tuple[PlannedCell, CellEvidence | None]],
) -> tuple[ObservedGuarantee, ...]:
    """One for every strategy and route on which a load was broken, in the order of the cells."""
    found: dict[tuple[str, Strategy], list[tuple[PlannedCell, CellEvidence]]] = {}
    for planned, cell in cells:
        if cell is not None and any(fault.witness is not None for fault in cell.faults):
            found.setdefault((planned.key.route_id, planned.key.strategy), []).append((planned, cell))
    return tuple(_observed(route, strategy, broken) for (route, strategy), broken in found.items())


def _observed(
    route_id: str, strategy: Strategy, broken: list[tuple[PlannedCell, CellEvidence]]
) -> ObservedGuarantee:
    counts = [count for _, cell in broken if (count := delivery_count(cell)) is not None]
    return ObservedGuarantee(
        route_id=route_id,
        strategy=strategy,
        declared=broken[0][0].guarantee,
        count=counts[0] if counts else DeliveryCount(0, 0, 0, 0),
        faults=sum(fault.witness is not None for _, cell in broken for fault in cell.faults),
        counter_examples=tuple(_counter_examples([cell for _, cell in broken])),
    )


def _counter_examples(cells: list[CellEvidence]) -> Iterator[CounterExample]:
    """For each anomaly the judgement that counted most of it."""
    for anomaly in _BOUNDS:
        seen = [
            (count, cell, judgement)
            for cell in cells
            for judgement in cell.judgements
            if (count := anomalies_of(judgement).get(anomaly, 0))
        ]
        if seen:
            count, cell, judgement = max(seen, key=lambda found: found[0])
            yield CounterExample(
                cell.key.cell_id, judgement.step, anomaly, count, _sample(judgement, anomaly)
            )


def _sample(judgement: Judgement, anomaly: Anomaly) -> RowSample | None:
    samples = judgement.samples if isinstance(judgement, RowJudgement) else ()
    return next((sample for sample in samples if sample.anomaly is anomaly), None)
