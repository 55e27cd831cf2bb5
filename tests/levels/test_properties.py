"""What must hold of any history: more green never lowers a level, and nothing but green raises one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome
from certification_pipeline.evidence.levels import ConnectorLevel, Standing
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.gates.levels.history import Attested, Cell, History, Said
from certification_pipeline.gates.levels.ladder import connector_levels
from tests.levels.builders import (
    DIGEST,
    ENGINE,
    NEXT,
    SUBJECT,
    attested,
    cells,
    day,
    items,
    policies,
    said,
)

OUTCOMES = st.sampled_from([*[Outcome.PASSED] * 6, Outcome.FAILED, Outcome.CANT_TELL, Outcome.UNTESTED])
SCENARIOS = ("batch_full_refresh", "strategy_incremental_merge", "idem_rerun", "rec_kill", "schema_add")
QUICK = settings(max_examples=5, deadline=None)


@st.composite
def a_release(draw: st.DrawFn, number: int) -> Said:
    outcomes = {name: draw(OUTCOMES) for name in SCENARIOS if draw(st.integers(0, 5)) == 0}
    if draw(st.integers(0, 7)) == 0:
        outcomes["flaky"] = Outcome.UNTESTED
    fidelity = draw(st.sampled_from([*[Fidelity.REAL] * 4, Fidelity.EMULATOR]))
    found = cells(fidelity=fidelity, **outcomes)
    whole = draw(st.integers(0, 4)) > 0
    if not whole:
        found = tuple(cell for cell in found if draw(st.booleans()))
    told = items(**{"credential_model": draw(OUTCOMES), "live_tests": draw(OUTCOMES)})
    return said(
        draw(st.integers(0, 300)) + draw(st.sampled_from([0.0, 0.1, 0.4])),
        release_id=f"r{number}",
        sequence=10**6 + number,
        cells=found,
        whole=whole,
        items=told if draw(st.booleans()) else {},
        seed=draw(st.integers(0, 2)),
        subject=draw(st.sampled_from([*[SUBJECT] * 6, NEXT])),
        trigger=draw(st.sampled_from([*[Trigger.SCHEDULE] * 5, Trigger.MANUAL])),
        families={Family.CALIBRATION: (draw(OUTCOMES), DIGEST)} if draw(st.booleans()) else {},
        problem="gone" if draw(st.integers(0, 25)) == 0 else None,
    )


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Some months of runs, with anything in between."""
    first, length = draw(st.integers(0, 250)), draw(st.integers(0, 45))
    green = [said(number) for number in range(first, first + length) if draw(st.integers(0, 20)) > 0]
    signed = [attested(draw(st.integers(0, 300)), draw(st.integers(1, 400)))] if draw(st.booleans()) else []
    others = [draw(a_release(number)) for number in range(draw(st.integers(0, 8)))]
    return History(ENGINE, (*green, *others), tuple(signed))


MOMENTS = st.floats(0, 420, allow_nan=False)


def levels(history: History, at: float) -> dict[tuple[str, str], int]:
    found = connector_levels(history, policies(), SUBJECT, day(at))
    return {(one.policy, one.name): rank(one) for one in found}


def rank(found: ConnectorLevel) -> int:
    policy = next(one for one in policies() if one.id == found.policy)
    return [None, *(level.id for level in policy.levels)].index(found.level)


def no_lower(before: dict[tuple[str, str], int], after: dict[tuple[str, str], int]) -> bool:
    return all(after.get(unit, 0) >= level for unit, level in before.items())


@given(histories(), st.floats(0, 300), MOMENTS)
@QUICK
def test_a_green_release_never_lowers_a_level(history: History, when: float, at: float) -> None:
    """So none can be raised by taking a green one away."""
    more = replace(history, said=(*history.said, said(when, release_id="added")))
    assert no_lower(levels(history, at), levels(more, at))


@pytest.mark.nightly
@given(histories(), MOMENTS, st.data())
@QUICK
def test_turning_an_outcome_green_never_lowers_a_level(
    history: History, at: float, data: st.DataObject
) -> None:
    assume(history.said)
    index = data.draw(st.integers(0, len(history.said) - 1))
    chosen = history.said[index]
    assume(chosen.cells)
    which = data.draw(st.integers(0, len(chosen.cells) - 1))
    better = tuple(_green(cell) if number == which else cell for number, cell in enumerate(chosen.cells))
    changed = (*history.said[:index], replace(chosen, cells=better), *history.said[index + 1 :])
    assert no_lower(levels(history, at), levels(replace(history, said=changed), at))


def _green(cell: Cell) -> Cell:
    if cell.outcome is Outcome.INAPPLICABLE:
        return cell
    return cell._replace(outcome=Outcome.PASSED, flaky=False)


@pytest.mark.nightly
@given(histories(), MOMENTS, st.integers(0, 300))
@QUICK
def test_an_attestation_never_lowers_a_level(history: History, at: float, since: int) -> None:
    signed: Attested = attested(since, path="attestations/reference/another.json")
    more = replace(history, attested=(*history.attested, signed))
    assert no_lower(levels(history, at), levels(more, at))


@pytest.mark.nightly
@given(histories(), MOMENTS, st.floats(0, 200))
@QUICK
def test_time_alone_raises_nothing(history: History, at: float, later: float) -> None:
    known = tuple(one for one in history.said if one.at <= day(at))
    signed = tuple(one for one in history.attested if one.since <= day(at))
    settled = History(ENGINE, known, signed)
    assert no_lower(levels(settled, at + later), levels(settled, at))


@pytest.mark.nightly
@given(histories(), MOMENTS, st.randoms(use_true_random=False))
@QUICK
def test_the_order_in_which_releases_are_given_does_not_matter(
    history: History, at: float, random: object
) -> None:
    shuffled = list(history.said)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    there = connector_levels(history, policies(), SUBJECT, day(at))
    assert connector_levels(replace(history, said=tuple(shuffled)), policies(), SUBJECT, day(at)) == there


@given(histories(), MOMENTS)
@QUICK
def test_nothing_refuted_or_unproven_lies_below_a_level(history: History, at: float) -> None:
    """A failed requirement of a lower level caps the level, whatever is proven above it."""
    by_id: dict[str, LevelPolicy] = {policy.id: policy for policy in policies()}
    for found in connector_levels(history, policies(), SUBJECT, day(at)):
        order = [level.id for level in by_id[found.policy].levels]
        held = order[: order.index(found.level) + 1] if found.level else []
        for one in found.requirements:
            if one.level in held:
                assert one.standing not in (Standing.REFUTED, Standing.UNPROVEN), (found.name, one.id)
        if found.notice_until is not None:
            assert found.expires_at is not None
            assert found.expires_at <= day(at) < found.notice_until
        elif found.level is not None:
            assert found.expires_at is not None
            assert day(at) < found.expires_at


@pytest.mark.nightly
@given(histories(), MOMENTS)
@QUICK
def test_the_diary_ends_where_the_level_is(history: History, at: float) -> None:
    for found in connector_levels(history, policies(), SUBJECT, day(at)):
        states = [None, *(change.after for change in found.changes)]
        assert [change.before for change in found.changes] == states[:-1]
        assert states[-1] == found.level
        times = [change.at for change in found.changes]
        assert times == sorted(times)
        assert all(time <= day(at) + timedelta(0) for time in times)
