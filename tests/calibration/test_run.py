"""Real trials: a defect that is killed, one that is not where it was looked for, controls, resuming."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.catalog.calibration import PlantedDefect, load_defects
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.calibration import Calibration, Trial
from certification_pipeline.evidence.calibration_basis import basis_of, kept_in
from certification_pipeline.harness.workshop import DEFECT_VARIABLE
from certification_pipeline.pipeline import calibrate as room
from certification_pipeline.pipeline.calibrate import Asked, calibrate
from certification_pipeline.settings import SettingsError

pytestmark = pytest.mark.integration

EMPTY = "postgres_to_sqlite/full_refresh/batch.empty"
FIELDS = "postgres_to_sqlite/full_refresh/obs.fields"
Run = Callable[..., tuple[Calibration, list[Trial]]]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    def run(**asked: object) -> tuple[Calibration, list[Trial]]:
        heard: list[Trial] = []
        wanted = Asked(evidence_dir=tmp_path, workers=2, **asked)  # type: ignore[arg-type]
        made = calibrate(
            wanted, load_catalog(), lambda _: None, threading.Event(), lambda trial, _: heard.append(trial)
        )
        return made, heard

    return run


@pytest.fixture
def two_defects(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is found, and one that nothing in its cell can show."""
    known = load_defects()

    def planned(name: str, cell: str) -> PlantedDefect:
        return known[name].model_copy(update={"killed_by": (cell,)})

    plan = {
        "fail_on_empty": planned("fail_on_empty", EMPTY),
        "ignore_deletes": planned("ignore_deletes", FIELDS),
    }
    monkeypatch.setattr(room, "load_defects", lambda: plan)


@pytest.mark.nightly
@pytest.mark.usefixtures("two_defects")
def test_defects_live_or_die_by_cells_whose_controls_are_green(run: Run, tmp_path: Path) -> None:
    made, heard = run()
    assert {(trial.defect, trial.cell): trial.outcome for trial in heard} == {
        ("fail_on_empty", EMPTY): Outcome.FAILED,
        ("ignore_deletes", FIELDS): Outcome.PASSED,
        (None, EMPTY): Outcome.PASSED,
        (None, FIELDS): Outcome.PASSED,
    }
    assert [(line.id, line.fate) for line in made.defects] == [
        ("fail_on_empty", "killed"),
        ("ignore_deletes", "survived"),
    ]
    assert (made.score, made.outcome) == (0.5, Outcome.FAILED)
    kept = kept_in(tmp_path, basis_of(load_catalog()))
    assert kept.read("calibration.json", Calibration).trials == made.trials
    # What is known need not be run again, and what is asked for by name is.
    resumed, again = run(resume=True)
    assert (again, resumed.trials) == ([], made.trials)
    _, named = run(defects=("fail*",), clean=2)
    assert sorted((trial.defect or "", trial.repetition) for trial in named) == [
        ("", 1),
        ("", 2),
        ("fail_on_empty", 1),
    ]


def test_a_filter_that_matches_nothing_is_a_mistake(run: Run) -> None:
    with pytest.raises(SettingsError, match="drop_lost_batch"):
        run(defects=("drop_lost_batch",))


def test_a_defect_in_the_environment_would_spoil_the_controls(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(DEFECT_VARIABLE, "slow_load")
    with pytest.raises(SettingsError, match="controls"):
        run()


@pytest.mark.nightly
def test_every_defect_is_killed_and_every_scenario_kills(run: Run) -> None:
    made, _ = run()
    assert [blocker.code for blocker in made.blockers] == []
    assert made.score == 1


@pytest.mark.nightly
def test_the_clean_engine_is_green_fifty_times(run: Run) -> None:
    made, _ = run(scenarios=("batch.empty", "incr.*", "idem.*", "obs.*"), clean=50)
    assert (made.clean.alarms, made.clean.flaky) == (0, ())
