"""Each step of a run a process of its own: between two of them the plan says whose release it is."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.test_utils import create_run_for_test

from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.exclusive import LOCK
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.executor import Steps
from certification_pipeline.orchestration.names import PLAN, RELEASE, RELEASE_TAG
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.settings import load_settings
from tests.orchestration.conftest import House
from tests.orchestration.stacks.stack import verified
from tests.orchestration.test_turn import is_free

TurnOf = Callable[..., ReleaseTurn]


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def turn_of(instance: dg.DagsterInstance) -> Iterator[TurnOf]:
    """The turn of a step of that run, as Dagster makes it in the step's process."""
    made: list[ReleaseTurn] = []

    def of(run_id: str, within: dg.DagsterInstance = instance) -> ReleaseTurn:
        turn = ReleaseTurn(by_step=True, says_again_seconds=0.05)
        context = dg.build_init_resource_context(instance=within)
        context._dagster_run = within.get_run_by_id(run_id)
        turn.setup_for_execution(context)
        made.append(turn)
        return turn

    yield of
    for turn in made:
        let_go(turn)


def let_go(turn: ReleaseTurn) -> None:
    turn.teardown_after_execution(dg.build_init_resource_context())


def another(instance: dg.DagsterInstance) -> str:
    """A run of which nothing is known but that it goes on."""
    return create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED).run_id


@contextmanager
def between_two_steps(instance: dg.DagsterInstance, release: str) -> Iterator[str]:
    """A run that has sealed the plan of a release and waits before its next step; it ends afterwards."""
    here, go_on = threading.Event(), threading.Event()
    run_id = str(uuid.uuid4())

    @dg.asset(key=PLAN)
    def plan() -> dg.MaterializeResult:
        return dg.MaterializeResult(metadata={RELEASE: release}, data_version=dg.DataVersion("a+b"))

    @dg.asset(deps=[PLAN])
    def rest() -> None:
        here.set()
        assert go_on.wait(60)

    def run() -> None:
        job = dg.Definitions([plan, rest]).resolve_implicit_global_asset_job_def()
        job.execute_in_process(instance=instance, run_id=run_id)

    running = threading.Thread(target=run)
    running.start()
    try:
        assert here.wait(60)
        yield run_id
    finally:
        go_on.set()
        running.join(60)


def test_no_plan_is_sealed_while_the_run_that_sealed_the_last_one_goes_on(
    instance: dg.DagsterInstance, turn_of: TurnOf, tmp_path: Path
) -> None:
    settings = load_settings(evidence_dir=tmp_path, release_id="r1")
    second = another(instance)
    with between_two_steps(instance, "r1") as first:
        with pytest.raises(PlanError) as refused:
            turn_of(second).begin(settings)
        assert f"another run is writing release r1 (run {first})" in str(refused.value)
        assert is_free(settings.release_dir), "who is refused holds nobody up"
        turn_of(second).begin(load_settings(evidence_dir=tmp_path, release_id="r2"))
        again = turn_of(first)
        again.begin(settings)
        let_go(again)
    turn_of(second).begin(settings)


def test_a_rerun_has_its_turn_when_the_run_that_sealed_the_plan_has_ended(
    instance: dg.DagsterInstance, turn_of: TurnOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = EvidenceStore(tmp_path).release("r1", "reference")
    directory.path.mkdir(parents=True)
    said: list[str] = []
    heard = threading.Event()

    class Log:
        def info(self, message: str) -> None:
            said.append(message)
            heard.set()

    monkeypatch.setattr(dg, "get_dagster_logger", Log)
    waiting = threading.Thread(target=turn_of(another(instance)).wait, args=(directory,))
    with between_two_steps(instance, "r1") as first:
        waiting.start()
        assert heard.wait(20)
        assert said[0].startswith(f"Waiting: run {first} is writing release r1.")
        of_the_run = turn_of(first)
        of_the_run.wait(directory)
        let_go(of_the_run)
        assert waiting.is_alive()
    waiting.join(20)
    assert not waiting.is_alive()
    assert not is_free(directory.path.parent)


@pytest.mark.integration
def test_a_run_does_not_go_on_under_another_plan_than_its_own(house: House, turn_of: TurnOf) -> None:
    def sealed(seed: int) -> str:
        result = house.defs.resolve_implicit_global_asset_job_def().execute_in_process(
            instance=house.instance,
            tags={RELEASE_TAG: "twice"},
            asset_selection=[PLAN],
            run_config={"ops": {"plan": {"config": {"seed": seed}}}},
        )
        return result.run_id

    def goes_on(run_id: str) -> None:
        turn = turn_of(run_id, house.instance)
        try:
            turn.wait(house.directory("twice"))
        finally:
            let_go(turn)

    runs = [sealed(7), sealed(7)]
    for run in runs:
        goes_on(run)  # the same plan
    since = sealed(9)
    for run in runs:
        with pytest.raises(PlanError, match=f"run {since} has sealed it since"):
            goes_on(run)
    goes_on(since)
    goes_on(another(house.instance))


def full_by_processes() -> dg.JobDefinition:
    """The shipped graph, each step in a process: as in containers, without them."""
    return build_defs(steps=Steps(dg.multiprocess_executor, apart=True)).resolve_job_def("full_certification")


@pytest.mark.integration
@pytest.mark.nightly
def test_two_steps_of_one_run_that_want_its_release_at_once_have_their_turns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two engines, so two steps that are ready together, each in a process of its own."""
    for name, value in {
        "EVIDENCE_DIR": str(tmp_path / "evidence"),
        "ENGINES": "reference,reference_two_phase",
        "ROUTES": "postgres_to_parquet",
        "STRATEGIES": "full_refresh",
        "SCENARIOS": "strategy.full_refresh,batch.empty",
        "FAMILIES": "openlineage",
        "WORKERS": "1",
    }.items():
        monkeypatch.setenv(f"CERTIFY_{name}", value)
    config = {
        "ops": {"plan": {"config": {"rows": 120}}},
        "execution": {"config": {"max_concurrent": 2}},
    }
    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        done = dg.execute_job(
            dg.reconstructable(full_by_processes), instance, run_config=config, tags={RELEASE_TAG: "apart"}
        )
        assert done.success, [event.message for event in done.get_step_failure_events()]
    two = {"matrix_reference", "matrix_reference_two_phase"}
    order = [event.event_type for event in done.all_events if event.step_key in two]
    begun = [place for place, kind in enumerate(order) if kind is dg.DagsterEventType.STEP_WORKER_STARTING]
    assert len(begun) == len(two)
    assert max(begun) < order.index(dg.DagsterEventType.STEP_SUCCESS), "one after the other proves nothing"
    store = EvidenceStore(tmp_path / "evidence")
    for engine in ("reference", "reference_two_phase"):
        directory = store.release("apart", engine)
        cells = [directory.read(path, CellEvidence) for path in (directory.path / "cells").glob("*.json")]
        assert {cell.run_id for cell in cells} == {done.run_id}
        assert directory.read(directory.plan_path, CertificationPlan).run_id == done.run_id
    assert (store.release_path("apart") / LOCK).exists()
    assert is_free(store.release_path("apart"))
    honest = verified(store.root, "apart")
    assert honest.returncode == 0, honest.stdout + honest.stderr
