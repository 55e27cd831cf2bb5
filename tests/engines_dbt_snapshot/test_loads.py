"""A history with the real dbt, in the two schemas that a route of one database gets."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from certification_pipeline.harness.engines.protocol import Described, Error, Result, parse_event
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.redaction import Redactor

pytestmark = [pytest.mark.integration, pytest.mark.nightly]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresCluster]:
    cluster = PostgresWheelProvider(redactor=Redactor(), guardian=Guardian()).start("engines-dbt")
    yield cluster
    cluster.stop()


def talk(engine: str, *requests: dict[str, Any]) -> list[Any]:
    try:
        prepared = prepare(engine, load_catalog().engines[engine].driver)
    except EngineUnavailable as error:
        pytest.skip(f"dbt's environment cannot be made here: {error}")
    done = subprocess.run(
        prepared.command,
        input="".join(json.dumps(one) + "\n" for one in (*requests, {"type": "stop"})).encode(),
        env=dict(prepared.env),
        capture_output=True,
        timeout=180,
        check=True,
    )
    return [parse_event(line) for line in done.stdout.splitlines()]


def request(dsn: str, folder: Path, sink_dsn: str | None = None, table: str = "t") -> dict[str, Any]:
    return {
        "type": "load",
        "run_id": "r",
        "source": {"system": "postgres", "dsn": dsn, "namespace": "s", "name": table},
        "sink": {"system": "postgres", "dsn": sink_dsn or dsn, "namespace": "s_sink", "name": "t"},
        "columns": [],
        "primary_key": ["id"],
        "cursor": "updated_at",
        "strategy": "scd2",
        "options": {},
        "state_dir": str(folder),
    }


def test_a_changed_and_a_deleted_row_get_their_history(postgres: PostgresCluster, tmp_path: Path) -> None:
    dsn = postgres.source().dsn
    asked = request(dsn, tmp_path)
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("CREATE SCHEMA s")
        db.execute("CREATE TABLE s.t (id int PRIMARY KEY, updated_at timestamptz, v text)")
        db.execute("INSERT INTO s.t VALUES (1, '2024-06-01', 'a'), (2, '2024-06-01', 'a')")
        described, *_, first = talk("dbt_snapshot_check", {"type": "describe", "protocol": "1"}, asked)
        db.execute("UPDATE s.t SET v = 'b' WHERE id = 1")
        db.execute("DELETE FROM s.t WHERE id = 2")
        second = talk("dbt_snapshot_check", asked)[-1]
        idle = talk("dbt_snapshot_check", asked)[-1]
        rows = db.execute("SELECT id, v, dbt_valid_to IS NULL FROM s_sink.t ORDER BY id, v").fetchall()
    assert isinstance(described, Described)
    assert (described.engine, described.version) == ("dbt_snapshot_check", "1.11.16")
    assert all(isinstance(end, Result) for end in (first, second, idle)), (first, second, idle)
    assert [end.record.inserted_rows for end in (first, second, idle)] == [2, 1, 0]
    assert rows == [(1, "a", False), (1, "b", True), (2, "a", False)]


def test_failures_have_a_cause_and_no_password(postgres: PostgresCluster, tmp_path: Path) -> None:
    dsn = postgres.source().dsn
    wrong = dsn.replace(":" + dsn.split(":")[2].split("@")[0], ":wrong-on-purpose")
    events = talk(
        "dbt_snapshot",
        request(dsn, tmp_path, table="no_such_table"),
        request(wrong, tmp_path),
        request(dsn, tmp_path, sink_dsn=postgres.sink().dsn),
    )
    told = [event for event in events if isinstance(event, Error)]
    assert [error.category for error in told] == ["not_found", "authentication", "unsupported"]
    assert all("wrong-on-purpose" not in error.message for error in told)
