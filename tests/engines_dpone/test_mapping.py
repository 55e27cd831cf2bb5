"""The manifest a request becomes; dpone itself is not needed."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.harness.workload.spec import LogicalType
from tests.engines.scripts import ENGINES, module

PASSWORD = "s3cret/word"
DSN = "postgresql://someone:s3cret%2Fword@db.example:5433/sales"


MANIFEST = module("dpone", "manifest")


def _job(strategy: str, **options: Any) -> SimpleNamespace:
    slice_ = {"partition_column": 'the "day"', "partition_from": "2026-01-01", "partition_to": "2026-01-03"}
    return SimpleNamespace(
        source=SimpleNamespace(system="postgres", dsn=DSN, namespace="c_1", name="t"),
        sink=SimpleNamespace(system="postgres", dsn=DSN, namespace="c_1", name="t"),
        primary_key=["id"],
        cursor="at",
        strategy=strategy,
        options=SimpleNamespace(**{"on_type_change": "stop", **slice_, **options}),
        state_dir=Path("/state"),
    )


@pytest.mark.parametrize("strategy", list(Strategy))
def test_every_strategy_has_a_mode_and_no_manifest_holds_a_credential(strategy: Strategy) -> None:
    made = MANIFEST.manifest(_job(strategy), {}, "c_1")
    mode = made["defaults"]["sink"]["strategy"]["mode"]
    assert mode == ("incremental_merge" if strategy in ("xmin", "cdc") else strategy)
    assert "s3cret" not in json.dumps(made)


def test_everything_dpone_leaves_lies_in_schemas_of_the_cell() -> None:
    assert all(schema.startswith("c_1") for schema in MANIFEST.schemas(_job("full_refresh")))


def test_a_slice_is_half_open_and_quotes_its_column() -> None:
    made = MANIFEST.manifest(_job("replace"), {}, "c_1")
    predicate = made["defaults"]["sink"]["strategy"]["custom_predicate"]
    day = '"the ""day"""'
    assert predicate == f"{day} >= DATE '2026-01-01' AND {day} < DATE '2026-01-03'"


def test_a_backfill_ends_the_day_before_its_slice_does_as_dpone_loads_its_last_day() -> None:
    made = MANIFEST.manifest(_job("backfill"), {}, "c_1")
    chunk = made["defaults"]["sink"]["strategy"]["backfill"]["chunk"]
    assert (chunk["from"], chunk["to"]) == ("2026-01-01", "2026-01-02")


def test_the_two_configurations_differ_in_the_documented_switches() -> None:
    catalog = load_catalog()
    job = _job("full_refresh")
    default, plain = (
        MANIFEST.manifest(job, catalog.engines[each].driver.config, "c_1")["defaults"]["sink"]["options"]
        for each in ("dpone", "dpone_plain")
    )
    assert default == {}
    assert plain == {"lineage": {"enabled": False}, "schema_evolution": {"enabled": False}}


def test_credentials_go_by_environment() -> None:
    found = MANIFEST.connection("SRC", DSN)
    assert found["DPONE_CONN_CERTIFY_SRC_PASSWORD"] == PASSWORD
    assert found["DPONE_CONN_CERTIFY_SRC_HOST"] == "db.example"


@pytest.mark.parametrize(
    "dsn", ["postgresql://me@/db?host=/run/pg&port=7", "postgresql://%2Frun%2Fpg:7/db?user=me"]
)
def test_a_socket_directory_is_a_host(dsn: str) -> None:
    found = MANIFEST.connection("SRC", dsn)
    parts = tuple(
        found[f"DPONE_CONN_CERTIFY_SRC_{name}"] for name in ("HOST", "PORT", "DATABASE", "USERNAME")
    )
    assert parts == ("/run/pg", "7", "db", "me")


@pytest.mark.parametrize(
    "options",
    [{"replay": object()}, {"lookback_seconds": 5}, {"artifact": "stream"}, {"staging_retention": "keep"}],
)
def test_what_cannot_be_honoured_is_refused(options: dict[str, Any]) -> None:
    assert MANIFEST.refused(_job("incremental_merge", **options), {})
    assert MANIFEST.refused(_job("incremental_merge"), {}) is None


def test_new_columns_are_refused_where_schema_evolution_is_off() -> None:
    job = _job("incremental_merge", on_type_change="new_column")
    assert MANIFEST.refused(job, {}) is None
    assert MANIFEST.refused(job, load_catalog().engines["dpone_plain"].driver.config)


def test_a_prepared_load_reads_the_view_in_one_piece() -> None:
    config = load_catalog().engines["dpone_prepared"].driver.config
    made = MANIFEST.manifest(_job("incremental_append"), config, "c_1_view")
    assert made["defaults"]["source"]["options"] == {"incremental_column": "at", "batch_commit_mode": "whole"}
    assert list(made["schemas"]) == ["c_1_view"]
    plain = MANIFEST.manifest(_job("incremental_append"), {}, "c_1")
    assert plain["defaults"]["source"]["options"] == {"incremental_column": "at"}


def test_a_target_made_beforehand_has_a_type_for_everything() -> None:
    assert set(MANIFEST.COLUMN_TYPES) == set(LogicalType)


@pytest.mark.parametrize("engine", ["dpone", "dpone_plain"])
def test_all_237_cases_of_the_seeds_are_spoken_of(engine: str) -> None:
    """Into MSSQL, dpone's matrix lets no column cursor of a database through; all else it offers."""
    catalog = load_catalog()
    denied = set()
    for source, sink, strategy in catalog.matrix.cases():
        route = catalog.engines[engine].route(source, sink)
        assert route
        claim = route.strategies[strategy]
        assert claim.source_url, (source, sink, strategy)
        if claim.support is Support.UNSUPPORTED:
            denied.add((source, sink, str(strategy)))
    cursors = ("incremental_append", "incremental_merge")
    databases = ("postgres", "mssql", "mysql", "clickhouse")
    assert denied == {(source, "mssql", each) for source in databases for each in cursors}


def test_dpone_gets_a_python_that_it_asks_for() -> None:
    assert 'requires-python = ">=3.11,<3.13"' in (ENGINES / "dpone" / "driver.py").read_text("utf-8")
