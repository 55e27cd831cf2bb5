"""Ticks: the seeds' cron lines, one run a day, and no evidence for a day nobody observed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.launch import trigger_of
from certification_pipeline.orchestration.names import RELEASE_TAG
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.schedules import schedules
from certification_pipeline.timetable import Timetable
from tests.orchestration.conftest import House, every_family

NAMES = {"daily_connector_certification": "17 2 * * *", "weekly_full_certification": "41 3 * * 2"}
TUESDAY = datetime(2026, 1, 6, 3, 41, tzinfo=UTC)


def tick(
    name: str, at: datetime, late: timedelta = timedelta(0), timetable: Timetable | None = None
) -> dg.RunRequest | str | None:
    """What the schedule asks for at that time: a run, or the reason why none."""
    made = schedules(timetable, now=lambda: (at + late).astimezone(UTC))
    schedule = next(one for one in made if one.name == name)
    answer = schedule.evaluate_tick(dg.build_schedule_context(scheduled_execution_time=at))
    return answer.run_requests[0] if answer.run_requests else answer.skip_message


@pytest.mark.parametrize("name", NAMES)
def test_cron_lines_are_the_seeds_in_utc_and_off_until_switched_on(name: str) -> None:
    schedule = next(one for one in schedules() if one.name == name)
    assert schedule.cron_schedule == NAMES[name]
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED


def test_the_same_tick_twice_is_one_run() -> None:
    first, again = (tick("daily_connector_certification", TUESDAY) for _ in range(2))
    assert isinstance(first, dg.RunRequest)
    assert isinstance(again, dg.RunRequest)
    assert first.run_key == again.run_key == "daily-2026-01-06"
    assert first.tags[RELEASE_TAG] == "daily-2026-01-06"
    tomorrow = tick("daily_connector_certification", TUESDAY + timedelta(days=1))
    assert isinstance(tomorrow, dg.RunRequest)
    assert tomorrow.run_key != first.run_key


def test_each_week_has_rows_of_its_own_also_where_iso_years_meet() -> None:
    requests = [tick("weekly_full_certification", TUESDAY + timedelta(weeks=w)) for w in (-2, -1, 0, 51)]
    seeds = [r.run_config["ops"]["plan"]["config"]["seed"] for r in requests if isinstance(r, dg.RunRequest)]
    assert seeds == [202552, 202601, 202602, 202653]


def test_the_daily_release_is_sealed_for_what_its_run_makes() -> None:
    """Sealed for more, it would miss the rest every day; the weekly one is sealed for everything."""
    for name, families in {
        "daily_connector_certification": ["connector_live"],
        "weekly_full_certification": [],
    }.items():
        request = tick(name, TUESDAY)
        assert isinstance(request, dg.RunRequest)
        assert request.run_config["ops"]["plan"]["config"]["families"] == families


@pytest.mark.parametrize("name", NAMES)
def test_late_on_its_day_runs_and_a_day_later_stays_a_gap(name: str) -> None:
    assert isinstance(tick(name, TUESDAY, late=timedelta(hours=9)), dg.RunRequest)
    skipped = tick(name, TUESDAY, late=timedelta(hours=21))
    assert isinstance(skipped, str)
    assert "2026-01-06" in skipped


@pytest.mark.parametrize(
    ("name", "job"),
    [
        ("daily_connector_certification", "connector_certification"),
        ("weekly_full_certification", "full_certification"),
    ],
)
def test_run_config_fits_the_job(house: House, name: str, job: str) -> None:
    request = tick(name, TUESDAY)
    assert isinstance(request, dg.RunRequest)
    assert dg.validate_run_config(house.defs.resolve_job_def(job), request.run_config)
    with pytest.raises(dg.DagsterInvalidConfigError):
        dg.validate_run_config(house.defs.resolve_job_def(job), {"ops": {"plan": {"config": {"seeds": 1}}}})


def test_the_daily_run_takes_matrix_and_connectors_and_publishes_nothing() -> None:
    defs = build_defs(CertificationResource(), every_family())
    daily = selected(defs, "connector_certification")
    made = {key for key in daily if key.startswith("evidence/reference/")}
    assert made == {"evidence/reference/certification_report", "evidence/reference/connector_live_tests"}
    assert "matrix/reference/postgres/duckdb" in daily
    assert "verdict/reference/release_summary" in daily
    assert not any(key.startswith("publish/") for key in daily)
    # The bench's own asset: releases rest on it, and no release runs it; and new versions of engines.
    assert selected(defs, "full_certification") | {"evidence/calibration", "upgrades/dlt"} == {
        key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()
    }
    assert selected(defs, "calibration") == {"evidence/calibration"}


def test_deciding_again_makes_only_what_follows_from_the_cells() -> None:
    again = selected(build_defs(CertificationResource(), every_family()), "verdict")
    assert {key for key in again if key.startswith("evidence/reference/")} == {
        "evidence/reference/certification_report",
        "evidence/reference/openlineage_export",
    }
    assert not any(key.startswith(("matrix/", "plan", "publish/")) for key in again)


def selected(defs: dg.Definitions, job: str) -> set[str]:
    keys = defs.resolve_job_def(job).asset_layer.executable_asset_keys
    return {key.to_user_string() for key in keys}


@pytest.mark.parametrize(
    ("tags", "parent", "trigger"),
    [
        ({"dagster/schedule_name": "daily_connector_certification"}, None, Trigger.SCHEDULE),
        ({"dagster/schedule_name": "daily_connector_certification"}, "an-earlier-run", Trigger.MANUAL),
        ({}, None, Trigger.MANUAL),
    ],
)
def test_only_a_run_that_a_schedule_began_counts_for_a_soak(
    tags: dict[str, str], parent: str | None, trigger: Trigger
) -> None:
    run = dg.DagsterRun(job_name="j", tags=tags, parent_run_id=parent, root_run_id=parent)
    assert trigger_of(run) is trigger
