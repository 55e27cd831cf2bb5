"""Debezium itself: loads into a real PostgreSQL, killed at every phase, against the source as it is."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest

from certification_pipeline.harness.cleaning import clean_namespace
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.protocol import Described, Error, Load, Phase, Result
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster
from certification_pipeline.harness.workload.postgres_source import PostgresSource
from certification_pipeline.harness.workload.tables import build_workload
from tests.engines_debezium.modules import kit, settings
from tests.engines_dlt.talking import Driver

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

COLUMNS = (
    "id bigint PRIMARY KEY, b boolean, s smallint, i integer, d numeric(38, 10), f double precision, t text,"
    " dt date, ts timestamp, tz timestamptz, y bytea, u uuid, j jsonb, ia bigint[], ta text[]"
)
ROW = (
    "SELECT g, g % 2 = 0, g % 100, g, g * 1.5, 'NaN'::float8,"
    " CASE g % 3 WHEN 0 THEN NULL ELSE repeat('é\"\\', g % 7) END,"
    " date '0001-01-01' + g, timestamp '9999-12-31 23:59:59.999999' - g * interval '1 us',"
    " timestamptz '1969-12-31 23:59:59.999999+00' + g * interval '1 us',"
    " decode(lpad(to_hex(g), 8, '0'), 'hex'), md5(g::text)::uuid,"
    " jsonb_build_object('k', g, 'n', null), ARRAY[g, NULL], ARRAY['', NULL, 'a,b']"
    " FROM generate_series({low}, {high}) AS g"
)


@dataclass
class Cell:
    """A source table, a sink of the same name, a state folder, and a driver that may be killed."""

    name: str
    table: str
    source_dsn: str = field(repr=False)
    sink_dsn: str = field(repr=False)
    postgres: PostgresCluster
    prepared: PreparedEngine
    folder: Path
    driver: Driver | None = None
    key: list[str] = field(default_factory=lambda: ["id"])
    columns: list[dict[str, Any]] = field(
        default_factory=lambda: [{"name": "id", "type": "int64"}, {"name": "b", "type": "bool"}]
    )

    @property
    def quoted(self) -> str:
        return '"{}"."{}"'.format(self.name, self.table.replace('"', '""'))

    def sql(self, *statements: str) -> None:
        with psycopg.connect(self.source_dsn, autocommit=True) as connection:
            for statement in statements:
                connection.execute(statement.format(t=self.quoted).encode())

    def fill(self, low: int, high: int) -> None:
        self.sql("INSERT INTO {t} " + ROW.format(low=low, high=high))

    def request(self, strategy: str, **source: Any) -> dict[str, Any]:
        end = {"system": "postgres", "namespace": self.name, "name": self.table}
        asked = Load.model_validate(
            {
                "run_id": "run-of-ours",
                "source": {**end, "dsn": self.source_dsn, **source},
                "sink": {**end, "dsn": self.sink_dsn},
                "columns": self.columns,
                "primary_key": self.key,
                "strategy": strategy,
                "state_dir": str(self.folder / "state"),
            }
        )
        return asked.model_dump(mode="json")

    def load(self, strategy: str = "cdc", **source: Any) -> Described | Result | Error:
        end = self._warm().ask(self.request(strategy, **source))[-1]
        assert isinstance(end, Result | Error)
        return end

    def _warm(self) -> Driver:
        if self.driver is None:
            self.driver = Driver(self.prepared, self.folder)
        return self.driver

    def kill_at(self, phase: str) -> None:
        """Start a load and end its process with SIGKILL when it says that it enters the phase."""
        driver = self._warm()
        driver.send(Load.model_validate(self.request("cdc")).model_dump_json().encode())
        while not ((event := driver.event()) and isinstance(event, Phase) and event.phase == phase):
            assert not isinstance(event, Result | Error), event
        os.kill(driver.process.pid, signal.SIGKILL)
        driver.__exit__(None, None, None)
        self.driver = None

    def rows(self, dsn: str) -> list[Any]:
        with psycopg.connect(dsn) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            return connection.execute(
                f"SELECT whole::text FROM {self.quoted} AS whole ORDER BY 1".encode()
            ).fetchall()

    def same(self) -> bool:
        return self.rows(self.source_dsn) == self.rows(self.sink_dsn)


@pytest.fixture
def cell(
    request: pytest.FixtureRequest, postgres: PostgresCluster, prepared: PreparedEngine, tmp_path: Path
) -> Iterator[Cell]:
    name = re.sub(r"\W+", "_", request.node.name)[:40].lower()
    source_dsn, sink_dsn = postgres.source().dsn, postgres.sink().dsn
    made = Cell(name, 'Odd, "t".(x)', source_dsn, sink_dsn, postgres, prepared, tmp_path)
    made.sql(f'CREATE SCHEMA "{name}"', "CREATE TABLE {t} (" + COLUMNS + ")")
    yield made
    if made.driver:
        made.driver.__exit__(None, None, None)
    clean_namespace(postgres, name)
    with psycopg.connect(source_dsn) as connection:
        query = "SELECT count(*) FROM pg_replication_slots WHERE starts_with(slot_name, %s)"
        assert connection.execute(query, [name]).fetchone() == (0,)


def test_snapshot_and_log_carry_every_type(cell: Cell) -> None:
    cell.fill(1, 500)
    first = cell.load()
    assert isinstance(first, Result), first
    assert (first.record.extracted_rows, first.record.final_rows) == (500, 500)
    assert cell.same()
    cell.fill(501, 600)
    cell.sql(
        "UPDATE {t} SET i = -1, t = NULL WHERE id <= 50",
        "DELETE FROM {t} WHERE id BETWEEN 40 AND 60",
        "UPDATE {t} SET id = 1000 WHERE id = 70",
        "INSERT INTO {t} SELECT * FROM {t} WHERE false",
    )
    second = cell.load()
    assert isinstance(second, Result), second
    assert (second.record.inserted_rows, second.record.updated_rows, second.record.deleted_rows) == (
        101,
        50,
        22,
    )
    assert cell.same()
    idle = cell.load()
    assert isinstance(idle, Result), idle
    assert (idle.record.extracted_rows, idle.record.loaded_rows) == (0, 0)
    assert cell.same()


def test_the_log_carries_every_boundary_of_every_type(cell: Cell) -> None:
    """The catalogue's `types.matrix` sees the snapshot only; here the same rows come by the log."""
    workload = build_workload("types", 300, 7)
    cell.sql("DROP TABLE {t}")
    with PostgresSource(cell.source_dsn, cell.name, cell.table) as source:
        source.create(workload.spec)
        columns = [{"name": column.name, "type": column.type} for column in workload.spec.columns]
        cell.columns, cell.key = columns, list(workload.spec.primary_key)
        assert isinstance(cell.load(), Result)
        source.seed(workload)
        assert isinstance(cell.load(), Result)
    assert len(cell.rows(cell.sink_dsn)) == workload.rows
    assert cell.same()


