"""What of Dagster's storage goes with a run that ended long ago, and what stays."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from pathlib import Path

import dagster as dg
import sqlalchemy as sa
from dagster._core.storage.dagster_run import FINISHED_STATUSES
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.event_log.schema import AssetCheckExecutionsTable
from dagster._core.storage.event_log.sqlite import SqliteEventLogStorage

_AT_ONCE = 200


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
