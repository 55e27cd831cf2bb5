"""The manifest a request becomes, and how failures are named; dpone itself is not needed."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.harness.workload.spec import LogicalType

FOLDER = Path(__file__).parents[2] / "certification_pipeline" / "harness" / "engines" / "dpone"
PASSWORD = "s3cret/word"
DSN = "postgresql://someone:s3cret%2Fword@db.example:5433/sales"


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"dpone_driver_{name}", FOLDER / f"{name}.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MANIFEST, FAILURES = _module("manifest"), _module("failures")


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
    made = MANIFEST.manifest(_job(strategy), {})
    mode = made["defaults"]["sink"]["strategy"]["mode"]
    assert mode == ("incremental_merge" if strategy in ("xmin", "cdc") else strategy)
    assert "s3cret" not in json.dumps(made)


def test_everything_dpone_leaves_lies_in_schemas_of_the_cell() -> None:
    assert all(schema.startswith("c_1") for schema in MANIFEST.schemas(_job("full_refresh")))


def test_a_slice_is_half_open_and_quotes_its_column() -> None:
    made = MANIFEST.manifest(_job("replace"), {})
    predicate = made["defaults"]["sink"]["strategy"]["custom_predicate"]
    day = '"the ""day"""'
    assert predicate == f"{day} >= DATE '2026-01-01' AND {day} < DATE '2026-01-03'"


def test_the_two_configurations_differ_in_the_documented_switches() -> None:
    catalog = load_catalog()
    job = _job("full_refresh")
    default, plain = (
        MANIFEST.manifest(job, catalog.engines[each].driver.config)["defaults"]["sink"]["options"]
        for each in ("dpone", "dpone_plain")
    )
    assert default == {}
    assert plain == {"lineage": {"enabled": False}, "schema_evolution": {"enabled": False}}


def test_credentials_go_by_environment() -> None:
    found = MANIFEST.connection("SRC", DSN)
    assert found["DPONE_CONN_CERTIFY_SRC_PASSWORD"] == PASSWORD
    assert found["DPONE_CONN_CERTIFY_SRC_HOST"] == "db.example"


@pytest.mark.parametrize("options", [{"replay": object()}, {"lookback_seconds": 5}, {"artifact": "stream"}])
def test_what_cannot_be_honoured_is_refused(options: dict[str, Any]) -> None:
    assert MANIFEST.refused(_job("incremental_merge", **options))
    assert MANIFEST.refused(_job("incremental_merge")) is None


def test_a_target_made_beforehand_has_a_type_for_everything() -> None:
    assert set(MANIFEST.COLUMN_TYPES) == set(LogicalType)


def test_all_237_cases_of_the_seeds_are_spoken_of() -> None:
    catalog = load_catalog()
    for source, sink, strategy in catalog.matrix.cases():
        route = catalog.engines["dpone"].route(source, sink)
        assert route
        assert route.strategies[strategy].support is not Support.UNSUPPORTED, (source, sink, strategy)


class _Sql(Exception):  # noqa: N818 - stands for psycopg's
    def __init__(self, message: str, sqlstate: str | None = None) -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


class SchemaEvolutionError(Exception):
    """As dpone's is called."""


class OperationalError(Exception):
    """As psycopg's is called, which has no SQLSTATE when there is no connection."""


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (_Sql("relation does not exist", "42P01"), "not_found"),
        (_Sql("syntax error", "42601"), "schema"),
        (_Sql("bad copy", "22P04"), "data"),
        (OperationalError("connection failed: password authentication failed"), "authentication"),
        (OperationalError("connection failed: Connection refused"), "connectivity"),
        (SchemaEvolutionError("DPONE_SCHEMA_EVOLUTION_BLOCKED"), "schema"),
        (RuntimeError("nobody knows"), "internal"),
    ],
)
def test_failures_are_named_by_what_is_closest_to_them(error: Exception, category: str) -> None:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    assert FAILURES.classify(wrapped, DSN)[0] == category


def test_messages_hold_neither_passwords_nor_rows() -> None:
    error = RuntimeError(f"cannot use {DSN} or {PASSWORD} DETAIL: row (4711)")
    message = FAILURES.classify(error, DSN)[1]
    assert "s3cret" not in message
    assert "4711" not in message
