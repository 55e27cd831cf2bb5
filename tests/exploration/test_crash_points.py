"""The crash line of an engine that is right, and of engines that lose, repeat and get stuck (law 1)."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Guarantee, Outcome, Strategy
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.evidence.trials import TrialVerdict, crash_results
from certification_pipeline.harness.exploration.crash_points import crash_points
from certification_pipeline.harness.faults.commits import KillAfterCommit
from tests.exploration.conftest import Explored, Lab

pytestmark = pytest.mark.integration

APPEND, REFRESH = Strategy.INCREMENTAL_APPEND, Strategy.FULL_REFRESH
V = TrialVerdict
SHORT = partial(crash_points, actions=("kill_after",), folders=("kept",))


def verdicts(explored: Explored) -> Counter[TrialVerdict]:
    return Counter(result.verdict for result in crash_results(explored.cell))


def broken(explored: Explored, verdict: TrialVerdict) -> set[tuple[str, str, str]]:
    """Boundary, action and folder of the trials that ended so."""
    return {
        (result.point.address, result.trial.action, result.trial.folder)
        for result in crash_results(explored.cell)
        if result.verdict is verdict
    }


@pytest.mark.nightly
def test_an_engine_that_commits_once_is_safe_wherever_it_breaks(lab: Lab) -> None:
    explored = lab.explore("rec.crash_points", APPEND)
    line = explored.bench.crash_line
    assert line is not None
    assert line.whole
    assert [point.number for point in line.points] == list(range(1, len(line.points) + 1))
    assert verdicts(explored) == {V.SAFE: len(line.planned())}
    assert explored.outcome is Outcome.PASSED
    assert all(fault.witness for fault in explored.bench.faults)
    assert {trial.ended for trial in line.trials if trial.action.startswith("kill")} == {"killed"}
    told = [step for step in explored.steps if step.startswith("trial ")]
    assert {step.partition(",")[0] for step in told} == {
        f"trial {number} of {len(line.trials)}" for number in range(1, len(line.trials) + 1)
    }


@pytest.mark.nightly
def test_a_mark_that_is_committed_before_its_rows_loses_them(lab: Lab) -> None:
    explored = lab.explore("rec.crash_points", APPEND, "mark_first")
    assert explored.outcome is Outcome.FAILED
    lost = broken(explored, V.LOST)
    # Between the two commits: whatever ends the load there ends it for good.
    assert {action for _, action, _ in lost} == {"kill_before", "kill_after", "cut_after"}
    assert {folder for _, _, folder in lost} == {"kept", "lost"}
    red = next(j for j in explored.bench.judgements if j.outcome is Outcome.FAILED)
    assert isinstance(red, RowJudgement)
    assert red.anomalies[Anomaly.LOST]
    assert red.samples
    assert "after sink COMMIT" in red.step, "the counter-example names its crash point"


@pytest.mark.nightly
@pytest.mark.parametrize(
    ("guarantee", "verdict", "outcome"),
    [
        (Guarantee.EXACTLY_ONCE, V.DUPLICATE, Outcome.FAILED),
        (Guarantee.AT_LEAST_ONCE, V.REPEATS, Outcome.PASSED),
    ],
)
def test_rows_committed_before_their_mark_come_twice(
    lab: Lab, guarantee: Guarantee, verdict: TrialVerdict, outcome: Outcome
) -> None:
    explored = lab.explore("rec.crash_points", APPEND, "rows_first", guarantee=guarantee)
    assert verdicts(explored)[verdict]
    assert set(verdicts(explored)) == {verdict, V.SAFE}
    assert explored.outcome is outcome


@pytest.mark.nightly
def test_an_engine_that_leaves_a_lock_behind_is_stuck(lab: Lab) -> None:
    explored = lab.explore("rec.crash_points", APPEND, "leaves_a_lock")
    assert set(verdicts(explored)) == {V.STUCK, V.SAFE}
    assert explored.outcome is Outcome.FAILED


@pytest.mark.nightly
def test_a_mark_in_the_working_folder_is_lost_with_it(lab: Lab) -> None:
    explored = lab.explore("rec.crash_points", APPEND, "mark_in_folder")
    repeated = broken(explored, V.DUPLICATE)
    assert {folder for _, _, folder in repeated} >= {"lost"}
    assert explored.outcome is Outcome.FAILED


def test_each_boundary_is_tried_and_the_red_names_it(lab: Lab) -> None:
    explored = lab.explore("rec.crash_points", APPEND, "mark_first", play=SHORT)
    assert [(r.point.address, r.verdict) for r in crash_results(explored.cell)] == [
        ("sink COMMIT marks #1", V.LOST),
        ("sink COMMIT steady #1", V.SAFE),
    ]
    assert explored.outcome is Outcome.FAILED
    assert [
        step for step in explored.steps if step.startswith("trial 2 of 2, kill after sink COMMIT steady #1")
    ]


def test_a_fault_that_never_fires_proves_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KillAfterCommit, "arm", lambda self, arena: None)
    explored = lab.explore("rec.crash_points", APPEND, play=SHORT)
    assert verdicts(explored) == {V.UNWITNESSED: 1}
    assert sum(fault.fault == KillAfterCommit.name for fault in explored.bench.faults) == 2, "tried once more"
    assert explored.outcome is Outcome.CANT_TELL


@pytest.mark.nightly
def test_a_file_that_appears_before_its_mark_comes_twice(files_lab: Lab) -> None:
    explored = files_lab.explore("rec.crash_points", APPEND)
    line = explored.bench.crash_line
    assert line is not None
    assert {(point.medium, point.action) for point in line.points} >= {("files", "renamed")}
    assert {trial.action for trial in line.trials} == {"kill_after"}
    repeated = {folder for address, _, folder in broken(explored, V.DUPLICATE) if "renamed" in address}
    assert repeated == {"kept", "lost"}, [
        (r.trial.step, r.verdict, r.seen.rows) for r in crash_results(explored.cell)
    ]
    assert explored.outcome is Outcome.FAILED


def test_what_is_wrong_undisturbed_is_not_explored(lab: Lab) -> None:
    explored = lab.explore("rec.crash_points", APPEND, "drops_a_row")
    assert explored.bench.crash_line is None
    assert explored.outcome is Outcome.FAILED
