"""Values at their limits arrive exactly, or by the physical limit that is named here."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Context, Decimal
from typing import Any

import psycopg
import pyarrow as pa
import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.artifacts import InMemoryRows
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.pgtext import arrow_batches, elements
from certification_pipeline.reference.schema import Column, ColumnType
from tests.reference.conftest import Pipeline

CREATE = """CREATE TABLE {t} (id bigint PRIMARY KEY, b bool, i2 smallint, i4 integer, i8 bigint,
    n numeric(38,10), f float8, s text, d date, ts timestamp, tz timestamptz, bin bytea, u uuid, j jsonb,
    ia bigint[], sa text[], updated_at timestamptz DEFAULT now())"""
TEXTS = [
    "",
    " padded ",
    "quote \" comma , apostrophe '",
    "line\nfeed\r\nand return\r",
    "\\N",
    "\\.",
    "NULL",
    "nan",
    "🚀 é é",
    "%s %(x)s",
    "tab\t\x01\x7f",
    "x" * 9000,
]
NUMBERS = [
    "9999999999999999999999999999.9999999999",
    "-0.0000000001",
    "0",
    "12345678901234567.1",
]
FLOATS = [math.nan, math.inf, -math.inf, -0.0, 5e-324, 0.1, 1.7976931348623157e308]
WIDE = Context(prec=38)
UUID = "00000000-0000-4000-8000-00000000abcd"


def rows() -> list[tuple[Any, ...]]:
    result: list[tuple[Any, ...]] = [(0, *[None] * 15)]
    for number in range(max(len(TEXTS), len(FLOATS))):
        result.append(
            (
                number + 1,
                number % 2 == 0,
                -(2**15) if number else 2**15 - 1,
                2**31 - 1 if number else -(2**31),
                2**63 - 1 if number else -(2**63),
                Decimal(NUMBERS[number % len(NUMBERS)]).quantize(Decimal("1e-10"), context=WIDE),
                FLOATS[number % len(FLOATS)],
                TEXTS[number % len(TEXTS)],
                (dt.date.min, dt.date.max, dt.date(1582, 10, 10))[number % 3],
                (dt.datetime.min, dt.datetime.max, dt.datetime(2024, 3, 31, 2, 30))[number % 3],
                dt.datetime(2024, 10, 27, 0, 30, 0, number, tzinfo=dt.UTC),
                (b"", b"\x00\xff\\", b"'\"")[number % 3],
                UUID,
                json.dumps({"k": [1, None, "ü\n"], "z": number}),
                ([], [1, None, -(2**63)], [7])[number % 3],
                ([], ['a,"b\\', None, "", "NULL", "{}", " x "], ["\n"])[number % 3],
            )
        )
    return result


def fill(pipeline: Pipeline) -> None:
    pipeline.sql(CREATE)
    insert(pipeline)


def insert(pipeline: Pipeline) -> None:
    marks = ", ".join(["%s"] * 16)
    with psycopg.connect(pipeline.databases.source) as connection:
        connection.cursor().executemany(f'INSERT INTO "{pipeline.name}" VALUES ({marks})'.encode(), rows())


def as_stored(system: str, row: tuple[Any, ...]) -> list[Any]:
    """A row as the system's own client gives it back; what is lost is lost by the system."""
    key, b, i2, i4, i8, n, f, s, d, ts, tz, by, u, j, ia, sa = row
    if key == 0 or system == "postgres":
        return [key, b, i2, i4, i8, n, f, s, d, ts, tz, by, u, j and json.loads(j), ia, sa]
    if system != "sqlite":
        return [key, b, i2, i4, i8, n, f, s, d, ts, tz, by, u, json.loads(j), ia, sa]
    return [
        key,
        int(b),
        i2,
        i4,
        i8,
        f"{n:.10f}",
        None if math.isnan(f) else (0.0 if f == 0 else f),
        s,
        d.isoformat(),
        ts.isoformat(sep=" ", timespec="microseconds"),
        tz.isoformat(sep=" ", timespec="microseconds"),
        by,
        u,
        json.loads(j),
        json.dumps(ia, separators=(",", ":")),
        json.dumps(sa, separators=(",", ":")),
    ]


def image(value: Any) -> Any:
    """Equal only for equal bits: NaN is itself, and -0.0 is not 0.0."""
    return repr(value) if isinstance(value, float | Decimal) else value


@pytest.mark.integration
def test_every_type_at_its_limits(pipeline: Pipeline) -> None:
    fill(pipeline)
    pipeline.load(Strategy.FULL_REFRESH)
    check(pipeline)
    idle = pipeline.load(Strategy.SNAPSHOT_DIFF)
    assert (idle.inserted_rows, idle.updated_rows, idle.deleted_rows) == (0, 0, 0)


@pytest.mark.integration
def test_every_type_through_the_log(pipeline: Pipeline) -> None:
    pipeline.sql(CREATE)
    pipeline.load(Strategy.CDC)
    insert(pipeline)
    pipeline.load(Strategy.CDC)
    check(pipeline)


