"""A run that breaks off: the sensor starts the verdict, and what is missing is in it."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg
import pytest

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.exclusive import writing
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.harness.workshop import MissingEngine
from certification_pipeline.orchestration.names import (
    PLAN,
    RELEASE_TAG,
    decided_keys,
    family_key,
    report_key,
    route_key,
    suite_key,
    summary_key,
)
from tests.orchestration.conftest import SIZE, House, failures, with_benchmark

pytestmark = pytest.mark.integration


def ask(house: House, result: dg.ExecuteInProcessResult) -> dg.RunRequest | dg.SkipReason:
    """What the sensor answers when it learns of that failed run."""
    sensor = house.defs.resolve_sensor_def("decide_after_a_crash")
    event = next(e for e in result.all_events if e.event_type == dg.DagsterEventType.RUN_FAILURE)
    context = dg.build_run_status_sensor_context(
        sensor_name=sensor.name,
        dagster_instance=house.instance,
        dagster_run=house.instance.get_run_by_id(result.run_id),
        dagster_event=event,
        resources={"certification": house.resource},
    ).for_run_failure()
    answer = sensor(context)
    assert isinstance(answer, dg.RunRequest | dg.SkipReason)
    return answer


@pytest.fixture(scope="module")
def crashed(house: House) -> dg.ExecuteInProcessResult:
    """Nothing can be written where the cells belong: infrastructure, not a red verdict."""
    directory = house.directory("crashed").path
    directory.mkdir(parents=True)
    (directory / "cells").write_text("in the way")
    result = house.job("full_certification", "crashed", SIZE)
    (directory / "cells").unlink()
    return result


def test_a_crash_is_told_plainly(crashed: dg.ExecuteInProcessResult) -> None:
    assert not crashed.success
    (message,) = failures(crashed).values()
    assert "cells" in message
    assert "cannot write it" in message
    assert "Traceback" not in message


def test_a_crash_starts_the_verdict_of_its_release_which_says_what_is_missing(
    house: House, crashed: dg.ExecuteInProcessResult
) -> None:
    request = ask(house, crashed)
    assert isinstance(request, dg.RunRequest)
    assert request.tags[RELEASE_TAG] == "crashed"
    assert crashed.run_id in (request.run_key or "")
    assert set(request.asset_selection or ()) == set(decided_keys("reference"))
    verdict = house.job("verdict", request.tags[RELEASE_TAG])
    assert not verdict.success
    directory = house.directory("crashed")
    summary = directory.read(directory.summary_path, ReleaseSummary)
    assert summary.outcome is Outcome.FAILED
    assert any("missing" in b.code or "not_passed" in b.code for b in summary.blockers)
    # Nothing is left to decide, and the verdict job's own failure starts nothing.
    assert isinstance(ask(house, crashed), dg.SkipReason)
    assert isinstance(ask(house, verdict), dg.SkipReason)


def broken_off(house: House, release: str, seed: int) -> dg.ExecuteInProcessResult:
    """A run that has sealed its plan and did not come to its first cell."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("certification_pipeline.orchestration.late.reopen_release", broken)
        return house.job("connector_certification", release, {**SIZE, "seed": seed})


def test_a_run_that_sealed_the_same_plan_again_is_decided_too(house: House) -> None:
    """The plan's file names the run that sealed it first; it is of both."""
    runs = [broken_off(house, "again", 7), broken_off(house, "again", 7)]
    directory = house.directory("again")
    assert directory.read(directory.plan_path, CertificationPlan).run_id == runs[0].run_id
    for run in runs:
        answer = ask(house, run)
        assert isinstance(answer, dg.RunRequest), answer.skip_message


@pytest.mark.nightly
def test_a_run_whose_plan_another_one_has_replaced_since_leaves_that_one_its_verdict(house: House) -> None:
    first, again, since = (broken_off(house, "replaced", seed) for seed in (7, 7, 9))
    answers = [type(ask(house, run)) for run in (first, again, since)]
    assert answers == [dg.SkipReason, dg.SkipReason, dg.RunRequest]


def test_a_run_that_another_one_kept_out_leaves_that_one_its_verdict(
    house: House, crashed: dg.ExecuteInProcessResult
) -> None:
    """Its release has a plan and no verdict yet, but the plan is not its own."""
    house.only(PLAN, release="taken")
    with writing(house.store.release_path("taken")):
        refused = house.job("full_certification", "taken", SIZE)
    assert "another run is writing release taken" in failures(refused)["plan"]
    answer = ask(house, refused)
    assert isinstance(answer, dg.SkipReason)
    assert "sealed no plan" in (answer.skip_message or "")


def test_a_run_that_was_stopped_is_decided_too_but_a_stopped_verdict_is_not_begun_again(
    house: House, crashed: dg.ExecuteInProcessResult
) -> None:
    def stopped(job: str) -> dg.RunRequest | dg.SkipReason:
        sensor = house.defs.resolve_sensor_def("decide_after_a_stop")
        planned = house.instance.get_run_by_id(crashed.run_id)
        assert planned is not None
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_instance=house.instance,
            dagster_run=planned.with_status(dg.DagsterRunStatus.CANCELED)._replace(job_name=job),
            dagster_event=crashed.all_events[-1],
            resources={"certification": house.resource},
        )
        answer = sensor(context)
        assert isinstance(answer, dg.RunRequest | dg.SkipReason)
        return answer

    directory = house.directory("crashed")
    directory.summary_path.unlink(missing_ok=True)
    request = stopped("full_certification")
    assert isinstance(request, dg.RunRequest)
    assert request.tags[RELEASE_TAG] == "crashed"
    assert isinstance(stopped("verdict"), dg.SkipReason)


