"""What Dagster remembers is bounded; what a person looks at, and all evidence, stays."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
from dagster._core.storage.event_log import SqlEventLogStorage
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunsTable

from certification_pipeline.orchestration.history import daily_pruning, prune_history
from certification_pipeline.orchestration.pruning import prune

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=100)
WATCHED = dg.AssetKey("watched")
CHECK = dg.AssetCheckKey(WATCHED, "green")


@dg.asset(key=WATCHED, check_specs=[dg.AssetCheckSpec("green", asset=WATCHED)])
def watched() -> dg.MaterializeResult:
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True)])


@dg.asset
def seldom() -> None:
    """Made once, long ago."""


@dg.op
def breaks() -> None:
    raise ValueError("on purpose")


@dg.job
def broken() -> None:
    breaks()


DEFS = dg.Definitions([watched, seldom], jobs=[broken, prune_history], executor=dg.in_process_executor)


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    (tmp_path / "dagster.yaml").write_text(
        "storage: {custom: {module: certification_pipeline.orchestration.local_history, class: LocalHistory, "
        f"config: {{base_dir: {tmp_path / 'storage'}}}}}}}\ntelemetry: {{enabled: false}}\n"
    )
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


def run(instance: dg.DagsterInstance, *keys: dg.AssetKey, aged: bool = True) -> str:
    """A run that has ended; long ago when ``aged``."""
    job = DEFS.resolve_implicit_global_asset_job_def() if keys else DEFS.resolve_job_def("broken")
    done = job.execute_in_process(instance=instance, asset_selection=list(keys) or None, raise_on_error=False)
    if aged:
        age(instance, done.run_id)
    return done.run_id


def age(instance: dg.DagsterInstance, run_id: str) -> None:
    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    long_ago = {"create_timestamp": LONG_AGO.replace(tzinfo=None), "end_time": LONG_AGO.timestamp()}
    with storage.connect() as connection:
        connection.execute(RunsTable.update().where(RunsTable.c.run_id == run_id).values(**long_ago))


def there(instance: dg.DagsterInstance) -> set[str]:
    return set(instance.get_run_ids())


def prune_old(instance: dg.DagsterInstance) -> tuple[str, ...]:
    return prune(instance, NOW - timedelta(days=90))


def test_runs_that_ended_long_ago_go_with_all_they_wrote(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    old, older = run(instance, WATCHED), run(instance)
    newest = run(instance, WATCHED, aged=False)
    written = {path.name for path in tmp_path.rglob("*") if old in str(path)}
    assert f"{old}.db" in written
    assert len(rows(instance, old)) == 1
    assert set(prune_old(instance)) == {old, older}
    assert there(instance) == {newest}
    assert not [path for path in tmp_path.rglob("*") if old in str(path)]
    assert rows(instance, old) == []


def rows(instance: dg.DagsterInstance, run_id: str) -> list[object]:
    """What is written of the checks of that run."""
    storage = instance.event_log_storage
    assert isinstance(storage, SqlEventLogStorage)
    with storage.index_connection() as connection:
        found = connection.execute(
            sa.text("select id from asset_check_executions where run_id = :run"), {"run": run_id}
        )
        return list(found)


def test_the_last_run_of_each_asset_and_check_stays_however_old(instance: dg.DagsterInstance) -> None:
    """Else the graph would show that nothing was ever made."""
    first, last = run(instance, WATCHED), run(instance, WATCHED)
    once = run(instance, dg.AssetKey("seldom"))
    assert prune_old(instance) == (first,)
    assert there(instance) == {last, once}
    assert instance.get_latest_materialization_event(dg.AssetKey("seldom")) is not None
    summary = instance.event_log_storage.get_asset_check_summary_records([CHECK])[CHECK]
    assert summary.last_run_id == last


@pytest.mark.nightly
def test_a_run_that_is_not_over_stays_and_one_that_took_long_counts_from_its_end(
    instance: dg.DagsterInstance,
) -> None:
    job = DEFS.resolve_job_def("broken")
    going_on = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED).run_id
    age(instance, going_on)
    long = run(instance)
    storage = instance.run_storage
    assert isinstance(storage, SqlRunStorage)
    with storage.connect() as connection:
        connection.execute(
            RunsTable.update().where(RunsTable.c.run_id == long).values(end_time=NOW.timestamp())
        )
    assert prune_old(instance) == ()
    assert there(instance) == {going_on, long}


@pytest.mark.nightly
def test_more_runs_than_a_page_holds(instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("certification_pipeline.orchestration.pruning._AT_ONCE", 2)
    job = DEFS.resolve_job_def("broken")
    old = [instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE).run_id for _ in range(5)]
    for run_id in old:
        age(instance, run_id)
    assert prune_old(instance) == tuple(old), "oldest first"


@pytest.mark.nightly
def test_the_job_says_how_many_and_keeps_what_is_younger(instance: dg.DagsterInstance) -> None:
    old, young = run(instance), run(instance, aged=False)
    done = DEFS.resolve_job_def("prune_history").execute_in_process(
        instance=instance, run_config={"ops": {"prune_runs": {"config": {"older_than_days": 99}}}}
    )
    assert done.success
    assert there(instance) == {young, done.run_id}
    assert old not in there(instance)
    assert any("1 runs that ended before" in (e.user_message or "") for e in instance.all_logs(done.run_id))


def test_it_is_on_from_the_start() -> None:
    schedule = daily_pruning()
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    assert schedule.cron_schedule == "23 5 * * *"
    assert schedule.execution_timezone == "UTC"
