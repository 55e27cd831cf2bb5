"""The real pairs, once: what the catalogue configures is what tap and targets of these versions understand.

No certification; the harness does that with an oracle.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from uuid import uuid4

import duckdb
import psycopg
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from certification_pipeline.harness.engines.outcome import LoadOutcome
from certification_pipeline.harness.engines.protocol import ColumnSpec, DataObject, Load, LoadOptions
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.redaction import Redactor

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

Rows = set[tuple[int, str]]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresCluster]:
    cluster = PostgresWheelProvider(redactor=Redactor(), guardian=Guardian()).start("engines-singer")
    with psycopg.connect(cluster.source().dsn, autocommit=True) as connection:
        connection.execute("CREATE SCHEMA ns")
        connection.execute("CREATE TABLE ns.t (id bigint PRIMARY KEY, at timestamptz, note text)")
    yield cluster
    cluster.stop()


class Bench:
    """One engine, the table ``ns.t``, and a sink of its own."""

    def __init__(
        self, engine: str, sink: DataObject, session: EngineSession, postgres: PostgresCluster
    ) -> None:
        self.engine, self.sink, self.session, self.postgres = engine, sink, session, postgres

    def run(self, *statements: str) -> None:
        with psycopg.connect(self.postgres.source().dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement)

    def load(self, strategy: Strategy, state: Path) -> LoadOutcome:
        columns = (
            ColumnSpec(name="id", type=LogicalType.INT64, nullable=False),
            ColumnSpec(name="at", type=LogicalType.TIMESTAMPTZ),
            ColumnSpec(name="note", type=LogicalType.TEXT),
        )
        source = DataObject(system="postgres", dsn=self.postgres.source().dsn, namespace="ns", name="t")
        request = Load(
            run_id=str(uuid4()),
            source=source,
            sink=self.sink,
            columns=columns,
            primary_key=("id",),
            cursor="at",
            strategy=strategy,
            options=LoadOptions(cursor_nulls="exclude"),
            state_dir=str(state),
        )
        return self.session.load(request, timeout=120)

    def rows(self) -> Rows:
        query = "SELECT id, note FROM ns.t"
        if self.sink.system == "postgres":
            with psycopg.connect(self.sink.dsn) as connection:
                return {(int(key), str(note)) for key, note in connection.execute(query).fetchall()}
        with closing(duckdb.connect(self.sink.dsn)) as database:
            return {(int(key), str(note)) for key, note in database.execute(query).fetchall()}


@pytest.fixture(params=["singer_postgres", "singer_duckdb"])
def bench(request: pytest.FixtureRequest, postgres: PostgresCluster, tmp_path: Path) -> Iterator[Bench]:
    engine = str(request.param)
    try:
        prepared = prepare(engine, load_catalog().engines[engine].driver)
    except EngineUnavailable as error:
        pytest.skip(f"{engine}'s environments cannot be made here: {error}")
    system = engine.removeprefix("singer_")
    dsn = postgres.sink().dsn if system == "postgres" else str(tmp_path / "sink.duckdb")
    session = EngineSession(
        prepared.command,
        env=prepared.env,
        cwd=tmp_path,
        log_path=tmp_path / "engine.log",
        redactor=Redactor(),
    )
    assert session.describe().artifact_digest.startswith("sha256:")
    made = Bench(engine, DataObject(system=system, dsn=dsn, namespace="ns", name="t"), session, postgres)
    made.run("TRUNCATE ns.t")
    try:
        yield made
    finally:
        session.close()


def test_a_merge_follows_its_cursor(bench: Bench, tmp_path: Path) -> None:
    bench.run(
        "INSERT INTO ns.t VALUES (1, '2024-03-01', 'one'), (2, '2024-03-02 10:00', 'two'), (3, NULL, 'no')"
    )
    first = bench.load(Strategy.INCREMENTAL_MERGE, tmp_path / "state")
    assert first.record, first.message
    assert first.record.extracted_rows == 2
    assert first.record.state_after
    # The DuckDB target loses the first row of a batch (docs/findings/singer.md): not what is tested here.
    lost = {(1, "one")} if bench.engine == "singer_duckdb" else set()
    assert bench.rows() | lost == {(1, "one"), (2, "two")}
    bench.run(
        "UPDATE ns.t SET note = 'later', at = '2024-03-03' WHERE id = 2", "DELETE FROM ns.t WHERE id = 1"
    )
    second = bench.load(Strategy.INCREMENTAL_MERGE, tmp_path / "state")
    assert second.record, second.message
    assert second.record.extracted_rows == 1
    assert second.record.state_before == first.record.state_after


def test_a_snapshot_deletes_what_left(bench: Bench, tmp_path: Path) -> None:
    bench.run("INSERT INTO ns.t VALUES (1, '2024-03-01', 'one'), (2, '2024-03-02', 'two')")
    outcome = bench.load(Strategy.SNAPSHOT_DIFF, tmp_path / "state")
    if bench.engine == "singer_duckdb":
        assert outcome.category is FailureCategory.UNSUPPORTED
        return
    assert outcome.record, outcome.message
    bench.run("DELETE FROM ns.t WHERE id = 1")
    assert bench.load(Strategy.SNAPSHOT_DIFF, tmp_path / "state").record
    assert bench.rows() == {(2, "two")}
