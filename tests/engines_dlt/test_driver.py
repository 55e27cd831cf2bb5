"""The driver as a process: every line is the protocol's, nothing kills the parent, secrets stay out."""

from __future__ import annotations

import json
import os
import re
import signal
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines import environment
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.protocol import Described, Error, Event, Phase, Result
from tests.engines_dlt.talking import Cell, Driver

FOLDER = Path(environment.__file__).parent / "dlt"

integration = pytest.mark.integration


def failed(end: Event) -> Error:
    assert isinstance(end, Error), end
    return end


class TestLock:
    lock = (FOLDER / "driver.lock").read_text(encoding="utf-8")

    def test_pins_every_requirement_of_the_script_by_hash(self) -> None:
        script = (FOLDER / "driver.py").read_text(encoding="utf-8")
        block = re.search(r"^# /// script\n(.*?)^# ///$", script, re.MULTILINE | re.DOTALL)
        assert block
        metadata = tomllib.loads(re.sub(r"^# ?", "", block[1], flags=re.MULTILINE))
        wanted = {re.split(r"[<>=~!\[ ]", name)[0] for name in metadata["dependencies"]}
        pinned = re.findall(r"^([a-z0-9._-]+)==\S+", self.lock, re.MULTILINE)
        assert wanted <= set(pinned)
        requirements = re.split(r"\n(?=[a-z0-9])", self.lock.strip())
        assert all("--hash=sha256:" in requirement for requirement in requirements)
        assert len(requirements) == len(pinned)

    def test_names_no_registry(self) -> None:
        assert "://" not in self.lock
        assert "index" not in self.lock


@integration
class TestProtocol:
    def test_describe_names_version_and_what_was_installed(self, driver: Driver) -> None:
        (described,) = driver.ask({"type": "describe", "protocol": "1"})
        assert isinstance(described, Described)
        assert (described.engine, described.version, described.protocol) == ("dlt", "1.31.0", "1")
        assert re.fullmatch(r"sha256:[0-9a-f]{64}", described.artifact_digest)
        assert described.details["backend"] == "pyarrow"

    @pytest.mark.parametrize("line", [b"garbage", b"[]", b"{}", b'{"type": "dance"}', b'{"type": "load"}'])
    def test_a_request_that_is_none_gets_an_error_and_the_driver_lives(
        self, driver: Driver, line: bytes
    ) -> None:
        driver.send(line)
        assert failed(driver.event()).category is FailureCategory.CONFIGURATION
        assert isinstance(driver.ask({"type": "describe"})[-1], Described)

    def test_the_parent_forks_while_it_has_one_thread(self, cell: Cell) -> None:
        cell.loaded("full_refresh", "parquet")
        assert cell.driver.threads() == 1
        assert cell.driver.children() == []

    def test_phases_come_in_order_and_the_record_echoes_the_request(self, cell: Cell) -> None:
        events = cell.driver.ask(cell.load_request("full_refresh", "duckdb"))
        phases = [event.phase for event in events if isinstance(event, Phase)]
        assert phases == ["recover", "extract", "normalize", "load"]
        end = events[-1]
        assert isinstance(end, Result)
        record = end.record
        assert (record.run_id, record.engine, record.engine_version) == ("run-of-ours", "dlt", "1.31.0")
        assert (record.manifest_path, record.selector) == ("catalog/engines/dlt.yaml", "the cell")
        assert record.source_id == f"postgres:{cell.name}.events"
        assert record.sink_id == f"duckdb:{cell.name}.Events Kept"
        assert set(record.timings_seconds) >= {"extract", "normalize", "load"}

    def test_stop_ends_it_and_so_does_the_end_of_its_input(
        self, prepared: PreparedEngine, tmp_path: Path
    ) -> None:
        with Driver(prepared, tmp_path) as driver:
            driver.send(b'{"type": "stop"}')
            assert driver.process.wait(20) == 0
        with Driver(prepared, tmp_path) as driver:
            assert driver.process.stdin
            driver.process.stdin.close()
            assert driver.process.wait(20) == 0
            driver.process.stdin = None


@integration
class TestFailures:
    def test_a_killed_child_is_an_internal_error_and_the_next_load_works(self, cell: Cell) -> None:
        cell.sql(
            f'INSERT INTO "{cell.name}".events'
            " SELECT g, now(), now(), g, 'x' FROM generate_series(1, 50) g",
        )
        request = cell.load_request("full_refresh", "postgres")
        with locked(cell):  # the child waits in the extract until it is killed
            cell.driver.send(json.dumps(request).encode())
            while not (isinstance(event := cell.driver.event(), Phase) and event.phase == "extract"):
                pass
            (child,) = cell.driver.children()
            os.kill(child, signal.SIGKILL)
            end = failed(cell.driver.event())
        assert end.category is FailureCategory.INTERNAL
        assert "SIGKILL" in end.message
        cell.loaded("full_refresh", "postgres")
        assert len(cell.read("postgres")) == 50

    def test_the_source_table_is_missing(self, cell: Cell) -> None:
        cell.sql(f'DROP TABLE "{cell.name}".events')
        assert failed(cell.load("full_refresh", "duckdb")).category is FailureCategory.NOT_FOUND

    def test_a_wrong_password_is_named_and_not_shown(self, cell: Cell) -> None:
        request = cell.load_request("full_refresh", "duckdb")
        password = urlsplit(request["source"]["dsn"]).password or ""
        request["source"]["dsn"] = request["source"]["dsn"].replace(f":{password}@", ":wrong-on-purpose@")
        end = failed(cell.driver.ask(request)[-1])
        assert end.category is FailureCategory.AUTHENTICATION
        assert "wrong-on-purpose" not in end.model_dump_json()

    def test_nobody_listens_at_the_source_or_the_sink(self, cell: Cell) -> None:
        for end_point in ("source", "sink"):
            request = cell.load_request("full_refresh", "postgres")
            dsn = request[end_point]["dsn"]
            request[end_point]["dsn"] = dsn.replace(f":{urlsplit(dsn).port}/", ":1/")
            end = failed(cell.driver.ask(request)[-1])
            assert (end.category, end.retryable) == (FailureCategory.CONNECTIVITY, True), end_point

    @pytest.mark.parametrize(
        ("strategy", "sink", "options"),
        [
            ("cdc", "postgres", {}),
            ("xmin", "postgres", {}),
            ("backfill", "duckdb", {}),
            ("snapshot_diff", "sqlite", {}),
            ("incremental_merge", "parquet", {}),
            ("incremental_append", "postgres", {"lookback_seconds": 60}),
            ("full_refresh", "duckdb", {"artifact": "memory"}),
        ],
    )
    def test_what_dlt_does_not_document_is_refused(
        self, cell: Cell, strategy: str, sink: str, options: dict[str, object]
    ) -> None:
        assert failed(cell.load(strategy, sink, **options)).category is FailureCategory.UNSUPPORTED

    def test_a_slice_without_bounds_is_a_configuration_error(self, cell: Cell) -> None:
        end = failed(cell.load("replace", "postgres", partition_column="business_date"))
        assert end.category is FailureCategory.CONFIGURATION
        assert "partition_from" in end.message


@contextmanager
def locked(cell: Cell) -> Iterator[None]:
    """Hold the source table, so that whoever reads it waits."""
    with psycopg.connect(cell.source_dsn) as connection:
        connection.execute(f'LOCK TABLE "{cell.name}".events IN ACCESS EXCLUSIVE MODE')
        yield
