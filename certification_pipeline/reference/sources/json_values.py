"""JSON values as PostgreSQL writes them in text, each held to the type its column was declared with.

A value of another type is a ``data`` failure that names column and type, never the value.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar
from uuid import UUID

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.artifacts import Row
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column

T = TypeVar("T")


def row_of(record: object, columns: tuple[Column, ...]) -> Row:
    """One record as a row; raises :class:`LoadError` ``data`` when it is none."""
    if not isinstance(record, dict):
        raise LoadError(FailureCategory.DATA, "the vendor sent a record that is no JSON object")
    return tuple(_text(record, column) for column in columns)


def _text(record: dict[str, object], column: Column) -> str | None:
    if column.name not in record:
        raise LoadError(FailureCategory.DATA, f"the vendor sent a record without the field {column.name!r}")
    value = record[column.name]
    if value is None:
        return None
    assert column.type.kind is not None
    try:
        return _WRITERS[column.type.kind](value)
    except (ValueError, TypeError, InvalidOperation):
        message = f"the vendor sent a value in the field {column.name!r} that is no {column.type.kind}"
        raise LoadError(FailureCategory.DATA, message) from None


def _bool(value: object) -> str:
    return {True: "t", False: "f"}[_a(value, bool)]


def _integer(value: object) -> str:
    if isinstance(value, bool):
        raise TypeError
    return str(_a(value, int))


def _decimal(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | str):
        # As a JSON number with a fraction it has been rounded already.
        raise TypeError
    if not Decimal(value).is_finite():
        raise ValueError
    return str(value)


def _float(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError
    return repr(float(value))


def _date(value: object) -> str:
    return date.fromisoformat(_a(value, str)).isoformat()


def _moment(value: object) -> str:
    datetime.fromisoformat(_a(value, str))
    return str(value)


def _bytes(value: object) -> str:
    return "\\x" + base64.b64decode(_a(value, str), validate=True).hex()


def _document(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _array(element: Callable[[object], str]) -> Callable[[object], str]:
    def write(value: object) -> str:
        return "{" + ",".join("NULL" if one is None else element(one) for one in _a(value, list)) + "}"

    return write


def _quoted(value: object) -> str:
    return '"' + _a(value, str).replace("\\", "\\\\").replace('"', '\\"') + '"'


def _a(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError
    return value


_WRITERS: dict[LogicalType, Callable[[object], str]] = {
    LogicalType.BOOL: _bool,
    LogicalType.INT16: _integer,
    LogicalType.INT32: _integer,
    LogicalType.INT64: _integer,
    LogicalType.DECIMAL: _decimal,
    LogicalType.FLOAT64: _float,
    LogicalType.TEXT: lambda value: _a(value, str),
    LogicalType.DATE: _date,
    LogicalType.TIMESTAMP: _moment,
    LogicalType.TIMESTAMPTZ: _moment,
    LogicalType.BYTES: _bytes,
    LogicalType.UUID: lambda value: str(UUID(_a(value, str))),
    LogicalType.JSON: _document,
    LogicalType.INT_ARRAY: _array(_integer),
    LogicalType.TEXT_ARRAY: _array(_quoted),
}