def test_values_that_the_log_leaves_out_stay(cell: Cell) -> None:
    """Long values that an update does not touch are not in the log (replica identity DEFAULT)."""
    cell.fill(1, 9)
    cell.sql(
        "ALTER TABLE {t} ALTER t SET STORAGE EXTERNAL, ALTER y SET STORAGE EXTERNAL,"
        " ALTER ia SET STORAGE EXTERNAL, ALTER ta SET STORAGE EXTERNAL, ALTER j SET STORAGE EXTERNAL",
        "UPDATE {t} SET t = repeat('long', 5000), y = decode(repeat('00ff', 9000), 'hex'),"
        " ia = array_fill(7::bigint, ARRAY[9000]), ta = array_fill('x'::text, ARRAY[9000]),"
        " j = to_jsonb(repeat('j', 20000)), d = 1",
    )
    assert isinstance(cell.load(), Result)
    cell.sql("UPDATE {t} SET i = 1 WHERE id < 5", "UPDATE {t} SET i = 2, t = 'short' WHERE id < 3")
    assert isinstance(cell.load(), Result)
    assert cell.same()


def test_truncates_and_new_columns_are_followed(cell: Cell) -> None:
    cell.fill(1, 9)
    assert isinstance(cell.load(), Result)
    cell.sql("TRUNCATE {t}", "ALTER TABLE {t} ADD extra text, ALTER i TYPE bigint")
    cell.sql("INSERT INTO {t} (id, i, extra) VALUES (1, 5000000000, 'x')")
    assert isinstance(cell.load(), Result)
    assert cell.same()


