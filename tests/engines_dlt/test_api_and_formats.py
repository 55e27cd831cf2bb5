"""dlt from a REST API, in three ways through its pages, and into table formats."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from certification_pipeline.catalog.engines import DriverSpec
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.environment import EngineUnavailable, prepare
from certification_pipeline.harness.engines.protocol import Error, Result
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics, SinkView
from certification_pipeline.harness.services.vendor_api import VendorApi
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.tables import build_workload
from tests.engines_dlt.talking import Cell, Driver

pytestmark = pytest.mark.integration


@pytest.fixture
def api() -> Iterator[VendorApi]:
    served = VendorApi()
    yield served
    served.stop()


@pytest.mark.nightly
@pytest.mark.parametrize("paginator", ["cursor", "page_number", "header_link"])
def test_every_way_through_the_pages_gives_every_row_once(
    paginator: str, api: VendorApi, tmp_path: Path
) -> None:
    workload = build_workload("narrow", 2_500, 1)
    open_source("api", api.dsn, "ns", "narrow").seed(workload)
    spec = DriverSpec(folder="dlt", script="driver.py", lock="driver.lock", config={"paginator": paginator})
    try:
        prepared = prepare("dlt", spec)
    except EngineUnavailable as error:
        pytest.skip(f"dlt's environment cannot be made here: {error}")
    with Driver(prepared, tmp_path) as driver:
        end = driver.ask(_request(api, tmp_path))[-1]
    assert isinstance(end, Result), end
    assert end.record.extracted_rows == 2_500
    with duckdb.connect(str(tmp_path / "sink.duckdb"), read_only=True) as connection:
        found = connection.execute("SELECT count(*), count(DISTINCT id) FROM kept.narrow").fetchone()
    assert found == (2_500, 2_500)


def test_a_wrong_password_and_a_missing_collection_are_told_apart(
    api: VendorApi, driver: Driver, tmp_path: Path
) -> None:
    request = _request(api, tmp_path)
    gone = driver.ask(request)[-1]
    assert isinstance(gone, Error)
    assert gone.category is FailureCategory.NOT_FOUND
    request["source"]["dsn"] = api.dsn.replace(api.password, "canary-password")
    wrong = driver.ask(request)[-1]
    assert isinstance(wrong, Error)
    assert wrong.category is FailureCategory.AUTHENTICATION
    assert "canary-password" not in wrong.message


@pytest.mark.nightly
@pytest.mark.parametrize("sink", ["delta", "iceberg"])
def test_a_merge_into_a_table_format_updates_and_keeps(sink: str, cell: Cell, tmp_path: Path) -> None:
    insert = 'INSERT INTO "{0}".events VALUES {1}'
    cell.sql(
        insert.format(
            cell.name, "(1, '2024-01-01', '2024-01-01', 1, 'a'), (2, '2024-01-01', '2024-01-01', 2, 'b')"
        )
    )
    request = cell.load_request("incremental_merge", "parquet")
    request["sink"].update(system=sink, name="kept")
    assert isinstance(cell.driver.ask(request)[-1], Result)
    cell.sql(
        f"UPDATE \"{cell.name}\".events SET note = 'B', updated_at = '2024-01-02' WHERE id = 2",
        insert.format(cell.name, "(3, '2024-01-03', '2024-01-03', 3, 'c')"),
    )
    end = cell.driver.ask(request)[-1]
    assert isinstance(end, Result), end
    table = Path(request["sink"]["dsn"]) / cell.name / "kept"
    assert (table / ("_delta_log" if sink == "delta" else "metadata")).is_dir()
    rows = _read(sink, table)
    assert rows == [(1, "a"), (2, "B"), (3, "c")]


def test_insert_only_is_judged_by_what_it_promises(tmp_path: Path) -> None:
    """The model of a merge without updates: what an upsert leaves is stale the other way round."""
    workload = build_workload("narrow", 120, 2)
    history, view = History(workload, (0, 1)), SinkView("parquet", str(tmp_path), "ns", "t")
    strategy = "incremental_merge"
    claim = load_catalog().engines["dlt_insert_only"].routes[0].strategies
    (only,) = claim.values()
    with Oracle(tmp_path / "oracle") as oracle:
        upserted = Semantics(next(iter(claim)))
        inserted = Semantics(next(iter(claim)), propagates_updates=only.propagates_updates)
        assert next(iter(claim)) == strategy
        assert oracle.expected_rows(history, upserted) == oracle.expected_rows(history, inserted)
        source = open_source("parquet", str(tmp_path), "ns", "t")
        source.seed(workload)
        assert oracle.judge("first", History(workload, (0,)), inserted, view).anomalies == {}
        behind = oracle.judge("second", history, inserted, view).anomalies
        assert set(behind) == {"lost"}, "nothing but the new keys may be missing"
        assert set(oracle.judge("second", history, upserted, view).anomalies) == {"lost", "stale"}


def _read(sink: str, table: Path) -> list[tuple[object, ...]]:
    if sink == "delta":
        deltalake = pytest.importorskip("deltalake")
        rows = deltalake.DeltaTable(str(table)).to_pyarrow_table()
    else:
        tables = pytest.importorskip("pyiceberg.table")
        newest = max((table / "metadata").glob("*.metadata.json"), key=lambda path: path.name)
        rows = tables.StaticTable.from_metadata(str(newest)).scan().to_arrow()
    return sorted((row["id"], row["note"]) for row in rows.to_pylist())


def _request(api: VendorApi, folder: Path) -> dict:
    columns = [
        {"name": column.name, "type": column.type, "nullable": True}
        for column in build_workload("narrow", 100, 1).spec.columns
    ]
    return {
        "type": "load",
        "run_id": "r",
        "source": {"system": "api", "dsn": api.dsn, "namespace": "ns", "name": "narrow"},
        "sink": {
            "system": "duckdb",
            "dsn": str(folder / "sink.duckdb"),
            "namespace": "kept",
            "name": "narrow",
        },
        "columns": columns,
        "primary_key": ["id"],
        "cursor": "updated_at",
        "strategy": "full_refresh",
        "options": {},
        "state_dir": str(folder / "state"),
    }
