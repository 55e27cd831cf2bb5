"""One real PostgreSQL for the folder, an engine in this process, and rows by hand."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import (
    DataObject,
    Error,
    Load,
    LoadOptions,
    Phase,
    Result,
    RunRecord,
)
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.redaction import Redactor
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.engine import run_load

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Databases:
    """DSNs, and a connection to each that all tests share: connecting costs more than the tests do."""

    source: str
    sink: str
    at_source: psycopg.Connection[Any]
    at_sink: psycopg.Connection[Any]


@pytest.fixture(scope="session")
def databases(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Databases]:
    with Guardian() as guardian:
        provider = PostgresWheelProvider(redactor=Redactor(), guardian=guardian)
        cluster = provider.start("reference-tests")
        try:
            source, sink = cluster.source().dsn, cluster.sink().dsn
            with (
                psycopg.connect(source, autocommit=True) as at_source,
                psycopg.connect(sink, autocommit=True) as at_sink,
            ):
                at_sink.execute("SET timezone = 'UTC'")
                yield Databases(source, sink, at_source, at_sink)
        finally:
            cluster.stop()


@dataclass
class Pipeline:
    """A source table of its own and a sink table of its own."""

    databases: Databases
    sink_system: str
    folder: Path
    name: str = field(default_factory=lambda: f"t{next(_NUMBERS)}")
    sink_name: str = ""
    events: list[Phase | Result | Error] = field(default_factory=list)
    key: tuple[str, ...] = ("id",)

    def sql(self, *statements: str) -> None:
        """In the source; ``{t}`` is the table."""
        for statement in statements:
            self.databases.at_source.execute(statement.replace("{t}", f'"{self.name}"').encode())

    def sink(self) -> DataObject:
        name = self.sink_name or self.name
        match self.sink_system:
            case "postgres":
                return DataObject(system="postgres", dsn=self.databases.sink, namespace="out", name=name)
            case "duckdb":
                return DataObject(
                    system="duckdb", dsn=str(self.folder / "sink.duckdb"), namespace="out", name=name
                )
            case "sqlite":
                return DataObject(system="sqlite", dsn=str(self.folder / "sink.sqlite"), name=name)
        return DataObject(system="parquet", dsn=str(self.folder / "lake"), namespace="out", name=name)

    def request(self, strategy: Strategy, **options: Any) -> Load:
        return Load(
            run_id=f"run-{next(_NUMBERS)}",
            source=DataObject(
                system="postgres", dsn=self.databases.source, namespace="public", name=self.name
            ),
            sink=self.sink(),
            columns=(),
            primary_key=self.key,
            cursor="updated_at",
            strategy=strategy,
            options=LoadOptions(**options),
            state_dir=str(self.folder / "state"),
            manifest_path="m.yaml",
            selector=self.name,
        )

    def attempt(self, strategy: Strategy, defect: Defect | None = None, **options: Any) -> Result | Error:
        self.events.clear()
        run_load(self.request(strategy, **options), self.events.append, defect)
        last = self.events[-1]
        assert isinstance(last, Result | Error)
        return last

    def load(self, strategy: Strategy, defect: Defect | None = None, **options: Any) -> RunRecord:
        last = self.attempt(strategy, defect, **options)
        assert isinstance(last, Result), last
        return last.record

    def rows(self, columns: str = "*", order: str = "1, 2") -> list[tuple[Any, ...]]:
        """What a stranger reads from the sink, by the system's own client."""
        sink = self.sink()
        quoted = f'"{sink.name}"'
        match self.sink_system:
            case "postgres":
                query = f'SELECT {columns} FROM "out".{quoted} ORDER BY {order}'
                return self.databases.at_sink.execute(query.encode()).fetchall()
            case "sqlite":
                import sqlite3

                lite = sqlite3.connect(sink.dsn)
                try:
                    return lite.execute(f"SELECT {columns} FROM {quoted} ORDER BY {order}").fetchall()
                finally:
                    lite.close()
            case "duckdb":
                import duckdb

                with duckdb.connect(sink.dsn, read_only=True) as duck:
                    duck.execute("SET TimeZone = 'UTC'")
                    return duck.execute(f"SELECT {columns} FROM out.{quoted} ORDER BY {order}").fetchall()
        import duckdb
        import pyarrow as pa
        import pyarrow.parquet as pq

        files = sorted((self.folder / "lake" / "out" / sink.name).glob("*.parquet"))
        table = pa.concat_tables([pq.read_table(file) for file in files])
        with duckdb.connect() as duck:
            duck.execute("SET TimeZone = 'UTC'")
            duck.register("lake", table)
            return duck.execute(f"SELECT {columns} FROM lake ORDER BY {order}").fetchall()


@pytest.fixture(params=["postgres", "duckdb", "sqlite", "parquet"])
def sink_system(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def no_slots_left(databases: Databases) -> Iterator[None]:
    """A server has few slots: each test gives back its own."""
    yield
    databases.at_source.execute("SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots")


@pytest.fixture
def pipeline(databases: Databases, sink_system: str, tmp_path: Path, no_slots_left: None) -> Pipeline:
    return Pipeline(databases, sink_system, tmp_path)


@pytest.fixture
def to_postgres(databases: Databases, tmp_path: Path, no_slots_left: None) -> Pipeline:
    return Pipeline(databases, "postgres", tmp_path)


def only(sinks: str, *others: str) -> pytest.MarkDecorator:
    """Run for these sinks alone: for what differs between strategies and not between sinks."""
    return pytest.mark.parametrize("sink_system", [sinks, *others])
