"""The seeds' cron lines (connector-certification.yml, full-certification.yml), in UTC."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import dagster as dg

from certification_pipeline.alerts.timetable import DAILY
from certification_pipeline.orchestration.jobs import (
    CALIBRATION_JOB,
    CONNECTORS,
    DAILY_FAMILIES,
    FULL,
    plan_config,
)
from certification_pipeline.orchestration.names import RELEASE_TAG

WEEKLY = "41 3 * * 2"
NIGHTLY = "47 0 * * *"
CLEAN_RUNS = 50
"""Of the clean engine, every night (DESIGN section 9)."""

Tick = dg.RunRequest | dg.SkipReason


def schedules(now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> list[dg.ScheduleDefinition]:
    """Daily and weekly; stopped until a deployment switches them on.

    Catch-up: after an outage Dagster evaluates the last missed tick, and it runs only on the UTC day it is
    named after. Evidence of a day that nobody observed would be forged, so that day stays a gap.
    """

    @dg.schedule(
        name="daily_connector_certification",
        cron_schedule=DAILY,
        job=CONNECTORS,
        execution_timezone="UTC",
        description="Every day 02:17 UTC: is every connector still what its evidence says? Always seed 1.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> Tick:
        when = context.scheduled_execution_time
        run_config = plan_config(seed=1, families=DAILY_FAMILIES)
        return _on_its_day(when, now(), _request("daily", when.strftime("%Y-%m-%d"), run_config))

    @dg.schedule(
        name="weekly_full_certification",
        cron_schedule=WEEKLY,
        job=FULL,
        execution_timezone="UTC",
        description="Every Tuesday 03:41 UTC: everything on a new seed, and publication when it is green.",
    )
    def weekly(context: dg.ScheduleEvaluationContext) -> Tick:
        when = context.scheduled_execution_time
        # Other rows every week, so that a green does not rest on one lucky table; the seed is in the plan.
        run_config = plan_config(seed=int(when.strftime("%G%V")))
        return _on_its_day(when, now(), _request("weekly", when.strftime("%G-W%V"), run_config))

    return [daily, weekly]


def nightly_calibration() -> dg.ScheduleDefinition:
    """Before the day's first certification, which rests on it."""
    return dg.ScheduleDefinition(
        name="nightly_calibration",
        cron_schedule=NIGHTLY,
        job=CALIBRATION_JOB,
        execution_timezone="UTC",
        run_config={"ops": {"evidence__calibration": {"config": {"clean": CLEAN_RUNS}}}},
        description="Every night 00:47 UTC: every planted defect, and the clean engine fifty times.",
    )


def _on_its_day(scheduled: datetime, now: datetime, request: dg.RunRequest) -> Tick:
    day = scheduled.astimezone(UTC).date()
    if now.astimezone(UTC).date() == day:
        return request
    return dg.SkipReason(f"Missed on {day}, and not made up for: that day was not observed and stays a gap.")


def _request(kind: str, when: str, run_config: Mapping[str, object]) -> dg.RunRequest:
    return dg.RunRequest(
        # A tick that is evaluated twice starts one run.
        run_key=f"{kind}-{when}",
        tags={RELEASE_TAG: f"{kind}-{when}"},
        run_config=run_config,
    )