def check(pipeline: Pipeline) -> None:
    columns = "id, b, i2, i4, i8, n, f, s, d, ts, tz, bin, u, j, ia, sa"
    if pipeline.sink_system in ("duckdb", "parquet"):
        columns = columns.replace("u,", "CAST(u AS VARCHAR),")
    found = pipeline.rows(columns, "id")
    for row, expected in zip(found, rows(), strict=True):
        actual = list(row)
        if isinstance(actual[13], str):
            actual[13] = json.loads(actual[13])
        if pipeline.sink_system == "postgres" and actual[12] is not None:
            actual[12] = str(actual[12])
        wanted = as_stored(pipeline.sink_system, expected)
        assert list(map(image, actual)) == list(map(image, wanted))


@pytest.mark.integration
def test_physical_types_of_parquet(databases: Any, tmp_path: Any) -> None:
    import pyarrow.parquet as pq

    pipeline = Pipeline(databases, "parquet", tmp_path)
    fill(pipeline)
    pipeline.load(Strategy.FULL_REFRESH)
    [file] = (tmp_path / "lake" / "out" / pipeline.name).glob("*.parquet")
    schema = pq.read_schema(file)
    types = {name: str(schema.field(name).type) for name in ("n", "tz", "ts", "u", "j", "d", "i2")}
    assert types == {
        "n": "decimal128(38, 10)",
        "tz": "timestamp[us, tz=UTC]",
        "ts": "timestamp[us]",
        "u": "string",
        "j": "string",
        "d": "date32[day]",
        "i2": "int16",
    }
    assert schema.field("ia").type == pa.list_(pa.int64())
    assert schema.field("sa").type == pa.list_(pa.string())


@pytest.mark.integration
def test_nan_in_a_column_that_may_not_be_null(pipeline: Pipeline) -> None:
    """SQLite makes NULL of NaN, so its column must allow that; the others keep NaN."""
    pipeline.sql(
        "CREATE TABLE {t} (id bigint PRIMARY KEY, f float8 NOT NULL, updated_at timestamptz DEFAULT now())",
        "INSERT INTO {t} VALUES (1, 'NaN')",
    )
    for strategy in (Strategy.INCREMENTAL_MERGE, Strategy.FULL_REFRESH):
        pipeline.load(strategy)
        [(value,)] = pipeline.rows("f", "1")
        assert value is None if pipeline.sink_system == "sqlite" else math.isnan(value)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("definition", "value", "category"),
    [
        ("ts timestamp", "'infinity'", FailureCategory.DATA),
        ("d date", "'0044-03-15 BC'", FailureCategory.DATA),
        ("n numeric(38,10)", "'NaN'", FailureCategory.DATA),
        ("n numeric", "0.00000000001", FailureCategory.DATA),
        ("a bigint[]", "'{{1,2},{3,4}}'", FailureCategory.DATA),
        ("a bigint[]", "'[0:1]={1,2}'", FailureCategory.DATA),
        ("i interval", "'1 day'", FailureCategory.UNSUPPORTED),
        ("n numeric(60,2)", "1", FailureCategory.UNSUPPORTED),
    ],
)
def test_what_a_sink_cannot_hold_is_refused_and_never_bent(
    pipeline: Pipeline, definition: str, value: str, category: FailureCategory
) -> None:
    pipeline.sql(
        f"CREATE TABLE {{t}} (id bigint PRIMARY KEY, {definition})", f"INSERT INTO {{t}} VALUES (1, {value})"
    )
    answer = pipeline.attempt(Strategy.FULL_REFRESH)
    if pipeline.sink_system == "postgres":
        assert not isinstance(answer, Error), "PostgreSQL holds what PostgreSQL holds"
    else:
        assert isinstance(answer, Error)
        assert answer.category is category
        assert definition.split(maxsplit=1)[0] in answer.message or "array" in answer.message
        assert "BC" not in answer.message, "no row values in messages"


def test_text_null_and_empty_stay_apart() -> None:
    columns = (Column("a", ColumnType(LogicalType.TEXT)), Column("b", ColumnType(LogicalType.BYTES)))
    artifact = InMemoryRows(((None, "\\x"), ("", None), ('"\n', "\\x00")))
    [table] = arrow_batches(artifact, columns)
    assert table.to_pydict() == {"a": [None, "", '"\n'], "b": [b"", None, b"\x00"]}


def test_a_value_of_the_wrong_type_names_its_column_and_not_itself() -> None:
    columns = (Column("fine", ColumnType(LogicalType.TEXT)), Column("hurt", ColumnType(LogicalType.INT16)))
    with pytest.raises(LoadError, match="'hurt'") as caught:
        list(arrow_batches(InMemoryRows((("x", "sensitive"),)), columns))
    assert "sensitive" not in str(caught.value)


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("{}", []),
        ("{NULL}", [None]),
        ('{"NULL",null}', ["NULL", None]),
        (r'{"a\"b","c\\d","{}",","}', ['a"b', "c\\d", "{}", ","]),
        ('{""}', [""]),
        ('{"\n"}', ["\n"]),
    ],
)
def test_array_literals(literal: str, expected: list[str | None]) -> None:
    assert elements(literal) == expected
