"""A failing load leaves the sink as it was, names its category, and keeps its secrets."""

from __future__ import annotations

import socket
import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error, Load, Result
from certification_pipeline.reference import engine, rounds
from certification_pipeline.reference.engine import run_load
from certification_pipeline.reference.failures import LoadError, classify, redact
from certification_pipeline.reference.retry import ATTEMPTS
from certification_pipeline.reference.sinks.postgres import PostgresSink
from certification_pipeline.reference.sources.capability import Capability
from certification_pipeline.reference.sources.postgres import PostgresSource
from tests.reference.conftest import Databases, Pipeline

CREATE = "CREATE TABLE {t} (id bigint PRIMARY KEY, name text, updated_at timestamptz DEFAULT now())"
ROWS = "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')"


def unreachable(dsn: str) -> Any:
    """Where no connection is ever made."""
    return SimpleNamespace(source=dsn, sink="")


def answer_to(load: Load) -> Result | Error:
    events: list[Any] = []
    run_load(load, events.append)
    last = events[-1]
    assert isinstance(last, Result | Error)
    return last


def failure(load: Load) -> Error:
    last = answer_to(load)
    assert isinstance(last, Error)
    assert last.record is not None
    assert last.record.failure_category is last.category
    assert last.record.loaded_rows == 0
    return last


def with_source(pipeline: Pipeline, **changes: str) -> Load:
    load = pipeline.request(Strategy.FULL_REFRESH)
    return load.model_copy(update={"source": load.source.model_copy(update=changes)})


@pytest.mark.integration
@pytest.mark.parametrize(
    ("strategy", "moment"),
    [
        (Strategy.FULL_REFRESH, "fill_stage"),
        (Strategy.FULL_REFRESH, "commit"),
        (Strategy.INCREMENTAL_MERGE, "write_state"),
        (Strategy.REPLACE, "commit"),
    ],
)
def test_a_failing_load_leaves_the_sink_untouched(
    pipeline: Pipeline, strategy: Strategy, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline.sql(CREATE, ROWS)
    pipeline.load(strategy)
    before = pipeline.rows()
    pipeline.sql("UPDATE {t} SET name = 'changed', updated_at = now()")
    original = engine.open_sink

    def fragile(obj: Any) -> Any:
        sink = original(obj)

        def die(*_: object, **__: object) -> None:
            raise OSError(28, "No space left on device", "somewhere")

        monkeypatch.setattr(sink, moment, die)
        return sink

    monkeypatch.setattr(engine, "open_sink", fragile)
    answer = pipeline.attempt(strategy)
    assert isinstance(answer, Error)
    assert answer.category is FailureCategory.RESOURCE
    monkeypatch.undo()
    assert pipeline.rows() == before
    pipeline.load(strategy)
    assert [row[1] for row in pipeline.rows()] == ["changed", "changed"]


@pytest.mark.integration
def test_a_missing_table(pipeline: Pipeline) -> None:
    error = failure(pipeline.request(Strategy.FULL_REFRESH))
    assert error.category is FailureCategory.NOT_FOUND
    assert pipeline.name in error.message


@pytest.mark.integration
def test_a_wrong_password(to_postgres: Pipeline) -> None:
    parts = urlsplit(to_postgres.databases.source)
    dsn = parts._replace(netloc=f"{parts.username}:wr0ng-c4nary@{parts.hostname}:{parts.port}").geturl()
    error = failure(with_source(to_postgres, dsn=dsn))
    assert error.category is FailureCategory.AUTHENTICATION
    assert "wr0ng" not in error.model_dump_json()


@pytest.mark.integration
def test_a_missing_database(to_postgres: Pipeline) -> None:
    dsn = to_postgres.databases.source.replace("/source", "/nowhere")
    assert failure(with_source(to_postgres, dsn=dsn)).category is FailureCategory.NOT_FOUND


@pytest.mark.integration
def test_nobody_listens(to_postgres: Pipeline) -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        port = held.getsockname()[1]
        error = failure(with_source(to_postgres, dsn=f"postgresql://u:p4ss-canary@127.0.0.1:{port}/x"))
    assert error.category is FailureCategory.CONNECTIVITY
    assert error.retryable
    assert error.record is not None
    assert error.record.retries == ATTEMPTS - 1
    assert "canary" not in error.model_dump_json()


def test_a_malformed_dsn(tmp_path: Path) -> None:
    pipeline = Pipeline(unreachable("not a dsn c4nary=1"), "sqlite", tmp_path)
    assert failure(pipeline.request(Strategy.FULL_REFRESH)).category is FailureCategory.CONFIGURATION


@pytest.mark.parametrize(
    ("strategy", "changes", "field"),
    [
        (Strategy.REPLACE, {"options": {"partition_from": "2024-01-01"}}, "partition_column"),
        (Strategy.BACKFILL, {"options": {"partition_column": "d"}}, "partition_from"),
        (Strategy.REPLACE, {"options": {"partition_column": "d", "partition_to": "soon"}}, "partition_to"),
        (Strategy.INCREMENTAL_MERGE, {"cursor": None}, "cursor"),
        (Strategy.SNAPSHOT_DIFF, {"primary_key": ()}, "primary_key"),
        (Strategy.PARTITION_REPLACE, {}, "partition_column"),
        (Strategy.FULL_REFRESH, {"options": {"batch_rows": 0}}, "batch_rows"),
    ],
)
def test_a_wrong_request_names_its_field(
    tmp_path: Path, strategy: Strategy, changes: dict[str, Any], field: str
) -> None:
    load = Pipeline(unreachable(""), "sqlite", tmp_path).request(strategy)
    wrong = Load.model_validate({**load.model_dump(), **changes})
    error = failure(wrong)
    assert error.category is FailureCategory.CONFIGURATION
    assert field in error.message


@pytest.mark.integration
def test_a_system_the_engine_does_not_know(to_postgres: Pipeline) -> None:
    load = to_postgres.request(Strategy.FULL_REFRESH)
    for side in ("source", "sink"):
        wrong = load.model_copy(update={side: load.source.model_copy(update={"system": "mssql"})})
        assert failure(wrong).category is FailureCategory.UNSUPPORTED


def test_a_source_that_cannot_read_that_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PostgresSource, "capabilities", frozenset({Capability.SNAPSHOT}))
    error = failure(Pipeline(unreachable(""), "sqlite", tmp_path).request(Strategy.CDC))
    assert error.category is FailureCategory.UNSUPPORTED
    assert "no cdc" in error.message


