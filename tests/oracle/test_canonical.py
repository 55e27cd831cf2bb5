"""Equal values have one canonical text, different values have different ones, whatever holds them."""

from __future__ import annotations

import datetime as dt
import json
import math
import struct
from decimal import Decimal
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.harness.oracle.canonical import canonical
from certification_pipeline.harness.workload.edges import edge_values
from certification_pipeline.harness.workload.spec import ARROW_TYPES, LogicalType

T = LogicalType
RANDOM = settings(max_examples=40, deadline=None)

plain_text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
decimals = st.decimals(
    min_value=Decimal(-(10**27)), max_value=Decimal(10**27), places=10, allow_nan=False, allow_infinity=False
)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | plain_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(plain_text, inner, max_size=3),
    max_leaves=8,
)
VALUES: dict[T, st.SearchStrategy[Any]] = {
    T.BOOL: st.booleans(),
    T.INT16: st.integers(-(2**15), 2**15 - 1),
    T.INT32: st.integers(-(2**31), 2**31 - 1),
    T.INT64: st.integers(-(2**63), 2**63 - 1),
    T.DECIMAL: decimals,
    T.FLOAT64: st.floats(),
    T.TEXT: plain_text,
    T.DATE: st.dates(),
    T.TIMESTAMP: st.datetimes(),
    T.TIMESTAMPTZ: st.datetimes(timezones=st.just(dt.UTC)),
    T.BYTES: st.binary(max_size=12),
    T.UUID: st.uuids().map(str),
    T.JSON: json_values.map(json.dumps),
    T.INT_ARRAY: st.lists(st.none() | st.integers(-(2**63), 2**63 - 1), max_size=4),
    T.TEXT_ARRAY: st.lists(st.none() | plain_text, max_size=4),
}


def one(value: Any, logical: T) -> str | None:
    return canonical(pa.array([value], ARROW_TYPES[logical]), logical)[0].as_py()


def text(value: str | None, logical: T) -> str | None:
    return canonical(pa.array([value], pa.string()), logical)[0].as_py()


def identity(value: Any, logical: T) -> Any:
    """What makes two values the same: bits for floats, meaning for JSON."""
    if logical is T.FLOAT64:
        return "nan" if math.isnan(value) else struct.pack(">d", value)
    return repr(json.loads(value)) if logical is T.JSON else value


@pytest.mark.parametrize("logical", list(T))
@RANDOM
@given(data=st.data())
def test_texts_are_equal_exactly_when_values_are(logical: T, data: st.DataObject) -> None:
    left, right = data.draw(VALUES[logical]), data.draw(VALUES[logical])
    if logical is T.JSON:
        left, right = (
            json.dumps(json.loads(left), sort_keys=True),
            json.dumps(json.loads(right), sort_keys=True),
        )
    equal = identity(left, logical) == identity(right, logical)
    assert (one(left, logical) == one(right, logical)) is equal


@pytest.mark.parametrize("logical", list(T))
@RANDOM
@given(data=st.data())
def test_canonical_text_is_a_fixed_point_and_ignores_how_arrays_are_sliced(
    logical: T, data: st.DataObject
) -> None:
    values = data.draw(st.lists(st.none() | VALUES[logical], max_size=8))
    array = pa.array(values, ARROW_TYPES[logical])
    texts = canonical(array, logical)
    assert canonical(texts, logical).equals(texts)
    assert [t.as_py() is None for t in texts] == [v is None for v in values]
    for cut in range(len(values) + 1):
        assert canonical(array.slice(cut), logical).equals(texts.slice(cut))
        chunks = pa.chunked_array([array.slice(0, cut), array.slice(cut)])
        assert canonical(chunks, logical).equals(texts)


OTHER_ARROW_TYPES = {
    T.INT16: pa.int64(),
    T.INT32: pa.decimal128(38, 0),
    T.DECIMAL: pa.decimal256(50, 15),
    T.TEXT: pa.large_string(),
    T.DATE: pa.date64(),
    T.BYTES: pa.large_binary(),
    T.UUID: pa.large_string(),
    T.JSON: pa.large_string(),
    T.INT_ARRAY: pa.large_list(pa.int64()),
    T.TEXT_ARRAY: pa.list_(pa.large_string()),
}


@pytest.mark.parametrize("logical", list(OTHER_ARROW_TYPES))
def test_all_arrow_spellings_agree(logical: T) -> None:
    array = edge_values(logical)
    other = array.cast(OTHER_ARROW_TYPES[logical])
    assert canonical(other, logical).equals(canonical(array, logical))
    if not pa.types.is_nested(array.type):
        assert canonical(array.dictionary_encode(), logical).equals(canonical(array, logical))


