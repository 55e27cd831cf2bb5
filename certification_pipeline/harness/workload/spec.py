"""What a workload table looks like: logical types, columns, tables.

Knows nothing of engines, services or the oracle.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

import pyarrow as pa


class LogicalType(StrEnum):
    """The types of the type matrix, by meaning; each service maps them to physical types of its own."""

    BOOL = "bool"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    DECIMAL = "decimal"
    """decimal(38, 10)"""
    FLOAT64 = "float64"
    TEXT = "text"
    DATE = "date"
    TIMESTAMP = "timestamp"
    """Without zone, microseconds."""
    TIMESTAMPTZ = "timestamptz"
    """An instant, microseconds; kept in UTC."""
    BYTES = "bytes"
    UUID = "uuid"
    JSON = "json"
    INT_ARRAY = "int_array"
    TEXT_ARRAY = "text_array"


ARROW_TYPES: dict[LogicalType, pa.DataType] = {
    LogicalType.BOOL: pa.bool_(),
    LogicalType.INT16: pa.int16(),
    LogicalType.INT32: pa.int32(),
    LogicalType.INT64: pa.int64(),
    LogicalType.DECIMAL: pa.decimal128(38, 10),
    LogicalType.FLOAT64: pa.float64(),
    LogicalType.TEXT: pa.string(),
    LogicalType.DATE: pa.date32(),
    LogicalType.TIMESTAMP: pa.timestamp("us"),
    LogicalType.TIMESTAMPTZ: pa.timestamp("us", tz="UTC"),
    LogicalType.BYTES: pa.binary(),
    LogicalType.UUID: pa.string(),  # lower-case canonical text
    LogicalType.JSON: pa.string(),  # JSON text
    LogicalType.INT_ARRAY: pa.list_(pa.int64()),
    LogicalType.TEXT_ARRAY: pa.list_(pa.string()),
}
"""How generated rows travel inside the harness."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a workload table."""

    name: str
    type: LogicalType
    nullable: bool = True


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A workload table.

    ``primary_key`` is one INT64 column or a tuple of columns; ``cursor`` is the column that incremental
    strategies follow; ``partition`` the DATE column that partitioned strategies replace by.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ("id",)
    cursor: str | None = "updated_at"
    partition: str | None = "business_date"
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({column.name: column for column in self.columns})
        if len(self._by_name) != len(self.columns):
            raise ValueError(f"table {self.name}: a column name occurs twice")
        needed = (*self.primary_key, *filter(None, (self.cursor, self.partition)))
        if missing := [name for name in needed if name not in self._by_name]:
            raise ValueError(f"table {self.name}: no column {', '.join(missing)}")

    def column(self, name: str) -> Column:
        """The column of that name; ``KeyError`` when there is none."""
        return self._by_name[name]

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in declaration order."""
        return tuple(column.name for column in self.columns)

    def arrow_schema(self) -> pa.Schema:
        """The schema generated batches have."""
        return pa.schema([pa.field(c.name, ARROW_TYPES[c.type], c.nullable) for c in self.columns])
