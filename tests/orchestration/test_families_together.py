"""The families of one engine in one step: made side by side, and each still itself."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator

import dagster as dg
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import MEASURED_ALONE, Family
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.families.registry import PRODUCERS
from certification_pipeline.families.work import Producer, Work
from certification_pipeline.orchestration.assets.families import family_assets
from certification_pipeline.orchestration.names import FAMILY_ASSETS, PASSED, PLAN, RELEASE_TAG, family_key
from certification_pipeline.orchestration.parts import LEFT_OUT
from tests.orchestration.conftest import House, failures, produce, signing, small_catalog
from tests.orchestration.test_turn import is_free

pytestmark = pytest.mark.integration

STEP = "evidence_reference"
KEYS = {family: family_key("reference", family) for family in FAMILY_ASSETS}
LINEAGE, CALIBRATION, REPLAY = (KEYS[f] for f in (Family.OPENLINEAGE, Family.CALIBRATION, Family.REPLAY))
Make = Callable[[Work], Decision]
PATIENCE_SECONDS = 60


def with_others(**made: Make) -> dict[Family, Producer]:
    """Families that only read what is on disk; what is given is made like that instead."""
    makes: dict[str, Make] = {
        "benchmark": produce,
        "openlineage": PRODUCERS[Family.OPENLINEAGE].produce,
        "calibration": PRODUCERS[Family.CALIBRATION].produce,
        "replay": broken,
        **made,
    }
    return {Family(name): Producer(lambda plan: (), make) for name, make in makes.items()}


def broken(work: Work) -> Decision:
    raise ZeroDivisionError("on purpose")


Producers = Callable[..., None]


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> Producers:
    name = "certification_pipeline.pipeline.families.PRODUCERS"
    return lambda **made: monkeypatch.setattr(name, with_others(**made))


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Three families beside the benchmark, of the release ``sealed``, of which no cell was run."""
    small = small_catalog()
    families = dict.fromkeys(with_others(), ("reference",))
    profile = small.profiles["embedded"].model_copy(update={"families": families})
    # The calibration tells of both its engines, and of every scenario.
    shipped = load_catalog()
    catalog = shipped.model_copy(
        update={
            "engines": {**shipped.engines, **small.engines},
            "profiles": {"embedded": profile},
            "matrix": small.matrix,
        }
    )
    made = House(tmp_path_factory.mktemp("together"), catalog)
    assert made.only(PLAN, release="sealed").success
    yield made
    made.instance.dispose()


