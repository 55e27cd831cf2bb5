"""Names that break connectors, for tables and columns."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error
from tests.reference.conftest import Pipeline

pytestmark = pytest.mark.integration

COLUMNS = (
    "select",
    "Order",
    "with space",
    "dot.ted",
    'quo"te',
    "apo'strophe",
    "per%cent %s %(a)s",
    "1leading",
    "größe",
    "列",
    "back\\slash",
    "semi;colon--",
    "x" * 63,
    "rowid",
    "valid",
    "t",
    "s",
)
TABLES = ("select", "We ird.Ta'ble%s", 'quo"te', "größe 列", "1st", "n" * 63, "back\\slash", "gl*o[b]?{a,b}")


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("strategy", [Strategy.INCREMENTAL_MERGE, Strategy.SCD2])
def test_columns(pipeline: Pipeline, strategy: Strategy) -> None:
    definitions = ", ".join(f"{quoted(name)} text" for name in COLUMNS)
    values = ", ".join(f"'v{i}'" for i in range(len(COLUMNS)))
    pipeline.sql(
        f"CREATE TABLE {{t}} (id bigint PRIMARY KEY, {definitions}, updated_at timestamptz DEFAULT now())",
        f"INSERT INTO {{t}} VALUES (1, {values})",
    )
    pipeline.load(strategy)
    pipeline.sql(f"UPDATE {{t}} SET {quoted('Order')} = 'new', updated_at = now()")
    pipeline.load(strategy)
    wanted = [f"v{i}" for i in range(len(COLUMNS))]
    wanted[COLUMNS.index("Order")] = "new"
    names = ", ".join(map(quoted, COLUMNS))
    found = pipeline.rows(names, quoted("Order"))
    assert list(found[0]) == wanted
    assert len(found) == (2 if strategy is Strategy.SCD2 else 1)


@pytest.mark.parametrize("name", TABLES)
def test_tables(pipeline: Pipeline, name: str) -> None:
    pipeline.sql("CREATE TABLE {t} (id bigint PRIMARY KEY, v text, updated_at timestamptz DEFAULT now())")
    pipeline.sql("INSERT INTO {t} VALUES (1, 'x')")
    plain, pipeline.name = pipeline.name, f"{pipeline.name}{name}"[:63]
    pipeline.sql(f"ALTER TABLE {plain} RENAME TO {quoted(pipeline.name)}")
    pipeline.sink_name = name
    for strategy in (Strategy.FULL_REFRESH, Strategy.INCREMENTAL_MERGE):
        pipeline.load(strategy)
    if '"' not in name and "'" not in name:
        assert pipeline.rows("id, v", "1") == [(1, "x")]


def test_names_that_differ_in_case_only(pipeline: Pipeline) -> None:
    pipeline.sql(
        'CREATE TABLE {t} (id bigint PRIMARY KEY, "order" text, "Order" text)',
        "INSERT INTO {t} VALUES (1, 'a', 'b')",
    )
    answer = pipeline.attempt(Strategy.FULL_REFRESH)
    if pipeline.sink_system == "postgres":
        assert not isinstance(answer, Error)
        assert pipeline.rows('"order", "Order"', "1") == [("a", "b")]
    else:
        assert isinstance(answer, Error)
        assert answer.category is FailureCategory.SCHEMA
        assert "'order' and 'Order'" in answer.message


@pytest.mark.parametrize("name", ["", "..", "a/b", "nul\0"])
def test_a_table_that_cannot_be_a_directory(databases: object, tmp_path: object, name: str) -> None:
    pipeline = Pipeline(databases, "parquet", tmp_path)  # type: ignore[arg-type]
    pipeline.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)")
    request = pipeline.request(Strategy.FULL_REFRESH)
    wrong = request.model_copy(update={"sink": request.sink.model_copy(update={"name": name})})
    pipeline.request = lambda *_, **__: wrong  # type: ignore[method-assign,assignment]
    answer = pipeline.attempt(Strategy.FULL_REFRESH)
    assert isinstance(answer, Error)
    assert answer.category in (FailureCategory.SCHEMA, FailureCategory.CONFIGURATION)


def test_a_name_the_sink_would_cut(to_postgres: Pipeline) -> None:
    to_postgres.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)")
    to_postgres.sink_name = "ü" * 32
    answer = to_postgres.attempt(Strategy.FULL_REFRESH)
    assert isinstance(answer, Error)
    assert answer.category is FailureCategory.SCHEMA
    assert "63 bytes" in answer.message
