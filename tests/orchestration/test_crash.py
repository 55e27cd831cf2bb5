"""A run that breaks off: the sensor starts the verdict, and what is missing is in it."""

from __future__ import annotations

import dagster as dg
import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.orchestration.names import (
    RELEASE_TAG,
    report_key,
    route_key,
    suite_key,
    summary_key,
)
from tests.orchestration.conftest import SIZE, House, failures

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
    assert set(request.asset_selection or ()) == {
        report_key("reference"),
        suite_key("reference"),
        summary_key("reference"),
    }
    verdict = house.job("verdict", request.tags[RELEASE_TAG])
    assert not verdict.success
    directory = house.directory("crashed")
    summary = directory.read(directory.summary_path, ReleaseSummary)
    assert summary.outcome is Outcome.FAILED
    assert any("missing" in b.code or "not_passed" in b.code for b in summary.blockers)
    # Nothing is left to decide, and the verdict job's own failure starts nothing.
    assert isinstance(ask(house, crashed), dg.SkipReason)
    assert isinstance(ask(house, verdict), dg.SkipReason)


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