@pytest.mark.integration
def test_a_missing_column(to_postgres: Pipeline) -> None:
    to_postgres.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)")
    error = failure(to_postgres.request(Strategy.INCREMENTAL_MERGE))
    assert error.category is FailureCategory.SCHEMA
    assert "updated_at" in error.message


@pytest.mark.integration
def test_corrupt_state_is_said_and_not_guessed(pipeline: Pipeline) -> None:
    pipeline.sql(CREATE, ROWS)
    pipeline.load(Strategy.INCREMENTAL_MERGE)
    sink = pipeline.sink()
    statement = "UPDATE {} SET record = '{{' WHERE kind = 'cursor'"
    match pipeline.sink_system:
        case "postgres":
            with psycopg.connect(sink.dsn, autocommit=True) as connection:
                connection.execute(statement.format("out._certification_state").encode())
        case "duckdb":
            import duckdb

            with duckdb.connect(sink.dsn) as duck:
                duck.execute(statement.format("out._certification_state"))
        case "sqlite":
            lite = sqlite3.connect(sink.dsn)
            lite.execute(statement.format("_certification_state"))
            lite.commit()
            lite.close()
        case _:
            (pipeline.folder / "lake" / "out" / sink.name / "_state.json").write_text("[")
    error = failure(pipeline.request(Strategy.INCREMENTAL_MERGE))
    assert error.category is FailureCategory.STATE
    assert "afresh" in error.message


