"""What is done for dpone beforehand, as the statements a database would get."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self

import pytest
from psycopg import sql

from certification_pipeline.catalog.loading import load_catalog

FOLDER = Path(__file__).parents[2] / "certification_pipeline" / "harness" / "engines" / "dpone"
PLAIN = [("id", "bigint", False, True), ("note", "text", False, False)]
ARRAYS = [*PLAIN, ('tag"s', "text[]", True, False)]


class _Database:
    """Answers the question for columns, and writes down everything else."""

    def __init__(self, columns: list[tuple[str, str, bool, bool]]) -> None:
        self.columns = columns
        self.statements: list[str] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, statement: str | sql.Composed, values: object = None) -> Any:
        if values is None:
            assert isinstance(statement, sql.Composed)
            self.statements.append(statement.as_string(None))
        return SimpleNamespace(fetchall=lambda: self.columns)


@pytest.fixture
def operator_side(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    held = {name: sys.modules.pop(name, None) for name in ("manifest", "operator_side")}
    monkeypatch.setattr(sys, "path", [str(FOLDER), *sys.path])
    yield importlib.import_module("operator_side")
    for name, module in held.items():
        sys.modules.pop(name, None)
        if module is not None:
            sys.modules[name] = module


def _job(strategy: str = "full_refresh") -> Any:
    end = SimpleNamespace(system="postgres", dsn="postgresql://", namespace="c_1", name="t")
    return SimpleNamespace(source=end, sink=end, strategy=strategy, columns=[])


def _done(module: ModuleType, monkeypatch: pytest.MonkeyPatch, columns: Any) -> _Database:
    database = _Database(columns)
    monkeypatch.setattr(module, "_connect", lambda dsn: database)
    return database


def test_a_view_presents_arrays_as_json_and_goes_with_the_load(
    operator_side: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = _done(operator_side, monkeypatch, ARRAYS)
    with operator_side.view(_job()) as schema:
        assert schema == "c_1_view"
        made = database.statements[-1]
    selected = '"id", "note", to_jsonb("tag""s") AS "tag""s"'
    assert made == f'CREATE VIEW "c_1_view"."t" AS SELECT {selected} FROM "c_1"."t"'
    assert database.statements[-1] == 'DROP VIEW IF EXISTS "c_1_view"."t"'


def test_a_view_goes_with_a_load_that_fails(
    operator_side: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = _done(operator_side, monkeypatch, ARRAYS)
    with pytest.raises(ConnectionError), operator_side.view(_job()):
        raise ConnectionError
    assert database.statements[-1].startswith("DROP VIEW")


def test_a_table_without_arrays_is_read_itself(
    operator_side: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = _done(operator_side, monkeypatch, PLAIN)
    with operator_side.view(_job()) as schema:
        assert schema == "c_1"
    assert database.statements == []


@pytest.mark.parametrize(
    ("columns", "strategy", "parts"),
    [
        (PLAIN, "full_refresh", '"id" bigint NOT NULL, "note" text NULL'),
        (ARRAYS, "full_refresh", '"id" bigint NULL, "note" text NULL, "tag""s" jsonb NULL'),
        (PLAIN, "snapshot_diff", '"id" bigint NOT NULL, "note" text NULL, "__dpone__row_hash" text NULL'),
        (PLAIN, "scd2", None),
        ([], "full_refresh", None),
    ],
)
def test_a_target_is_provisioned_in_the_shape_of_its_source(
    operator_side: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    columns: Any,
    strategy: str,
    parts: str | None,
) -> None:
    database = _done(operator_side, monkeypatch, list(columns))
    operator_side.provision(_job(strategy))
    made = [f'CREATE TABLE IF NOT EXISTS "c_1"."t" ({parts})'] if parts else []
    assert database.statements == made


def test_whose_work_the_view_is_is_said_where_the_engine_is_described() -> None:
    engine = load_catalog().engines["dpone_prepared"]
    assert "prepared by hand" in engine.title
    assert "the operator's work and not dpone's" in " ".join(engine.description.split())
