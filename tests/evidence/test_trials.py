"""A trial's verdict is worked out from its judgements and its fault's witness, and from nothing else."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.delivery import ENOUGH, DeliveryKill, DeliveryTrials
from certification_pipeline.evidence.disruption import CrashLine, CrashPoint, FaultEvidence
from certification_pipeline.evidence.trials import Trial, TrialVerdict, crash_results, delivery_count
from tests.evidence.crash import POINTS, crashed, judged, rows

V = TrialVerdict
RED = (V.LOST, V.WRONG, V.DUPLICATE, V.TORN, V.STUCK)
GREEN = (V.SAFE, V.REPEATS, V.GAPS)


def test_a_wire_is_broken_in_six_ways_and_a_file_in_two() -> None:
    file = CrashPoint(number=4, medium="files", action="rename", object="part.parquet")
    planned = CrashLine(points=(POINTS[0], file)).planned()
    assert [(key.action, key.folder) for key in planned if key.point == 4] == [
        ("kill_after", "kept"),
        ("kill_after", "lost"),
    ]
    assert len(planned) == 6 + 2


@pytest.mark.parametrize("verdict", [*RED, *GREEN, V.UNWITNESSED])
def test_each_verdict_is_told_from_the_others(verdict: TrialVerdict) -> None:
    cell = crashed({2: verdict})
    seen = [result.verdict for result in crash_results(cell)]
    assert seen[1] is verdict
    assert set(seen) == {verdict, V.SAFE}
    expected = Outcome.FAILED if verdict in RED else Outcome.PASSED if verdict in GREEN else Outcome.CANT_TELL
    assert verdict.outcome is expected
    assert cell.recompute() is expected


def test_the_worst_of_a_trial_counts() -> None:
    cell = crashed({})
    prefix = cell.crash_line.trials[0].step if cell.crash_line else ""
    both = (*judged(prefix, V.DUPLICATE), *judged(prefix, V.LOST), *judged(prefix, V.SAFE))
    assert Trial(both, cell.faults[:1]).verdict is V.LOST


def test_wrong_once_and_right_after_the_next_load_is_healed_and_still_red() -> None:
    results = crash_results(crashed({1: V.LOST, 2: V.WRONG}))
    assert [result.seen.healed for result in results[:3]] == [True, False, False]
    assert results[0].seen.rows == {Anomaly.LOST: 3}


def test_what_is_allowed_is_counted_all_the_same() -> None:
    assert crash_results(crashed({1: V.REPEATS}))[0].seen.rows == {Anomaly.DUPLICATE: 3}


@pytest.mark.parametrize("missing", [1, 18])
def test_a_line_with_gaps_proves_nothing(missing: int) -> None:
    cell = crashed({}, missing=missing)
    assert cell.crash_line is not None
    assert len(cell.crash_line.untested) == missing
    assert cell.recompute() is Outcome.CANT_TELL


def test_a_line_without_boundaries_proves_nothing() -> None:
    cell = crashed({}).model_copy(update={"crash_line": CrashLine(points=())})
    assert cell.recompute() is Outcome.CANT_TELL


def test_a_trial_without_any_fault_proves_nothing() -> None:
    cell = crashed({})
    forged = cell.model_copy(update={"faults": cell.faults[1:]})
    assert crash_results(forged)[0].verdict is V.UNTESTED
    assert forged.recompute() is Outcome.CANT_TELL


def test_red_stays_red_on_a_line_with_gaps() -> None:
    assert crashed({1: V.LOST}, missing=3).recompute() is Outcome.FAILED


def killed(kills: int, verdicts: dict[int, TrialVerdict]) -> CellEvidence:
    prefixes = [f"kill {number} of {kills}, after 0.1 s: " for number in range(1, kills + 1)]
    seen = [verdicts.get(number, V.SAFE) for number in range(1, kills + 1)]
    return crashed({}).model_copy(
        update={
            "crash_line": None,
            "judgements": tuple(one for p, v in zip(prefixes, seen, strict=True) for one in judged(p, v)),
            "faults": tuple(
                FaultEvidence(
                    step=f"{p}broken load",
                    fault="process.kill",
                    planned={},
                    witness=None if v is V.UNWITNESSED else {"pid": 42},
                )
                for p, v in zip(prefixes, seen, strict=True)
            ),
            "delivery": DeliveryTrials(
                kills=tuple(
                    DeliveryKill(step=p, moment="after 0.1 s", ended="killed", reruns=1) for p in prefixes
                ),
                seed=7,
            ),
        }
    )


def test_kills_are_counted_by_what_they_did() -> None:
    cell = killed(61, {3: V.LOST, 4: V.REPEATS, 5: V.DUPLICATE, 6: V.STUCK, 7: V.UNWITNESSED})
    count = delivery_count(cell)
    assert count is not None
    assert (count.n, count.lost, count.duplicates, count.other) == (60, 1, 2, 1)
    assert count.enough


def test_sixty_kills_without_a_loss_pass_and_fewer_prove_nothing() -> None:
    assert killed(ENOUGH, {}).recompute() is Outcome.PASSED
    assert killed(ENOUGH - 1, {}).recompute() is Outcome.CANT_TELL
    assert killed(ENOUGH, {8: V.UNWITNESSED}).recompute() is Outcome.CANT_TELL
    assert killed(ENOUGH, {8: V.LOST}).recompute() is Outcome.FAILED


def test_a_cell_without_kills_has_no_count() -> None:
    assert delivery_count(crashed({})) is None


def test_trials_are_told_apart_by_their_whole_prefix() -> None:
    judgements = (rows("trial 11 of 12: after load 1", Anomaly.LOST), rows("trial 1 of 12: after load 2"))
    faults = (FaultEvidence(step="trial 1 of 12: broken load", fault="f", planned={}, witness={}),)
    assert Trial.of("trial 1 of 12: ", judgements, faults).verdict is V.SAFE
