"""The mutation score follows from the trials; what was not seen to be red has not been killed."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.calibration import CleanCell
from certification_pipeline.evidence.calibration_verdict import calibration
from certification_pipeline.evidence.markdown import markdown
from tests.calibration.builders import CLEAN, EMPTY, KILLS, NOOP, PLAN, calibrated, codes, trial
from tests.evidence.builders import provenance


def test_all_killed_all_scenarios_kill_and_the_clean_engine_is_green() -> None:
    made = calibrated(*CLEAN, *KILLS)
    assert (made.outcome, made.score, made.killed, made.planted) == (Outcome.PASSED, 1.0, 2, 2)
    assert codes(made) == []
    repeats = made.defects[1]
    assert (repeats.fate, repeats.killed_by, repeats.passed_by) == ("killed", (NOOP,), (EMPTY,))
    assert [(line.id, line.kills) for line in made.kills] == [("batch.empty", 1), ("incr.noop", 1)]


def test_a_survivor_and_the_scenario_that_did_not_see_it_are_red() -> None:
    made = calibrated(*CLEAN, KILLS[0], trial("repeats", EMPTY), trial("repeats", NOOP))
    assert (made.outcome, made.score) == (Outcome.FAILED, 0.5)
    assert codes(made) == ["calibration.survivor:repeats", "calibration.idle:incr.noop"]
    assert "certify calibrate --defect repeats" in made.blockers[0].next_step


def test_a_red_control_kills_nothing() -> None:
    made = calibrated(CLEAN[0], trial(None, NOOP, right=False), *KILLS)
    assert made.outcome is Outcome.FAILED
    assert made.defects[1].fate == "undecided"
    assert codes(made)[0] == f"calibration.control:{NOOP}"
    assert made.clean.alarms == 1
    assert made.clean.upper_bound == pytest.approx(0.97468), "one of two"


def test_a_cell_without_a_control_kills_nothing() -> None:
    made = calibrated(CLEAN[0], *KILLS)
    assert made.defects[1].fate == "undecided"
    assert made.outcome is Outcome.FAILED, "incr.noop has been seen to fail by nobody"


def test_cant_tell_is_no_kill() -> None:
    broken = trial("loses", EMPTY, reason=ReasonCode.SERVICE_DIED)
    made = calibrated(*CLEAN, broken, *KILLS[1:])
    assert made.defects[0].fate == "undecided"
    assert "calibration.undecided:loses" in codes(made)


def test_what_was_not_tried_is_told_once() -> None:
    made = calibrated(*CLEAN, KILLS[0])
    assert codes(made) == ["calibration.incomplete"]
    assert made.outcome is Outcome.UNTESTED
    assert made.blockers[0].next_step == "certify calibrate --resume"


def test_no_trial_is_no_calibration() -> None:
    made = calibrated()
    assert (made.outcome, made.score, codes(made)) == (Outcome.UNTESTED, 0.0, ["calibration.missing"])


def test_no_plan_is_no_score() -> None:
    made = calibrated(*CLEAN, plan=())
    assert (made.passed, made.score) == (False, 0.0)
    assert codes(made) == ["calibration.idle:batch.empty", "calibration.idle:incr.noop"]


def test_a_flaky_cell_of_the_clean_engine_is_an_alarm_and_shows_both_outcomes() -> None:
    later = CleanCell(cell=NOOP, runs=8, outcomes={Outcome.PASSED: 8})
    made = calibrated(*CLEAN, *KILLS, trial(None, NOOP, right=False, repetition=5), repeated=(later,))
    assert made.clean.flaky == (NOOP,)
    assert made.clean.cells[0].outcomes == {Outcome.PASSED: 9, Outcome.FAILED: 1}
    assert (made.clean.runs, made.clean.alarms) == (11, 1)
    assert made.outcome is Outcome.FAILED


def test_no_alarm_in_n_runs_bounds_their_rate() -> None:
    later = CleanCell(cell=NOOP, runs=298, outcomes={Outcome.PASSED: 298})
    clean = calibrated(*CLEAN, *KILLS, repeated=(later,)).clean
    assert (clean.runs, clean.alarms, clean.upper_bound) == (300, 0, 0.01)


def test_it_is_recomputed_from_what_is_inside() -> None:
    made = calibrated(*CLEAN, *KILLS)
    again = calibration(
        provenance(),
        release_id=made.release_id,
        subject=made.subject,
        profile=made.profile,
        basis=made.basis,
        calibrated=made.calibrated,
        rows=made.rows,
        seed=made.seed,
        scenarios=made.scenarios,
        plan=made.plan,
        trials=made.trials,
        repeated=made.repeated,
    )
    assert again == made


def test_the_page_names_survivors_and_what_other_families_see() -> None:
    page = markdown(calibrated(*CLEAN, KILLS[0], trial("repeats", EMPTY), trial("repeats", NOOP)))
    assert "1 of 2 defects killed" in page
    assert "| repeats | It repeats. | survived |" in page
    assert f"| {PLAN[2].id} | It is slow. | benchmark | tests |" in page
