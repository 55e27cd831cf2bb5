"""Dagster's own history, kept bounded: it grows with every run, and Dagster never prunes it.

Evidence is files and is not touched here; no verdict rests on anything that is removed.
"""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field

from certification_pipeline.orchestration import late

DAILY = "23 5 * * *"
"""After the certifications of the day."""


class Retention(dg.Config):
    """How long Dagster remembers; schedules' and sensors' ticks have their own in ``dagster.yaml``."""

    older_than_days: int = Field(90, ge=1, description="runs that ended longer ago are removed")


@dg.op(description="Removes runs that ended long ago, with their events and logs. Evidence is not touched.")
def prune_runs(context: dg.OpExecutionContext, config: Retention) -> None:
    """The job's one step."""
    before = datetime.now(UTC) - timedelta(days=config.older_than_days)
    removed = late.prune(context.instance, before)
    context.log.info(f"{len(removed)} runs that ended before {before:%Y-%m-%d %H:%M} UTC are removed")


@dg.job(
    name="prune_history",
    executor_def=dg.in_process_executor,
    description="Keeps Dagster's history bounded: removes runs that ended long ago. Evidence is not touched.",
)
def prune_history() -> None:
    """Maintenance of the installation; certifies nothing."""
    prune_runs()


def daily_pruning() -> dg.ScheduleDefinition:
    """On from the start: a disk that is full of history holds up every certification."""
    return dg.ScheduleDefinition(
        name="daily_pruning",
        cron_schedule=DAILY,
        job=prune_history,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Every day 05:23 UTC: removes runs that ended more than 90 days ago.",
    )