def test_an_open_transaction_comes_with_its_commit(cell: Cell) -> None:
    cell.fill(1, 5)
    assert isinstance(cell.load(), Result)
    with psycopg.connect(cell.source_dsn) as open_one:
        open_one.execute(f"UPDATE {cell.quoted} SET i = -9 WHERE id = 1".encode())
        cell.sql("UPDATE {t} SET i = -8 WHERE id = 2")
        assert isinstance(cell.load(), Result)
        assert cell.same()
        open_one.commit()
    assert isinstance(cell.load(), Result)
    assert cell.same()


def test_an_empty_table_and_a_whole_one(cell: Cell) -> None:
    cell.sql(
        "ALTER TABLE {t} DROP s, DROP i, DROP d, DROP f, DROP t, DROP dt, DROP ts, DROP tz, DROP y, DROP u"
    )
    cell.sql("ALTER TABLE {t} DROP j, DROP ia, DROP ta")
    for strategy in ("full_refresh", "cdc"):
        assert isinstance(cell.load(strategy), Result)
        assert cell.same()
    cell.sql("INSERT INTO {t} VALUES (1, true)")
    for strategy in ("full_refresh", "cdc"):
        assert isinstance(cell.load(strategy), Result)
        assert cell.same()


@pytest.mark.parametrize("phase", ["extract", "stage", "finalize", "state"])
def test_a_first_load_may_be_killed_at_any_phase(cell: Cell, phase: str) -> None:
    cell.fill(1, 5000)
    cell.kill_at(phase)
    cell.sql("DELETE FROM {t} WHERE id % 10 = 0", "UPDATE {t} SET i = -1 WHERE id % 10 = 1")
    assert isinstance(cell.load(), Result)
    assert cell.same()
    cell.sql("DELETE FROM {t} WHERE id % 10 = 1")
    assert isinstance(cell.load(), Result)
    assert cell.same()


@pytest.mark.parametrize("phase", ["extract", "load", "state"])
def test_a_later_load_may_be_killed_at_any_phase(cell: Cell, phase: str) -> None:
    cell.fill(1, 100)
    assert isinstance(cell.load(), Result)
    cell.fill(101, 5000)
    cell.sql("DELETE FROM {t} WHERE id % 10 = 0")
    cell.kill_at(phase)
    cell.fill(10, 10)
    assert isinstance(cell.load(), Result)
    assert cell.same()


def test_state_that_is_lost_means_a_new_snapshot(cell: Cell) -> None:
    cell.fill(1, 100)
    assert isinstance(cell.load(), Result)
    (cell.folder / "state" / "offsets.dat").unlink()
    cell.sql("DELETE FROM {t} WHERE id < 50")
    assert isinstance(cell.load(), Result)
    assert cell.same()


def test_failures_are_named_and_do_no_harm(cell: Cell) -> None:
    cell.fill(1, 5)
    assert isinstance(cell.load("full_refresh"), Result)
    wrong = cell.source_dsn.rsplit("@", 1)[1]
    for strategy in ("full_refresh", "cdc"):
        missing = cell.load(strategy, name="not there")
        assert isinstance(missing, Error)
        assert missing.category == "not_found", missing
        refused = cell.load(strategy, dsn=f"postgresql://certify:wrong-on-purpose@{wrong}")
        assert isinstance(refused, Error)
        assert refused.category == "authentication", refused
        assert "wrong-on-purpose" not in refused.message
        assert cell.same()


def test_a_slot_that_is_gone_is_a_matter_of_state(cell: Cell) -> None:
    cell.fill(1, 5)
    assert isinstance(cell.load(), Result)
    cell.fill(6, 9)
    clean_namespace(cell.postgres, settings.slot_of(kit.Job(cell.request("cdc"), lambda line: None)))
    lost = cell.load()
    assert isinstance(lost, Error)
    assert lost.category == "state", lost
    # What an operator does then, as documented: a new snapshot.
    (cell.folder / "state" / "offsets.dat").unlink()
    assert isinstance(cell.load(), Result)
    assert cell.same()


def test_a_value_that_cannot_be_told_stops_the_load(cell: Cell) -> None:
    cell.fill(1, 5)
    cell.sql("UPDATE {t} SET d = 'NaN' WHERE id = 3")
    for strategy in ("full_refresh", "cdc"):
        refused = cell.load(strategy)
        assert isinstance(refused, Error)
        assert refused.category == "data", refused
