"""Parquet as a source holds exactly the generated rows, round by round, and never half a round."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import SourceFeature
from certification_pipeline.harness.workload.parquet_source import ParquetSource
from certification_pipeline.harness.workload.source import SourceError, TransactionalSource
from certification_pipeline.harness.workload.sources import WRITERS, open_source
from certification_pipeline.harness.workload.spec import TableSpec
from certification_pipeline.harness.workload.tables import RECIPES, build_workload

from .replay import Row, after_drift, apply, exact_rows, initial_table


def _assert_holds(root: Path, spec: TableSpec, table: str, expected: list[Row]) -> None:
    (file,) = (root / "ns" / table).iterdir()
    held = pq.read_table(file, partitioning=None).sort_by("id")
    assert held.schema.equals(spec.arrow_schema())
    assert exact_rows(held.to_pylist()) == exact_rows(expected)


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"narrow", "wide", "funky_one_case"}))
def test_parquet_holds_what_was_generated(tmp_path: Path, name: str) -> None:
    workload = build_workload(name, 200, 11)
    state = {row["id"]: row for row in initial_table(workload).to_pylist()}
    source = open_source("parquet", str(tmp_path), "ns", workload.table_name)
    source.seed(workload)
    assert source.count() == workload.rows
    _assert_holds(tmp_path, workload.spec, workload.table_name, list(state.values()))
    for number in range(1, workload.changes + 1):
        change = workload.change(number)
        source.apply(change)
        if change.drift:
            state = {key: after_drift(name, row) for key, row in state.items()}
        apply(state, change)
        rows = [state[key] for key in sorted(state)]
        _assert_holds(tmp_path, change.spec, workload.table_name, rows)
        assert source.count() == len(rows)
    source.drop()
    source.drop()
    assert list((tmp_path / "ns").iterdir()) == []


def test_a_round_that_does_not_fit_changes_nothing(tmp_path: Path) -> None:
    workload = build_workload("narrow", 100, 1)
    source = ParquetSource(str(tmp_path), "ns", "t")
    source.seed(workload)
    source.apply(workload.change(1))
    before = (tmp_path / "ns" / "t" / "part-0.parquet").read_bytes()
    with pytest.raises(SourceError, match="rows instead of"):
        source.apply(workload.change(1))
    assert (tmp_path / "ns" / "t" / "part-0.parquet").read_bytes() == before


def test_a_write_that_breaks_off_shows_no_reader_anything(tmp_path: Path) -> None:
    workload = build_workload("narrow", 100, 1)
    source = ParquetSource(str(tmp_path), "ns", "t")
    source.seed(workload)
    (tmp_path / "ns" / "t" / ".part-0.parquet.coming").mkdir()  # nobody can write there now
    with pytest.raises(SourceError, match="see the directory"):
        source.apply(workload.change(1))
    assert source.count() == 100
    assert [p.name for p in (tmp_path / "ns" / "t").glob("*.parquet") if p.name[0] != "."] == [
        "part-0.parquet"
    ]


def test_what_is_there_is_not_seeded_over(tmp_path: Path) -> None:
    workload = build_workload("narrow", 100, 1)
    source = ParquetSource(str(tmp_path), "ns", "t")
    source.create(workload.spec)
    assert source.count() == 0
    source.seed(workload)
    for again in (lambda: source.seed(workload), lambda: source.create(workload.spec)):
        with pytest.raises(SourceError, match="already"):
            again()
    source.drop()
    with pytest.raises(SourceError, match="counting"):
        source.count()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "a\0b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="cannot name a directory"):
        ParquetSource(str(tmp_path), "ns", name)


def test_the_catalogue_says_what_the_writers_can() -> None:
    systems = load_catalog().systems
    assert {name for name, system in systems.items() if system.source is not None} == set(WRITERS)
    for name, system in systems.items():
        if system.source is not None:
            writer = WRITERS[name]("postgresql://h/d", "n", "t")
            wanted = SourceFeature.TRANSACTIONS in system.source
            assert isinstance(writer, TransactionalSource) is wanted
    with pytest.raises(LookupError, match="no writer of source tables for duckdb"):
        open_source("duckdb", "", "n", "t")
