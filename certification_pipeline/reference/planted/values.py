"""Values that change while they are read: what the source is asked for instead of the column."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.schema import Column

_TEXT_OF_A_FLOAT = (
    "CASE WHEN {x} IN ('NaN', 'Infinity', '-Infinity') THEN {x} "
    "ELSE CAST(to_char({x}, '9.99999EEEE') AS double precision) END"
)
_THROUGH_DOUBLE = (
    "CASE WHEN {x} BETWEEN -4611686018427387904 AND 4611686018427387904 "
    "THEN CAST(CAST({x} AS double precision) AS bigint) ELSE {x} END"
)
_UP_TO_ZERO = (
    "CASE WHEN position('\\x00'::bytea in {x}) > 0 "
    "THEN substring({x} from 1 for position('\\x00'::bytea in {x}) - 1) ELSE {x} END"
)
_SPOILT: Mapping[Defect, tuple[LogicalType, str]] = MappingProxyType(
    {
        Defect.LOSE_DECIMAL_SCALE: (LogicalType.DECIMAL, "trunc({x}, 2)"),
        Defect.FLOATS_THROUGH_TEXT: (LogicalType.FLOAT64, _TEXT_OF_A_FLOAT),
        Defect.INTEGERS_THROUGH_DOUBLE: (LogicalType.INT64, _THROUGH_DOUBLE),
        Defect.TIMES_TO_SECONDS: (LogicalType.TIMESTAMP, "date_trunc('second', {x})"),
        Defect.LOCAL_TIME: (LogicalType.TIMESTAMPTZ, "{x} AT TIME ZONE 'America/New_York'"),
        Defect.OLD_DATES_TO_NULL: (LogicalType.DATE, "CASE WHEN {x} >= DATE '0002-01-01' THEN {x} END"),
        Defect.EMPTY_TEXT_TO_NULL: (LogicalType.TEXT, "NULLIF({x}, '')"),
        Defect.NULL_TO_EMPTY_TEXT: (LogicalType.TEXT, "COALESCE({x}, '')"),
        Defect.NEWLINES_NORMALISED: (LogicalType.TEXT, "replace({x}, chr(13), '')"),
        Defect.BYTES_END_AT_ZERO: (LogicalType.BYTES, _UP_TO_ZERO),
        Defect.JSON_NULL_TO_NULL: (LogicalType.JSON, "NULLIF({x}, 'null')"),
        Defect.NULL_ELEMENTS_DROPPED: (LogicalType.TEXT_ARRAY, "array_remove({x}, NULL)"),
    }
)
"""``{x}`` is the column. What is wrong with the value, and with nothing else: the type stays."""


_TO_NULL = frozenset({Defect.OLD_DATES_TO_NULL, Defect.EMPTY_TEXT_TO_NULL, Defect.JSON_NULL_TO_NULL})
"""Where NULL is refused the load would fail, which is another defect."""


def spoilt(defect: Defect | None, column: Column, name: str) -> str:
    """The expression to select for that column; ``name``, the quoted column itself, without such a defect."""
    if defect is None or defect not in _SPOILT:
        return name
    concerned, expression = _SPOILT[defect]
    if column.type.kind is not concerned or (defect in _TO_NULL and not column.nullable):
        return name
    return f"CAST({expression.format(x=name)} AS {column.type.native})"
