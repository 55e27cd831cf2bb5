"""The timetable as Dagster schedules: by default the seeds' cron lines, in UTC."""

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime

import dagster as dg

from certification_pipeline.orchestration.jobs import (
    CALIBRATION_JOB,
    CONNECTORS,
    DAILY_FAMILIES,
    FULL,
    plan_config,
)
from certification_pipeline.orchestration.names import CALIBRATION, RELEASE_TAG
from certification_pipeline.orchestration.step import op_of
from certification_pipeline.timetable import Timetable

CLEAN_RUNS = 50
"""Of the clean engine, every night (DESIGN section 9)."""

Tick = dg.RunRequest | dg.SkipReason


def schedules(
    timetable: Timetable | None = None, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> list[dg.ScheduleDefinition]:
    """Daily and weekly; stopped until a deployment switches them on.

    Catch-up: after an outage, however long, Dagster evaluates the last missed tick alone, and it runs only on
    the day (of the timetable's zone) it is named after. Evidence of a day that nobody observed would be
    forged, so that day stays a gap. On the night a clock is changed there is one tick, as on any other.
    """
    times = timetable or Timetable()

    @dg.schedule(
        name="daily_connector_certification",
        cron_schedule=str(times.daily),
        job=CONNECTORS,
        execution_timezone=times.timezone,
        description=f"{times.daily.words} {times.timezone}: is every connector still what its evidence says? "
        "Always seed 1.",
    )
    def daily(context: dg.ScheduleEvaluationContext) -> Tick:
        day = times.day(context.scheduled_execution_time)
        run_config = plan_config(seed=1, families=DAILY_FAMILIES)
        return _on_its_day(day, times.day(now()), _request("daily", f"{day:%Y-%m-%d}", run_config))

    @dg.schedule(
        name="weekly_full_certification",
        cron_schedule=str(times.weekly),
        job=FULL,
        execution_timezone=times.timezone,
        description=f"{times.weekly.words} {times.timezone}: everything on a new seed, and publication when "
        "it is green.",
    )
    def weekly(context: dg.ScheduleEvaluationContext) -> Tick:
        day = times.day(context.scheduled_execution_time)
        # Other rows every week, so that a green does not rest on one lucky table; the seed is in the plan.
        run_config = plan_config(seed=int(f"{day:%G%V}"))
        return _on_its_day(day, times.day(now()), _request("weekly", f"{day:%G-W%V}", run_config))

    return [daily, weekly]


def nightly_calibration(timetable: Timetable | None = None) -> dg.ScheduleDefinition:
    """Before the day's first certification, which rests on it."""
    times = timetable or Timetable()
    return dg.ScheduleDefinition(
        name="nightly_calibration",
        cron_schedule=str(times.nightly),
        job=CALIBRATION_JOB,
        execution_timezone=times.timezone,
        run_config={"ops": {op_of(CALIBRATION): {"config": {"clean": CLEAN_RUNS}}}},
        description=f"{times.nightly.words} {times.timezone}: every planted defect, and the clean engine "
        "fifty times.",
    )


def _on_its_day(day: date, today: date, request: dg.RunRequest) -> Tick:
    if today == day:
        return request
    return dg.SkipReason(f"Missed on {day}, and not made up for: that day was not observed and stays a gap.")


def _request(kind: str, when: str, run_config: Mapping[str, object]) -> dg.RunRequest:
    return dg.RunRequest(
        # A tick that is evaluated twice starts one run.
        run_key=f"{kind}-{when}",
        tags={RELEASE_TAG: f"{kind}-{when}"},
        run_config=run_config,
    )
