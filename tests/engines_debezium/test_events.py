"""Debezium's events as it documents them; every expected value is written by hand."""

from __future__ import annotations

import base64
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.engines_debezium.modules import events

SOURCE = {"schema": "s", "table": "t"}


def optional(kind: str, name: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": kind, "optional": True, **({"name": name} if name else {}), **more}


def event(op: str, fields: dict[str, dict[str, Any]], row: dict[str, Any] | None, old: Any = None) -> str:
    image = [{**schema, "field": name} for name, schema in fields.items()]
    envelope = {
        "type": "struct",
        "fields": [
            {"type": "struct", "fields": image, "optional": True, "field": "before"},
            {"type": "struct", "fields": image, "optional": True, "field": "after"},
            {"type": "string", "optional": False, "field": "op"},
        ],
        "name": "p.s.t.Envelope",
    }
    payload = {"before": old, "after": row, "source": SOURCE, "op": op}
    return json.dumps({"schema": envelope, "payload": payload}, separators=(",", ":"), ensure_ascii=False)


DECIMAL = optional(
    "bytes",
    "org.apache.kafka.connect.data.Decimal",
    parameters={"scale": "10", "connect.decimal.precision": "38"},
)

VALUES: list[tuple[dict[str, Any], Any, str, Any]] = [
    (optional("boolean"), True, "boolean", True),
    (optional("int16"), -32768, "smallint", -32768),
    (optional("int32"), 2147483647, "integer", 2147483647),
    (optional("int64"), 9007199254740993, "bigint", 9007199254740993),
    (optional("double"), 0.1, "double precision", 0.1),
    (optional("double"), "Infinity", "double precision", float("inf")),
    (optional("string"), 'a",\\"payload":{', "text", 'a",\\"payload":{'),
    (optional("bytes"), "AP8=", "bytea", b"\x00\xff"),
    (DECIMAL, "+i3iRgA=", "numeric(38,10)", Decimal("-2.5000000000")),
    (DECIMAL, "AA==", "numeric(38,10)", Decimal("0E-10")),
    (
        DECIMAL,
        base64.b64encode((10**38 - 1).to_bytes(16, "big")).decode(),
        "numeric(38,10)",
        Decimal("9999999999999999999999999999.9999999999"),
    ),
    (optional("int32", "io.debezium.time.Date"), -719162, "date", date(1, 1, 1)),
    (optional("int32", "io.debezium.time.Date"), 2932896, "date", date(9999, 12, 31)),
    (
        optional("int64", "io.debezium.time.MicroTimestamp"),
        -1,
        "timestamp without time zone",
        datetime(1969, 12, 31, 23, 59, 59, 999999),
    ),
    (
        optional("int64", "io.debezium.time.Timestamp"),
        1500,
        "timestamp without time zone",
        datetime(1970, 1, 1, 0, 0, 1, 500000),
    ),
    (
        optional("string", "io.debezium.time.ZonedTimestamp"),
        "9999-12-31T23:59:59.999999Z",
        "timestamp with time zone",
        "9999-12-31T23:59:59.999999Z",
    ),
    (
        optional("string", "io.debezium.time.ZonedTimestamp"),
        "-0043-03-15T12:00:00.000000Z",
        "timestamp with time zone",
        "0044-03-15T12:00:00.000000+00 BC",
    ),
    (
        optional("string", "io.debezium.time.ZonedTimestamp"),
        "0000-12-31T00:00:00Z",
        "timestamp with time zone",
        "0001-12-31T00:00:00+00 BC",
    ),
    (
        optional("string", "io.debezium.time.ZonedTimestamp"),
        "infinity",
        "timestamp with time zone",
        "infinity",
    ),
    (optional("string", "io.debezium.data.Json"), '{"a": 1.0}', "jsonb", '{"a": 1.0}'),
    (optional("string", "io.debezium.data.Uuid"), "2aaf7cdc-8a8a-4c7e-9a8b-ff0583b4cd20", "uuid", None),
    (optional("array", items=optional("int64")), [1, None], "bigint[]", [1, None]),
    (optional("array", items=optional("string")), ["", None, "a"], "text[]", ["", None, "a"]),
    (optional("array", items=DECIMAL), ["+i3iRgA="], "numeric(38,10)[]", [Decimal("-2.5")]),
]


@pytest.mark.parametrize(("schema", "told", "kind", "meant"), VALUES)
def test_a_value_is_read_as_documented(schema: dict[str, Any], told: Any, kind: str, meant: Any) -> None:
    change = events.Reader("-").read(event("c", {"v": schema}, {"v": told}))
    assert [(column.name, column.type) for column in change.columns] == [("v", kind)]
    assert change.row == {"v": told if meant is None else meant}


def test_not_a_number_and_minus_zero() -> None:
    fields = {"a": optional("double"), "b": optional("double")}
    row = events.Reader("-").read(event("r", fields, {"a": "NaN", "b": -0.0})).row
    assert str(row["a"]) == "nan"
    assert str(row["b"]) == "-0.0"


def test_null_is_null_whatever_the_type() -> None:
    for schema, *_ in VALUES:
        assert events.Reader("-").read(event("c", {"v": schema}, {"v": None})).row == {"v": None}


def test_a_delete_is_read_from_before() -> None:
    change = events.Reader("-").read(event("d", {"id": optional("int64")}, None, {"id": 7}))
    assert (change.op, change.row, change.table) == ("d", {"id": 7}, ("s", "t"))


def test_what_the_log_left_out_is_missing_not_a_value() -> None:
    mark = "unavailable-1"
    fields = {
        "id": optional("int64"),
        "t": optional("string"),
        "b": optional("bytes"),
        "i": optional("array", items=optional("int64")),
        "s": optional("array", items=optional("string")),
    }
    row = {
        "id": 1,
        "t": mark,
        "b": base64.b64encode(mark.encode()).decode(),
        "i": list(mark.encode()),
        "s": [mark],
    }
    change = events.Reader(mark).read(event("u", fields, row))
    assert change.row == {"id": 1}
    assert change.missing == ("t", "b", "i", "s")


def test_a_schema_that_changes_is_followed() -> None:
    reader = events.Reader("-")
    assert reader.read(event("c", {"a": optional("int32")}, {"a": 1})).columns[0].type == "integer"
    assert reader.read(event("c", {"a": optional("int64")}, {"a": 1})).columns[0].type == "bigint"


def test_messages_truncates_and_notifications() -> None:
    reader = events.Reader("-")
    schema = '{"schema":{"type":"struct"},"payload":'
    message = {"op": "m", "source": SOURCE, "message": {"prefix": "p", "content": "bTE="}}
    assert reader.read(schema + json.dumps(message) + "}").message == b"m1"
    assert reader.read(schema + json.dumps({"op": "t", "source": SOURCE}) + "}").op == "t"
    notice = {"aggregate_type": "Initial Snapshot", "type": "STARTED", "additional_data": {"a": "b"}}
    told = reader.read(schema + json.dumps(notice) + "}")
    assert (told.about, told.state, told.details) == ("Initial Snapshot", "STARTED", {"a": "b"})
    assert reader.read(schema + '{"ts_ms":1}}') is None
    assert reader.read(schema + "null}") is None


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (optional("int64", "io.debezium.time.MicroDuration"), 1),  # a type this reader does not know
        (optional("struct", "io.debezium.data.geometry.Point"), {}),
        (optional("int32", "io.debezium.time.Date"), 2147483647),  # 'infinity'
        (optional("int64", "io.debezium.time.MicroTimestamp"), 9223372036825200000),
    ],
)
def test_what_cannot_be_read_is_refused(schema: dict[str, Any], value: Any) -> None:
    with pytest.raises(events.UnreadableError):
        events.Reader("-").read(event("c", {"v": schema}, {"v": value}))


def test_an_event_without_schema_is_refused() -> None:
    with pytest.raises(events.UnreadableError):
        events.Reader("-").read('{"before":null}')
