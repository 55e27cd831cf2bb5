"""Dagster's own history, kept bounded: it grows with every run, and Dagster never prunes it.

Evidence is files and is not touched here; no verdict rests on anything that is removed.
"""

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage
from pydantic import Field

DAILY = "23 5 * * *"
"""After the certifications of the day."""
_AT_ONCE = 200


class Retention(dg.Config):
    """How long Dagster remembers; schedules' and sensors' ticks have their own in ``dagster.yaml``."""

    older_than_days: int = Field(90, ge=1, description="runs that ended longer ago are removed")


@dg.op(description="Removes runs that ended long ago, with their events and logs. Evidence is not touched.")
def prune_runs(context: dg.OpExecutionContext, config: Retention) -> None:
    """The job's one step."""
    before = datetime.now(UTC) - timedelta(days=config.older_than_days)
    removed = prune(context.instance, before)
    context.log.info(f"{len(removed)} runs that ended before {before:%Y-%m-%d %H:%M} UTC are removed")


@dg.job(
    name="prune_history",
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


def prune(instance: dg.DagsterInstance, before: datetime) -> tuple[str, ...]:
    """Remove the runs that ended before then, oldest first; the ids of those removed.

    Kept is what is not over, and the last run of every asset and check: without it the graph would show that
    nothing was ever made.
    """
    kept = _last_of_each(instance)
    removed = []
    # Begun later, ended later. All ids first: a run that is removed is no cursor to go on from.
    for run_id in _begun_before(instance, before):
        record = instance.get_run_record_by_id(run_id)
        if record and run_id not in kept and (record.end_time or 0) < before.timestamp():
            _remove(instance, run_id)
            removed.append(run_id)
    return tuple(removed)


def _begun_before(instance: dg.DagsterInstance, before: datetime) -> list[str]:
    asked = dg.RunsFilter(statuses=list(FINISHED_STATUSES), created_before=before)
    found: list[str] = []
    while page := instance.get_run_ids(asked, cursor=found[-1] if found else None, limit=_AT_ONCE):
        found += page
    return found[::-1]


def _last_of_each(instance: dg.DagsterInstance) -> set[str]:
    kept: set[str] = set()
    for record in instance.get_asset_records(instance.all_asset_keys()):
        entry = record.asset_entry
        kept |= {entry.last_run_id} if entry.last_run_id else set()
        kept |= {entry.last_materialization.run_id} if entry.last_materialization else set()
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        rows = AssetCheckExecutionsTable.c
        newest = sa.select(sa.func.max(rows.id)).group_by(rows.asset_key, rows.check_name)
        with storage.index_connection() as connection:
            kept |= set(connection.scalars(sa.select(rows.run_id).where(rows.id.in_(newest))))
    return kept


def _remove(instance: dg.DagsterInstance, run_id: str) -> None:
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    if isinstance(storage, SqlEventLogStorage):
        # Dagster leaves them; with their tables of cells they are most of what a run writes.
        rows = AssetCheckExecutionsTable
        with storage.index_connection() as connection:
            connection.execute(rows.delete().where(rows.c.run_id == run_id))
    instance.delete_run(run_id)
    if isinstance(storage, SqliteEventLogStorage):
        shard = Path(storage.path_for_shard(run_id))
        for path in (shard, shard.with_name(f"{shard.name}-wal"), shard.with_name(f"{shard.name}-shm")):
            with suppress(OSError):
                path.unlink()