def test_a_run_that_is_red_has_decided_already(house: House, red: dg.ExecuteInProcessResult) -> None:
    answer = ask(house, red)
    assert isinstance(answer, dg.SkipReason)
    assert "has decided" in (answer.skip_message or "")


def test_a_run_that_sealed_no_plan_has_nothing_to_decide(house: House) -> None:
    result = house.job("connector_certification", "never-planned", {"rows": 120, "seed": -1})
    assert not result.success
    answer = ask(house, result)
    assert isinstance(answer, dg.SkipReason)
    assert "sealed no plan" in (answer.skip_message or "")


def test_a_failed_rerun_of_one_route_was_not_to_decide(house: House, red: dg.ExecuteInProcessResult) -> None:
    """The engine is another one now, so the rerun is refused; that asks for no new verdict."""
    assert not red.success
    result = house.only(route_key("reference", "postgres", "sqlite"), release="red")
    assert not result.success
    assert isinstance(ask(house, result), dg.SkipReason)


# --- a family that breaks -------------------------------------------------------------------------------

BENCHMARK = family_key("reference", Family.BENCHMARK)


def broken(*_: object, **__: object) -> BenchmarkBaseline:
    raise ZeroDivisionError("on purpose")


@pytest.fixture(scope="module")
def without_benchmark(house: House) -> Iterator[dg.ExecuteInProcessResult]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("certification_pipeline.pipeline.families.PRODUCERS", with_benchmark(broken))
        yield house.job("full_certification", "without-benchmark", SIZE)


@pytest.mark.nightly
def test_a_family_that_breaks_is_seen_and_not_taken_for_red(
    without_benchmark: dg.ExecuteInProcessResult,
) -> None:
    (step, message), *others = failures(without_benchmark).items()
    assert step == BENCHMARK.to_python_identifier()
    assert "ZeroDivisionError: on purpose" in message
    assert "harness.log" in message
    assert not others
    made = {e.asset_key for e in without_benchmark.get_asset_materialization_events()}
    assert report_key("reference") in made, "what does not rest on it goes on"
    assert BENCHMARK not in made
    assert not made & {suite_key("reference"), summary_key("reference")}


@pytest.mark.nightly
def test_the_verdict_that_follows_says_what_is_missing(
    house: House, without_benchmark: dg.ExecuteInProcessResult
) -> None:
    request = ask(house, without_benchmark)
    assert isinstance(request, dg.RunRequest)
    assert BENCHMARK not in (request.asset_selection or ())
    result = house.only(*request.asset_selection or (), release=request.tags[RELEASE_TAG])
    assert list(failures(result)) == ["decide_reference"]
    directory = house.directory("without-benchmark")
    suite = directory.read(directory.suite_path, CertificationSuite)
    assert "benchmark_baseline.missing" in {blocker.code for blocker in suite.blockers}
    assert isinstance(ask(house, without_benchmark), dg.SkipReason)


def test_what_was_made_before_is_not_shown_as_made_now(
    house: House, green: dg.ExecuteInProcessResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert green.success
    before = (house.directory("green").path / "benchmark_baseline.json").read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("certification_pipeline.pipeline.families.PRODUCERS", with_benchmark(broken))
        result = house.only(BENCHMARK, release="green")
    assert "Nothing was made" in next(iter(failures(result).values()))
    assert not result.get_asset_materialization_events()
    assert (house.directory("green").path / "benchmark_baseline.json").read_bytes() == before


def test_an_engine_that_cannot_start_says_how_to_get_it(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    missing = MissingEngine("it has no interpreter", "Install one")
    monkeypatch.setattr(
        "certification_pipeline.pipeline.releases.ready_engines",
        lambda catalog, names, tell: {"reference": missing},
    )
    result = house.job("full_certification", "no-engine", SIZE)
    message = failures(result)[BENCHMARK.to_python_identifier()]
    assert message == "it has no interpreter. Install one"


def test_a_decision_that_breaks_is_tried_once_more_and_not_for_ever(house: House) -> None:
    """Begun by hand, `verdict` also makes what follows from the cells, which may break before the gates."""
    directory = house.directory("undecidable").path
    house.only(PLAN, release="undecidable")
    (directory / "certification_report.json").mkdir()
    again = ask(house, house.job("verdict", "undecidable"))
    assert isinstance(again, dg.RunRequest)
    gates = house.defs.resolve_job_def("verdict").execute_in_process(
        instance=house.instance,
        tags=again.tags,
        asset_selection=again.asset_selection,
        raise_on_error=False,
    )
    assert not gates.success
    assert isinstance(ask(house, gates), dg.SkipReason)