def made_by(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    return {event.asset_key for event in result.get_asset_materialization_events() if event.asset_key}


def checked_by(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    return {check.asset_key for check in result.get_asset_check_evaluations() if check.check_name == PASSED}


def test_an_engine_has_one_step_for_all_and_one_for_what_is_measured_alone() -> None:
    catalog = small_catalog()
    profile, engine = catalog.profiles["embedded"], catalog.engines["reference"]
    made = family_assets(catalog, profile, engine, tuple(FAMILY_ASSETS))
    alone = {f"evidence__reference__{FAMILY_ASSETS[family]}": {KEYS[family]} for family in MEASURED_ALONE}
    rest = {key for family, key in KEYS.items() if family not in MEASURED_ALONE}
    assert {each.op.name: {*each.keys} for each in made} == {**alone, STEP: rest}
    first = {each.op.name: int(each.op.tags["dagster/priority"]) for each in made}
    assert all(0 > first[name] > first[STEP] for name in alone), "after the cells, before the rest"


def test_they_are_made_side_by_side(together: House, producers: Producers) -> None:
    both = threading.Barrier(2)

    def beside_another(family: Family) -> Make:
        def make(work: Work) -> Decision:
            both.wait(PATIENCE_SECONDS)  # one after the other, neither would come by
            return PRODUCERS[family].produce(work)

        return make

    producers(openlineage=beside_another(Family.OPENLINEAGE), calibration=beside_another(Family.CALIBRATION))
    result = together.only(LINEAGE, CALIBRATION, release="sealed")
    assert result.success, failures(result)
    assert made_by(result) == checked_by(result) == {LINEAGE, CALIBRATION}


def test_a_click_on_one_makes_that_one(together: House, producers: Producers) -> None:
    producers(openlineage=broken)
    result = together.only(CALIBRATION, release="sealed")
    assert result.success, failures(result)
    assert made_by(result) == checked_by(result) == {CALIBRATION}
    again = together.only(checks=(dg.AssetCheckKey(CALIBRATION, PASSED),), release="sealed")
    assert again.success, failures(again)
    assert (made_by(again), checked_by(again)) == (set(), {CALIBRATION})


def test_one_that_breaks_fails_the_step_and_takes_no_other_with_it(
    together: House, producers: Producers
) -> None:
    producers(replay=broken)
    result = together.only(LINEAGE, REPLAY, CALIBRATION, release="sealed")
    assert made_by(result) == checked_by(result) == {LINEAGE, CALIBRATION}
    assert list(failures(result)) == [STEP]
    message = failures(result)[STEP]
    assert "Nothing was made of replay_evidence: ZeroDivisionError: on purpose" in message
    assert "harness.log" in message
    assert "openlineage" not in message
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    thrown = failed.step_failure_data.user_failure_data
    assert thrown is not None
    order = [event.event_type for event in result.all_events if event.step_key == STEP]
    assert order[-1] is dg.DagsterEventType.STEP_FAILURE, "told when the others are there"


def test_each_that_breaks_is_named(together: House, producers: Producers) -> None:
    def full(work: Work) -> Decision:
        raise EvidenceError("calibration.json", None, "no space left on device", "Free some space")

    producers(replay=broken, calibration=full)
    result = together.only(LINEAGE, REPLAY, CALIBRATION, release="sealed")
    assert made_by(result) == {LINEAGE}
    message = failures(result)[STEP]
    assert "no space left on device" in message
    assert "Nothing was made of replay_evidence" in message
    assert "did not begin" not in message


def test_a_defect_of_ours_keeps_its_traceback_and_the_others_their_results(
    together: House, producers: Producers, monkeypatch: pytest.MonkeyPatch
) -> None:
    producers()

    def no_systems(plan: object) -> tuple[str, ...]:
        raise KeyError("ours")

    families = {**with_others(), Family.REPLAY: Producer(no_systems, broken)}
    monkeypatch.setattr("certification_pipeline.pipeline.families.PRODUCERS", families)
    result = together.only(LINEAGE, REPLAY, release="sealed")
    assert made_by(result) == {LINEAGE}
    (failed,) = (event for event in result.all_events if event.is_step_failure)
    error = failed.step_failure_data.error
    assert error is not None
    assert "KeyError: 'ours'" in error.to_string()
    assert "no_systems" in error.to_string()


def test_one_that_a_release_leaves_out_holds_no_other_up(together: House, producers: Producers) -> None:
    producers()
    job = together.defs.resolve_implicit_global_asset_job_def()
    with signing():
        planned = job.execute_in_process(
            instance=together.instance,
            tags={RELEASE_TAG: "narrow"},
            asset_selection=[PLAN, LINEAGE, CALIBRATION],
            run_config={"ops": {"plan": {"config": {"families": ["openlineage"]}}}},
        )
    notes = {
        event.asset_key: LEFT_OUT in event.materialization.metadata
        for event in planned.get_asset_materialization_events()
    }
    assert notes == {PLAN: False, LINEAGE: False, CALIBRATION: True}
    amber = {c.asset_key: c for c in planned.get_asset_check_evaluations()}[CALIBRATION]
    assert (amber.passed, amber.severity) == (False, dg.AssetCheckSeverity.WARN)
    clicked = together.only(CALIBRATION, LINEAGE, release="narrow")
    assert made_by(clicked) == {LINEAGE}
    assert "leaves out calibration" in failures(clicked)[STEP]


def test_a_terminated_run_ends_those_that_work_and_lets_the_release_go(
    together: House, producers: Producers
) -> None:
    """Only the main thread is interrupted: the others must be told, and be waited for."""
    assert threading.current_thread() is threading.main_thread()
    all_at_work = threading.Barrier(3)
    stopped: list[bool] = []

    def waiting(work: Work) -> Decision:
        all_at_work.wait(PATIENCE_SECONDS)
        stopped.append(work.shop.cancel.wait(PATIENCE_SECONDS))
        raise InterruptedError

    def terminate() -> None:
        all_at_work.wait(PATIENCE_SECONDS)
        os.kill(os.getpid(), signal.SIGINT)

    producers(openlineage=waiting, calibration=waiting)
    killer = threading.Thread(target=terminate)
    killer.start()
    result = together.only(LINEAGE, CALIBRATION, release="sealed")
    killer.join(PATIENCE_SECONDS)
    (ended,) = (event for event in result.all_events if event.is_job_failure)
    assert "interrupted" in str(ended.message)
    assert stopped == [True, True]
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("family")]
    assert is_free(together.directory("sealed").path.parent)
