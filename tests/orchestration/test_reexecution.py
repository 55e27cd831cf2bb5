"""Dagster's own ways to try again: a failed cell that passes then is flaky, however it was begun again."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.definitions.reconstruct import ReconstructableJob

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from certification_pipeline.orchestration import late
from tests.orchestration.conftest import SIZE, House, failures, signing

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

CONFIG = {"ops": {"plan": {"config": SIZE}}}
BROKEN = "batch.empty"
_houses: list[House] = []


def full_certification() -> dg.JobDefinition:
    """Dagster begins a run again from a pointer to its job; in this process that is the test's own."""
    return _houses[-1].defs.resolve_job_def("full_certification")


@pytest.fixture(autouse=True)
def signed() -> Iterator[None]:
    """As all that is chained in this house."""
    with signing():
        yield


@pytest.fixture
def job(house: House) -> ReconstructableJob:
    _houses[:] = [house]
    return dg.reconstructable(full_certification)


@pytest.fixture
def once() -> Iterator[None]:
    """A scenario fails, and its step breaks off after its cells; from then on all is well."""
    planted = pytest.MonkeyPatch()

    def failing(bench: Bench) -> None:
        SCENARIOS[BROKEN](bench)
        bench.check("at the end", "planted", True, False)

    def breaks_off(*_: object) -> object:
        planted.undo()
        raise RuntimeError("the step breaks off")

    planted.setattr("certification_pipeline.harness.worker.SCENARIOS", {**SCENARIOS, BROKEN: failing})
    planted.setattr(late, "load_subject", breaks_off)
    yield
    planted.undo()


def flaky(house: House, release: str, run_id: str) -> None:
    """The cells that failed are amber and keep the failure, and nothing that rests on them is green."""
    cells = {name: cell for name, cell in house.cells(release).items() if name.endswith(BROKEN)}
    assert len(cells) == 2
    for cell in cells.values():
        assert cell.flaky
        assert cell.outcome is Outcome.CANT_TELL
        assert [one.outcome for one in cell.attempts] == [Outcome.FAILED]
        assert cell.run_id == run_id
    directory = house.directory(release)
    assert directory.read(directory.summary_path, ReleaseSummary).outcome is Outcome.CANT_TELL


def test_a_step_executed_again_from_failure(house: House, job: ReconstructableJob, once: None) -> None:
    first = dg.execute_job(job, house.instance, run_config=CONFIG)
    release = f"dagster-{first.run_id[:8]}"
    assert not first.success
    failed = {name for name, cell in house.cells(release).items() if cell.outcome is Outcome.FAILED}
    assert {name.endswith(BROKEN) for name in failed} == {True}
    options = dg.ReexecutionOptions.from_failure(first.run_id, house.instance)
    again = dg.execute_job(job, house.instance, reexecution_options=options)
    assert not again.success, "no release goes out on a flaky cell"
    assert [event.step_key for event in again.get_step_failure_events()] == ["decide_reference"]
    flaky(house, release, again.run_id)


def test_a_step_that_a_retry_policy_begins_again(house: House, once: None) -> None:
    stubborn = dg.define_asset_job(
        "stubborn",
        dg.AssetSelection.all() - dg.AssetSelection.groups("publish"),
        op_retry_policy=dg.RetryPolicy(max_retries=1),
    )
    defs = dg.Definitions.merge(house.defs, dg.Definitions(jobs=[stubborn], executor=house.defs.executor))
    run = defs.resolve_job_def("stubborn").execute_in_process(
        instance=house.instance, run_config=CONFIG, raise_on_error=False
    )
    retried = {event.step_key for event in run.all_events if event.is_step_up_for_retry}
    assert len(retried) == 1
    assert list(failures(run)) == ["decide_reference"], "the step itself came through"
    flaky(house, f"dagster-{run.run_id[:8]}", run.run_id)
