"""Who waits for a release keeps nobody from a slot: a pool of one slot, a run midway, a rerun beside it."""

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from pathlib import Path
from typing import IO, Self

import dagster as dg
import pytest
import yaml

from certification_pipeline.evidence.exclusive import writing
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.orchestration.names import MATRIX_POOL, PLAN, RELEASE, route_key
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.settings import load_settings
from tests.orchestration.conftest import House
from tests.orchestration.stacks.stack import eventually

ROOT = "CERTIFY_TEST_ROOT"
CELLS = dg.AssetKey(["cells"])
STORAGE = {
    "module": "certification_pipeline.orchestration.local_history",
    "class": "LocalHistory",
}


def root() -> Path:
    return Path(os.environ[ROOT])


def held(instance: dg.DagsterInstance) -> set[tuple[str, str]]:
    """Run and step of each slot that is taken."""
    slots = instance.event_log_storage.get_concurrency_info(MATRIX_POOL).claimed_slots
    return {(slot.run_id, slot.step_key) for slot in slots}


@dg.asset(key=PLAN)
def plan(turn: ReleaseTurn) -> dg.MaterializeResult:
    turn.begin(load_settings(evidence_dir=root(), release_id="r1"))
    return dg.MaterializeResult(metadata={RELEASE: "r1"}, data_version=dg.DataVersion("a"))


@dg.asset(deps=[PLAN])
def midway() -> None:
    (root() / "midway").read_text()  # until whoever opened it for writing closes it


@dg.asset(key=CELLS, deps=[midway], pool=MATRIX_POOL)
def cells(context: dg.AssetExecutionContext, turn: ReleaseTurn) -> None:
    turn.wait(EvidenceStore(root()).release("r1", "reference"))
    assert held(context.instance) == {(context.run.run_id, "cells")}, "works on the source without a slot"


def job(executor: dg.ExecutorDefinition, by_step: bool) -> dg.JobDefinition:
    turn = ReleaseTurn(by_step=by_step)
    whole = [dg.define_asset_job("whole")]
    made = dg.Definitions([plan, midway, cells], jobs=whole, resources={"turn": turn}, executor=executor)
    return made.resolve_job_def("whole")


def in_one_process() -> dg.JobDefinition:
    return job(dg.in_process_executor, by_step=False)


def by_processes() -> dg.JobDefinition:
    return job(dg.multiprocess_executor, by_step=True)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """As shipped: its storage, and a pool that an operator has lowered."""
    monkeypatch.setenv(ROOT, str(tmp_path))
    (tmp_path / "home").mkdir()
    storage = {"custom": {**STORAGE, "config": {"base_dir": str(tmp_path / "history")}}}
    written = {"storage": storage, "telemetry": {"enabled": False}}
    (tmp_path / "home" / "dagster.yaml").write_text(yaml.safe_dump(written))
    with dg.DagsterInstance.from_config(str(tmp_path / "home")) as made:
        made.event_log_storage.set_concurrency_slots(MATRIX_POOL, 1)
        yield made


def said(instance: dg.DagsterInstance, words: str) -> bool:
    """In whichever run's log: of two runs in one process Dagster takes one for the other there."""
    logs = [entry for run in instance.get_runs() for entry in instance.all_logs(run.run_id)]
    return any(words in entry.user_message for entry in logs)


def opened(fifo: Path) -> IO[bytes] | None:
    """Nobody opens it for writing before somebody reads."""
    try:
        return os.fdopen(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK), "wb")
    except OSError:
        return None


class Launched(threading.Thread):
    """A run that goes on beside the test."""

    def __init__(
        self, instance: dg.DagsterInstance, of: Callable[[], dg.JobDefinition], *only: dg.AssetKey
    ) -> None:
        super().__init__(daemon=True)
        self._tags = {"launched": str(uuid.uuid4())}
        self._result: Future[bool] = Future()
        self._instance, self._of, self._only = instance, of, only
        self.start()

    def run(self) -> None:
        try:
            done = dg.execute_job(
                dg.reconstructable(self._of),
                self._instance,
                asset_selection=list(self._only) or None,
                tags=self._tags,
            )
            self._result.set_result(done.success)
        except BaseException as error:
            self._result.set_exception(error)

    def succeeded(self) -> bool:
        """Raises ``TimeoutError`` when it does not end."""
        return self._result.result(60)

    def _ids(self) -> list[str]:
        """None before it has begun."""
        return [run.run_id for run in self._instance.get_runs(dg.RunsFilter(tags=self._tags))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """What a red test leaves waiting would wait for ever."""
        if not self._result.done():
            self._instance.event_log_storage.delete_concurrency_limit(MATRIX_POOL)
            for run in self._ids():
                self._instance.event_log_storage.free_concurrency_slots_for_run(run)
        self.join(30)


@pytest.mark.parametrize(
    "of", [in_one_process, pytest.param(by_processes, marks=[pytest.mark.nightly, pytest.mark.integration])]
)
def test_a_rerun_that_waits_for_a_run_holds_no_slot_that_the_run_needs(
    instance: dg.DagsterInstance, tmp_path: Path, of: Callable[[], dg.JobDefinition]
) -> None:
    os.mkfifo(tmp_path / "midway")
    with ExitStack() as going_on:
        run = going_on.enter_context(Launched(instance, of))
        with eventually("the run is midway", lambda: opened(tmp_path / "midway"), 30):
            rerun = going_on.enter_context(Launched(instance, of, CELLS))
            eventually(
                "the rerun says for whom it waits", lambda: said(instance, "is writing release r1"), 30
            )
        assert run.succeeded()
        assert rerun.succeeded()
    assert not held(instance)
    assert not instance.event_log_storage.get_concurrency_info(MATRIX_POOL).pending_steps


@pytest.mark.nightly
@pytest.mark.integration
def test_a_route_holds_no_slot_while_another_writes_its_release(
    house: House, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped asset, in the pool that an operator lowers. The house's own history knows no pools."""
    monkeypatch.setattr(house, "instance", instance)
    house.only(PLAN, release="pooled")
    done: Future[bool] = Future()

    def again() -> None:
        done.set_result(house.only(route_key("reference", "postgres", "sqlite"), release="pooled").success)

    with writing(house.store.release_path("pooled")):
        threading.Thread(target=again, daemon=True).start()
        eventually("it waits", lambda: said(instance, "is writing release pooled"), 30)
        meanwhile = held(instance)
    assert done.result(60)
    assert not meanwhile