@pytest.mark.parametrize(
    ("logical", "spelling", "expected"),
    [
        (T.DECIMAL, "1.50", "1.5"),
        (T.DECIMAL, "-0.00", "0"),
        (T.DECIMAL, "1E-7", "0.0000001"),
        (T.DECIMAL, "1e5", "100000"),
        (T.DECIMAL, "9007199254740993.0000000001", "9007199254740993.0000000001"),
        (T.INT64, "007", "7"),
        (T.INT64, "9223372036854775807", "9223372036854775807"),
        (T.FLOAT64, "1e+16", "1e+16"),
        (T.FLOAT64, "10000000000000000", "1e+16"),
        (T.FLOAT64, "-0", "-0"),
        (T.FLOAT64, "0.10", "0.1"),
        (T.BOOL, "true", "t"),
        (T.BOOL, "0", "f"),
        (T.UUID, "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
        (T.BYTES, "\\xDEADbeef", "\\xdeadbeef"),
        (T.TIMESTAMP, "2024-03-31T02:30:00.500", "2024-03-31 02:30:00.5"),
        (T.TIMESTAMPTZ, "2024-03-31 02:30:00.5+02", "2024-03-31 00:30:00.5+00"),
        (T.TIMESTAMPTZ, "2024-03-31T02:30:00Z", "2024-03-31 02:30:00+00"),
        (T.TIMESTAMPTZ, "2024-01-01 00:00:00-05:30", "2024-01-01 05:30:00+00"),
        (T.JSON, '{"b": 1.0, "a": [1e2, true]}', '{"a":[100,true],"b":1}'),
        (T.JSON, "9007199254740993", "9007199254740993"),
        (T.JSON, "0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
        (T.INT_ARRAY, "{1,NULL,-3}", "[1,null,-3]"),
        (T.INT_ARRAY, "[1, null, -3]", "[1,null,-3]"),
        (T.TEXT_ARRAY, '{a,"b c",NULL,"NULL","","q\\"\\\\"}', '["a","b c",null,"NULL","","q\\"\\\\"]'),
        (T.TEXT_ARRAY, '["a", null]', '["a",null]'),
    ],
)
def test_other_spellings_of_a_value(logical: T, spelling: str, expected: str) -> None:
    assert text(spelling, logical) == expected


@pytest.mark.parametrize(
    ("logical", "garbage"),
    [
        (T.INT64, " 5"),
        (T.INT64, "5_0"),
        (T.DECIMAL, "1,5"),
        (T.FLOAT64, "1_0.0"),
        (T.BOOL, "yes"),
        (T.JSON, "{'a': 1}"),
        (T.JSON, "NaN"),
        (T.JSON, "[" * 100_000),
        (T.UUID, "not-a-uuid"),
        (T.TIMESTAMP, "2024-01-01 00:00:00+02"),
        (T.INT_ARRAY, "{1,2"),
        (T.BYTES, "\\x0"),
    ],
)
def test_what_is_no_value_keeps_its_text(logical: T, garbage: str) -> None:
    assert text(garbage, logical) == garbage


def test_years_outside_python_are_written_as_postgresql_does() -> None:
    days = pa.array([-719_163, -2_440_588, 2_932_897], pa.int32()).cast(pa.date32())
    assert canonical(days, T.DATE).to_pylist() == ["0001-12-31 BC", "4714-11-24 BC", "10000-01-01"]
    first = pa.array([-62_135_596_800_000_000 - 1], pa.timestamp("us", "UTC"))
    assert canonical(first, T.TIMESTAMPTZ).to_pylist() == ["0001-12-31 23:59:59.999999+00 BC"]


def test_nanoseconds_are_not_dropped() -> None:
    instants = pa.array([1, 1000, None], pa.timestamp("ns"))
    expected = ["1970-01-01 00:00:00.000000001", "1970-01-01 00:00:00.000001", None]
    assert canonical(instants, T.TIMESTAMP).to_pylist() == expected


@pytest.mark.integration
@pytest.mark.parametrize("logical", [T.DECIMAL, T.DATE, T.TIMESTAMP, T.TIMESTAMPTZ, T.BYTES, T.BOOL, T.UUID])
def test_the_form_is_postgresqls_own(logical: T, postgres_dsn: str) -> None:
    """What the module's docstring says, asked of PostgreSQL itself (decimals: without trailing zeros)."""
    values = [v for v in canonical(edge_values(logical), logical).to_pylist() if v is not None]
    kind = {T.DECIMAL: "numeric", T.BYTES: "bytea"}.get(logical, logical.value)
    with psycopg.connect(postgres_dsn, options="-c TimeZone=UTC") as connection:
        rows = connection.execute(
            f"SELECT v::{kind}::text FROM unnest(%s::text[]) AS v", (values,)
        ).fetchall()
    shown = [{"true": "t", "false": "f"}.get(row[0], row[0]) for row in rows]
    assert shown == values


def test_duckdbs_infinite_dates_are_not_mistaken_for_days() -> None:
    rows = duckdb.sql("SELECT 'infinity'::DATE AS d, '-infinity'::TIMESTAMP AS t").to_arrow_table()
    assert canonical(rows["d"], T.DATE).to_pylist() == ["infinity"]
    assert canonical(rows["t"], T.TIMESTAMP).to_pylist() == ["-infinity"]
