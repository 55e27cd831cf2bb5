"""The log as a source: consistent start, exactly once, positions that belong to one pipeline."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error, Result, RunRecord
from certification_pipeline.reference import log_rounds
from certification_pipeline.reference.engine import forget
from certification_pipeline.reference.sources.log import LogReader
from certification_pipeline.reference.sources.postgres import PostgresSource
from tests.reference.conftest import Pipeline

pytestmark = pytest.mark.integration

CREATE = "CREATE TABLE {t} (id bigint PRIMARY KEY, name text, big text, updated_at timestamptz)"


def created(pipeline: Pipeline, *more: str) -> Pipeline:
    pipeline.sql(CREATE, "ALTER TABLE {t} ALTER big SET STORAGE EXTERNAL", *more)
    return pipeline


def names(pipeline: Pipeline) -> dict[int, Any]:
    return dict(pipeline.rows("id, name"))


def net(record: RunRecord) -> tuple[int | None, ...]:
    return record.extracted_rows, record.inserted_rows, record.updated_rows, record.deleted_rows


def slots(pipeline: Pipeline) -> list[str]:
    with psycopg.connect(pipeline.databases.source) as connection:
        query = "SELECT slot_name FROM pg_replication_slots UNION ALL SELECT pubname FROM pg_publication"
        return sorted(str(row[0]) for row in connection.execute(query))


@contextmanager
def open_transaction(pipeline: Pipeline, *statements: str) -> Iterator[psycopg.Connection[Any]]:
    with psycopg.connect(pipeline.databases.source) as connection:
        for statement in statements:
            connection.execute(statement.replace("{t}", f'"{pipeline.name}"').encode())
        yield connection


def test_values_the_log_leaves_out(pipeline: Pipeline) -> None:
    """Unchanged TOAST: kept through updates, key changes, several updates, changes of the value itself."""
    big = {n: f"{n}" * 4000 for n in range(1, 8)}
    created(pipeline, *(f"INSERT INTO {{t}} VALUES ({n}, 'n', '{v}')" for n, v in big.items()))
    pipeline.load(Strategy.CDC)
    pipeline.sql(
        "UPDATE {t} SET name = 'x' WHERE id = 1",
        "UPDATE {t} SET id = 20 WHERE id = 2",
        "UPDATE {t} SET id = 30 WHERE id = 3",
        "UPDATE {t} SET id = 31 WHERE id = 30",
        "UPDATE {t} SET name = 'y' WHERE id = 31",
        # Two keys change places.
        "UPDATE {t} SET id = 99 WHERE id = 4",
        "UPDATE {t} SET id = 4 WHERE id = 5",
        "UPDATE {t} SET id = 5 WHERE id = 99",
        f"UPDATE {{t}} SET big = '{'z' * 4000}' WHERE id = 6",
        "UPDATE {t} SET name = 'w' WHERE id = 6",
        "UPDATE {t} SET big = NULL WHERE id = 7",
    )
    pipeline.load(Strategy.CDC)
    expected = {1: big[1], 20: big[2], 31: big[3], 5: big[4], 4: big[5], 6: "z" * 4000, 7: None}
    assert dict(pipeline.rows("id, big")) == expected
    assert net(pipeline.load(Strategy.CDC)) == (0, 0, 0, 0)


def test_replica_identity_full(to_postgres: Pipeline) -> None:
    created(to_postgres, "ALTER TABLE {t} REPLICA IDENTITY FULL")
    to_postgres.sql(f"INSERT INTO {{t}} VALUES (1, 'a', '{'q' * 4000}')")
    to_postgres.load(Strategy.CDC)
    to_postgres.sql("UPDATE {t} SET id = 2", "INSERT INTO {t} VALUES (3)", "DELETE FROM {t} WHERE id = 3")
    to_postgres.load(Strategy.CDC)
    assert to_postgres.rows("id, big") == [(2, "q" * 4000)]


def test_changes_between_slot_and_snapshot_are_not_applied_twice(
    to_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the copy and in the log. Applying them again would resurrect old values for a while."""
    created(to_postgres, "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')")
    begin = PostgresSource.begin

    def late(self: PostgresSource) -> Any:
        to_postgres.sql("UPDATE {t} SET name = 'between' WHERE id = 1", "DELETE FROM {t} WHERE id = 2")
        return begin(self)

    monkeypatch.setattr(PostgresSource, "begin", late)
    to_postgres.load(Strategy.CDC)
    monkeypatch.undo()
    assert names(to_postgres) == {1: "between"}
    assert net(to_postgres.load(Strategy.CDC)) == (0, 0, 0, 0)