@pytest.mark.integration
@pytest.mark.parametrize("sink_system", ["postgres", "sqlite", "parquet"])
def test_two_runs_into_one_target(
    databases: Databases, tmp_path: Path, sink_system: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("certification_pipeline.reference.sinks.sqlite.BUSY_SECONDS", 0.05)
    pipeline = Pipeline(databases, sink_system, tmp_path)
    pipeline.sql(CREATE, ROWS)
    stage, inner = rounds.Attempt.stage, []

    def meanwhile(self: rounds.Attempt, *arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.setattr("certification_pipeline.reference.sinks.sqlite.BUSY_SECONDS", 0.05)
        inner.append(answer_to(pipeline.request(Strategy.FULL_REFRESH)))
        return stage(self, *arguments, **named)

    monkeypatch.setattr(rounds.Attempt, "stage", meanwhile)
    pipeline.load(Strategy.FULL_REFRESH)
    [second] = inner
    assert isinstance(second, Error)
    assert second.category is FailureCategory.CONFLICT


@pytest.mark.integration
def test_a_lost_commit_acknowledgement(to_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sink committed, we never heard. The retry reads from the sink what happened."""
    to_postgres.sql(CREATE, ROWS)
    commit, lost = PostgresSink.commit, []

    def deaf(self: PostgresSink) -> None:
        commit(self)
        if not lost:
            lost.append(True)
            raise psycopg.OperationalError("server closed the connection unexpectedly")

    monkeypatch.setattr(PostgresSink, "commit", deaf)
    record = to_postgres.load(Strategy.INCREMENTAL_APPEND)
    assert record.retries == 1
    assert (record.loaded_rows, record.final_rows) == (0, 2)
    assert to_postgres.rows("id, name") == [(1, "a"), (2, "b")]


def test_what_is_foreseen_and_what_is_not() -> None:
    assert classify(MemoryError()).category is FailureCategory.RESOURCE
    assert classify(OSError(13, "Permission denied", "/x")).category is FailureCategory.AUTHENTICATION
    assert classify(sqlite3.DatabaseError("odd")).category is FailureCategory.SCHEMA
    assert classify(ZeroDivisionError("x")).category is FailureCategory.INTERNAL
    original = LoadError(FailureCategory.DATA, "x")
    assert classify(original) is original


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:s3cret%2Fx@h:1/d",
        "host=h password=s3cret/x user=u",
        "host=h password='s3cret/x' user=u",
    ],
)
def test_redaction(dsn: str) -> None:
    text = redact(f"cannot connect to {dsn} with s3cret/x or s3cret%2Fx", dsn)
    assert "s3cret/x" not in text
    assert "s3cret%2Fx" not in text.replace(dsn, "") or "://" not in dsn


def test_a_secret_in_a_drivers_message_goes_no_further(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dsn = "postgresql://u:c4nary-pw@h/d"

    def talkative(_: Any) -> Any:
        raise psycopg.OperationalError(f"could not parse {dsn}, password c4nary-pw")

    monkeypatch.setattr(engine, "open_sink", talkative)
    error = failure(Pipeline(unreachable(dsn), "sqlite", tmp_path).request(Strategy.FULL_REFRESH))
    assert "c4nary" not in error.model_dump_json()
    captured = capsys.readouterr()
    assert "load failed" in captured.out + captured.err
    assert "c4nary" not in captured.out + captured.err


@pytest.mark.integration
def test_row_level_security_is_an_error_and_no_silent_loss(to_postgres: Pipeline) -> None:
    name = to_postgres.name
    to_postgres.sql(
        CREATE,
        ROWS,
        "ALTER TABLE {t} ENABLE ROW LEVEL SECURITY",
        "CREATE POLICY p ON {t} USING (id = 1)",
        f"CREATE ROLE r_{name} LOGIN PASSWORD 'canary-pw'",
        f"GRANT SELECT ON {{t}} TO r_{name}",
    )
    parts = urlsplit(to_postgres.databases.source)
    dsn = parts._replace(netloc=f"r_{name}:canary-pw@{parts.hostname}:{parts.port}").geturl()
    error = failure(with_source(to_postgres, dsn=dsn))
    assert error.category is FailureCategory.AUTHENTICATION
    to_postgres.sql(f"DROP OWNED BY r_{name}", f"DROP ROLE r_{name}")
