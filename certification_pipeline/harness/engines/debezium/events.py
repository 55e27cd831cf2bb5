"""Debezium's JSON change events, read by the schema that each one carries.

Every mapping is one of Debezium's documented types (PostgreSQL connector, "Data type mappings"); an event
of a type that is not here is refused, never guessed. Knows neither Java nor a sink.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

Decode = Callable[[Any], Any]
Row = dict[str, Any]

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_EPOCH = datetime(1970, 1, 1)
_SEPARATOR = ',"payload":'


class UnreadableError(Exception):
    """An event that this reader does not understand, or a value beyond what it can hold."""


@dataclass(frozen=True)
class Column:
    """A column as the event's schema declares it; ``type`` is PostgreSQL's name for it."""

    name: str
    type: str
    decode: Decode


@dataclass(frozen=True)
class Change:
    """One event: ``op`` is Debezium's (r, c, u, d, t, m), ``row`` lacks columns that the log left out."""

    op: str
    table: tuple[str, str] = ("", "")
    columns: tuple[Column, ...] = ()
    row: Row | None = None
    missing: tuple[str, ...] = ()
    message: bytes = b""


@dataclass(frozen=True)
class Notice:
    """A notification: what of (``Initial Snapshot``), how far it is (STARTED, COMPLETED …), and details."""

    about: str
    state: str
    details: dict[str, str] = field(default_factory=dict)


class Reader:
    """Reads the text of events; remembers the schemas it has seen.

    ``placeholder`` is what Debezium was told to write where the log has no value
    (``unavailable.value.placeholder``): choose one that no data holds.
    """

    def __init__(self, placeholder: str) -> None:
        raw = placeholder.encode()
        encoded = base64.b64encode(raw).decode()
        self._absent = (placeholder, encoded, [placeholder], list(raw), [encoded])
        self._schemas: dict[str, tuple[Column, ...]] = {}

    def read(self, text: str) -> Change | Notice | None:
        """One event; ``None`` for what concerns nobody, such as a heartbeat."""
        schema, found, payload = text.partition(_SEPARATOR)
        if not found:
            raise UnreadableError("an event without schema and payload")
        event = json.loads(payload[:-1])
        if event is None:
            return None
        if "aggregate_type" in event:
            return Notice(event["aggregate_type"], event["type"], event.get("additional_data") or {})
        op = event.get("op")
        if op is None:
            return None
        if op == "m":
            return Change("m", message=base64.b64decode(event["message"]["content"]))
        table = (event["source"]["schema"], event["source"]["table"])
        if op == "t":
            return Change("t", table)
        if schema not in self._schemas:
            self._schemas[schema] = columns_of(json.loads(schema + "}")["schema"])
        return self._change(op, table, self._schemas[schema], event["before" if op == "d" else "after"])

    def _change(
        self, op: str, table: tuple[str, str], columns: tuple[Column, ...], values: dict[str, Any]
    ) -> Change:
        row: Row = {}
        missing: list[str] = []
        for column in columns:
            value = values.get(column.name)
            if value is None:
                row[column.name] = None
            elif isinstance(value, str | list) and value in self._absent:
                missing.append(column.name)
            else:
                row[column.name] = column.decode(value)
        return Change(op, table, columns, row, tuple(missing))


def columns_of(envelope: dict[str, Any]) -> tuple[Column, ...]:
    """The columns of a change event's schema: those of ``after``, which ``before`` shares."""
    for part in envelope["fields"]:
        if part["field"] == "after":
            return tuple(_column(one) for one in part["fields"])
    raise UnreadableError("a change event whose schema has no `after`")


def _column(declared: dict[str, Any]) -> Column:
    kind, decode = _type(declared)
    return Column(declared["field"], kind, decode)


def _type(schema: dict[str, Any]) -> tuple[str, Decode]:
    name, literal = schema.get("name"), schema["type"]
    if name in _SEMANTIC:
        return _SEMANTIC[name]
    if name == "org.apache.kafka.connect.data.Decimal":
        parameters = schema["parameters"]
        scale, precision = int(parameters["scale"]), parameters.get("connect.decimal.precision")
        declared = f"numeric({precision},{scale})" if precision else "numeric"
        return declared, lambda value: _decimal(value, scale)
    if literal == "array":
        kind, decode = _type(schema["items"])
        return f"{kind}[]", lambda values: [None if v is None else decode(v) for v in values]
    if name is None and literal in _LITERAL:
        return _LITERAL[literal]
    raise UnreadableError(f"column {schema.get('field', '')!r} is of type {name or literal}, not read here")


def _same(value: Any) -> Any:
    return value


def _decimal(value: str, scale: int) -> Decimal:
    """``decimal.handling.mode=precise``: the unscaled number, big-endian, two's complement."""
    unscaled = int.from_bytes(base64.b64decode(value), "big", signed=True)
    digits = tuple(int(digit) for digit in str(abs(unscaled)))
    return Decimal((int(unscaled < 0), digits, -scale))


def _variable_decimal(value: dict[str, Any]) -> Decimal:
    return _decimal(value["value"], int(value["scale"]))


def _date(days: int) -> date:
    try:
        return date.fromordinal(_EPOCH_DAY + days)
    except (ValueError, OverflowError):
        raise UnreadableError(f"day {days} since 1970 is beyond the years 1 to 9999") from None


def _timestamp(micros: int) -> datetime:
    try:
        return _EPOCH + timedelta(microseconds=micros)
    except OverflowError:
        raise UnreadableError(f"microsecond {micros} since 1970 is beyond the years 1 to 9999") from None


def _zoned(text: str) -> str:
    """ISO 8601 counts a year 0; PostgreSQL wants the year of the era, and `BC` at the end."""
    before = re.fullmatch(r"(?:-(\d+)|0000)(-.*)Z", text)
    return f"{int(before[1] or 0) + 1:04d}{before[2]}+00 BC" if before else text.lstrip("+")


_LITERAL: dict[str, tuple[str, Decode]] = {
    "boolean": ("boolean", _same),
    "int16": ("smallint", _same),
    "int32": ("integer", _same),
    "int64": ("bigint", _same),
    "float": ("real", float),
    "double": ("double precision", float),  # NaN and the infinities are strings in JSON
    "string": ("text", _same),
    "bytes": ("bytea", base64.b64decode),
}

_SEMANTIC: dict[str, tuple[str, Decode]] = {
    "io.debezium.time.Date": ("date", _date),
    "io.debezium.time.Timestamp": ("timestamp without time zone", lambda ms: _timestamp(ms * 1000)),
    "io.debezium.time.MicroTimestamp": ("timestamp without time zone", _timestamp),
    "io.debezium.time.ZonedTimestamp": ("timestamp with time zone", _zoned),
    "io.debezium.data.Uuid": ("uuid", _same),
    "io.debezium.data.Json": ("jsonb", _same),
    "io.debezium.data.Enum": ("text", _same),
    "io.debezium.data.VariableScaleDecimal": ("numeric", _variable_decimal),
}