def test_a_transaction_that_is_open_at_the_snapshot_arrives_later(
    to_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    created(to_postgres, "INSERT INTO {t} VALUES (1, 'a')")
    begin, opened = PostgresSource.begin, []

    def late(self: PostgresSource) -> Any:
        connection = psycopg.connect(to_postgres.databases.source)
        connection.execute(f"INSERT INTO {to_postgres.name} VALUES (2, 'in flight')".encode())
        opened.append(connection)
        return begin(self)

    monkeypatch.setattr(PostgresSource, "begin", late)
    to_postgres.load(Strategy.CDC)
    monkeypatch.undo()
    assert names(to_postgres) == {1: "a"}
    assert net(to_postgres.load(Strategy.CDC)) == (0, 0, 0, 0), "not committed yet"
    opened[0].commit()
    opened[0].close()
    assert net(to_postgres.load(Strategy.CDC)) == (1, 1, 0, 0)
    assert names(to_postgres) == {1: "a", 2: "in flight"}


def test_a_transaction_that_commits_right_after_the_snapshot_arrives_later(
    to_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is before the boundary in the log, and yet not in the copy."""
    created(to_postgres, "INSERT INTO {t} VALUES (1, 'a')")
    begin, boundary, opened = PostgresSource.begin, LogReader.boundary, []

    def open_then_begin(self: PostgresSource) -> Any:
        connection = psycopg.connect(to_postgres.databases.source)
        connection.execute(f"INSERT INTO {to_postgres.name} VALUES (2, 'close call')".encode())
        opened.append(connection)
        return begin(self)

    def commit_then_boundary(self: LogReader) -> int:
        opened[0].commit()
        opened[0].close()
        return boundary(self)

    monkeypatch.setattr(PostgresSource, "begin", open_then_begin)
    monkeypatch.setattr(LogReader, "boundary", commit_then_boundary)
    to_postgres.load(Strategy.CDC)
    monkeypatch.undo()
    assert names(to_postgres) == {1: "a"}
    assert net(to_postgres.load(Strategy.CDC)) == (1, 1, 0, 0)


def test_aborted_and_savepoint_work(to_postgres: Pipeline) -> None:
    created(to_postgres).load(Strategy.CDC)
    to_postgres.sql(
        "BEGIN; INSERT INTO {t} VALUES (1, 'no'); ROLLBACK",
        "BEGIN; INSERT INTO {t} VALUES (2, 'yes'); SAVEPOINT s; INSERT INTO {t} VALUES (3, 'no'); "
        "ROLLBACK TO s; INSERT INTO {t} VALUES (4, 'yes'); COMMIT",
    )
    to_postgres.load(Strategy.CDC)
    assert names(to_postgres) == {2: "yes", 4: "yes"}


def test_death_between_commit_and_advance(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is delivered again, and nothing happens again."""
    created(pipeline).load(Strategy.CDC)
    pipeline.sql("INSERT INTO {t} VALUES (1, 'a')")

    def die(self: LogReader, lsn: int) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(LogReader, "advance", die)
    assert isinstance(pipeline.attempt(Strategy.CDC), Error)
    assert names(pipeline) == {1: "a"}, "the sink had committed"
    monkeypatch.undo()
    assert net(pipeline.load(Strategy.CDC)) == (0, 0, 0, 0)
    pipeline.sql("INSERT INTO {t} VALUES (2, 'b')")
    assert net(pipeline.load(Strategy.CDC)) == (1, 1, 0, 0)


def test_death_before_the_commit(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Peeking consumes nothing."""
    created(pipeline).load(Strategy.CDC)
    pipeline.sql("INSERT INTO {t} VALUES (1, 'a')")

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(log_rounds.Attempt, "finish", die)
    assert isinstance(pipeline.attempt(Strategy.CDC), Error)
    monkeypatch.undo()
    assert names(pipeline) == {}
    assert net(pipeline.load(Strategy.CDC)) == (1, 1, 0, 0)


def test_a_failed_first_load_leaves_no_slot(to_postgres: Pipeline, monkeypatch: pytest.MonkeyPatch) -> None:
    created(to_postgres)
    before = slots(to_postgres)

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr(log_rounds.Attempt, "finish", die)
    assert isinstance(to_postgres.attempt(Strategy.CDC), Error)
    assert slots(to_postgres) == before


def test_two_pipelines_from_one_table_share_nothing(to_postgres: Pipeline) -> None:
    created(to_postgres, "INSERT INTO {t} VALUES (1, 'a')")
    other = Pipeline(to_postgres.databases, "postgres", to_postgres.folder, to_postgres.name, "second_copy")
    to_postgres.load(Strategy.CDC)
    other.load(Strategy.CDC)
    to_postgres.sql("INSERT INTO {t} VALUES (2, 'b')")
    to_postgres.load(Strategy.CDC)
    assert names(other) == {1: "a"}
    assert net(other.load(Strategy.CDC)) == (1, 1, 0, 0)
    assert names(other) == names(to_postgres) == {1: "a", 2: "b"}


@pytest.mark.parametrize("harm", ["slot dropped", "slot consumed by somebody"])
def test_a_lost_position_heals(to_postgres: Pipeline, harm: str) -> None:
    created(to_postgres, "INSERT INTO {t} VALUES (1, 'a'), (2, 'b')").load(Strategy.CDC)
    to_postgres.sql("DELETE FROM {t} WHERE id = 1", "INSERT INTO {t} VALUES (3, 'c')")
    if harm == "slot dropped":
        to_postgres.sql("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")
    else:
        to_postgres.sql(
            "SELECT pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) FROM pg_replication_slots"
        )
    to_postgres.load(Strategy.CDC)
    assert names(to_postgres) == {2: "b", 3: "c"}
    assert net(to_postgres.load(Strategy.CDC)) == (0, 0, 0, 0)


def test_forget(to_postgres: Pipeline) -> None:
    before = slots(to_postgres)
    created(to_postgres, "INSERT INTO {t} VALUES (1, 'a')").load(Strategy.CDC)
    assert len(slots(to_postgres)) == len(before) + 2
    forget(to_postgres.request(Strategy.CDC))
    assert slots(to_postgres) == before
    to_postgres.sql("DELETE FROM {t}")
    assert to_postgres.load(Strategy.CDC).state_before == {}
    assert names(to_postgres) == {}


@pytest.mark.parametrize(
    "harm", ["ALTER TABLE {t} DROP CONSTRAINT {t}_pkey", "ALTER TABLE {t} REPLICA IDENTITY NOTHING"]
)
def test_no_publication_that_would_break_the_source(to_postgres: Pipeline, harm: str) -> None:
    created(to_postgres, harm.replace("{t}_pkey", f"{to_postgres.name}_pkey"))
    before = slots(to_postgres)
    answer = to_postgres.attempt(Strategy.CDC)
    assert isinstance(answer, Error)
    assert answer.category is FailureCategory.UNSUPPORTED
    assert slots(to_postgres) == before
    to_postgres.sql("INSERT INTO {t} VALUES (1)", "UPDATE {t} SET name = 'still works'")


def test_a_column_added_within_the_log(pipeline: Pipeline) -> None:
    created(pipeline, "INSERT INTO {t} VALUES (1, 'a')").load(Strategy.CDC)
    pipeline.sql(
        "UPDATE {t} SET name = 'old layout' WHERE id = 1",
        "ALTER TABLE {t} ADD COLUMN extra integer",
        "INSERT INTO {t} (id, extra) VALUES (2, 7)",
    )
    assert isinstance(pipeline.attempt(Strategy.CDC), Result)
    assert pipeline.rows("id, name, extra") == [(1, "old layout", None), (2, None, 7)]
