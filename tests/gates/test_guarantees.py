"""Guarantees as observed: one counter-example disproves, sixty kills uphold, and nothing is no proof."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Guarantee, Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.delivery import ENOUGH, DeliveryKill, DeliveryTrials
from certification_pipeline.evidence.disruption import FaultEvidence
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.evidence.trials import TrialVerdict
from certification_pipeline.gates.guarantees import (
    GuaranteeVerdict,
    ObservedGuarantee,
    observed_guarantees,
)
from tests.evidence import builders
from tests.evidence.crash import crashed, rows


def killed(n: int = ENOUGH, bad: dict[int, Anomaly] | None = None, *, fired: bool = True) -> CellEvidence:
    """A cell of ``deliv.exactly_once``: ``n`` kills; some lost or repeated rows."""
    prefixes = [f"kill {number} of {n}: " for number in range(1, n + 1)]
    where = builders.planned(builders.key(scenario="deliv.exactly_once"))
    return builders.cell(
        builders.plan((where,)),
        where,
        judgements=tuple(
            rows(f"{prefix}after load", (bad or {}).get(number))
            for number, prefix in enumerate(prefixes, start=1)
        ),
        faults=tuple(
            FaultEvidence(
                step=f"{prefix}load", fault="process.kill", planned={}, witness={"pid": 1} if fired else None
            )
            for prefix in prefixes
        ),
        delivery=DeliveryTrials(
            kills=tuple(
                DeliveryKill(step=prefix, moment="after 0.1 s", ended="killed", reruns=1)
                for prefix in prefixes
            ),
            seed=1,
        ),
    )


def observe(
    *cells: CellEvidence, declared: Guarantee | None = Guarantee.EXACTLY_ONCE
) -> tuple[ObservedGuarantee, ...]:
    def planned(cell: CellEvidence) -> PlannedCell:
        return builders.planned(cell.key).model_copy(update={"guarantee": declared})

    return observed_guarantees((planned(cell), cell) for cell in cells)


def test_sixty_kills_without_a_loss_uphold_what_is_declared() -> None:
    [one] = observe(killed())
    assert one.verdict is GuaranteeVerdict.UPHELD
    assert (one.bound, one.count.n, one.faults) == (Guarantee.EXACTLY_ONCE, ENOUGH, ENOUGH)
    assert one.count.lost_at_most == pytest.approx(0.05)


def test_fifty_nine_do_not() -> None:
    [one] = observe(killed(ENOUGH - 1))
    assert one.verdict is GuaranteeVerdict.NOT_SHOWN
    assert one.verdict.outcome is Outcome.CANT_TELL


@pytest.mark.parametrize(
    ("anomaly", "bound"),
    [(Anomaly.LOST, Guarantee.BEST_EFFORT), (Anomaly.DUPLICATE, Guarantee.AT_LEAST_ONCE)],
)
@pytest.mark.parametrize("declared", list(Guarantee))
def test_one_counter_example_bounds_it(anomaly: Anomaly, bound: Guarantee, declared: Guarantee) -> None:
    [one] = observe(killed(bad={7: anomaly}), declared=declared)
    assert one.bound is bound
    disproved = declared.rank > bound.rank
    assert one.verdict is (GuaranteeVerdict.DISPROVED if disproved else GuaranteeVerdict.UPHELD)
    [example] = one.counter_examples
    assert example.step.startswith("kill 7 of 60")
    assert example.sample is not None
    assert example.sample.key == {"id": "17"}


def test_the_worst_of_several_cells_counts() -> None:
    cells = (killed(), crashed({3: TrialVerdict.DUPLICATE}))
    found = observe(*cells)
    assert [one.route_id for one in found] == ["postgres_to_duckdb", "postgres_to_postgres"]
    assert [one.verdict for one in found] == [GuaranteeVerdict.UPHELD, GuaranteeVerdict.DISPROVED]


def test_a_repetition_that_is_declared_is_observed_all_the_same() -> None:
    """at-least-once may repeat: the cell is green, and the route is no better than that."""
    cell = crashed({1: TrialVerdict.REPEATS})
    assert cell.recompute() is Outcome.PASSED
    [one] = observe(cell, declared=Guarantee.AT_LEAST_ONCE)
    assert one.bound is Guarantee.AT_LEAST_ONCE
    assert one.verdict is GuaranteeVerdict.NOT_SHOWN, "no kill at a random moment yet"
    [stronger] = observe(cell, declared=Guarantee.EXACTLY_ONCE)
    assert stronger.verdict is GuaranteeVerdict.DISPROVED


def test_a_fault_that_did_not_fire_observed_nothing() -> None:
    assert observe(killed(fired=False)) == ()


def test_where_nothing_was_broken_nothing_was_observed() -> None:
    where = builders.planned(builders.key())
    assert observe(builders.cell(builders.plan((where,)), where)) == ()
    assert observed_guarantees([(where, None)]) == ()


def test_without_a_declaration_it_is_told_and_decides_nothing() -> None:
    [one] = observe(killed(bad={1: Anomaly.LOST}), declared=None)
    assert one.verdict is GuaranteeVerdict.UNDECLARED
    assert one.bound is Guarantee.BEST_EFFORT
    assert one.verdict.outcome is Outcome.INAPPLICABLE
