"""PostgreSQL's SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence

from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference import evolution
from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.schema import Column, ColumnType

_NAMES: dict[LogicalType, str] = {
    LogicalType.BOOL: "boolean",
    LogicalType.INT16: "smallint",
    LogicalType.INT32: "integer",
    LogicalType.INT64: "bigint",
    LogicalType.DECIMAL: "numeric",
    LogicalType.FLOAT64: "double precision",
    LogicalType.TEXT: "text",
    LogicalType.DATE: "date",
    LogicalType.TIMESTAMP: "timestamp without time zone",
    LogicalType.TIMESTAMPTZ: "timestamp with time zone",
    LogicalType.BYTES: "bytea",
    LogicalType.UUID: "uuid",
    LogicalType.JSON: "jsonb",
    LogicalType.INT_ARRAY: "bigint[]",
    LogicalType.TEXT_ARRAY: "text[]",
}
_KINDS = {name: kind for kind, name in _NAMES.items()} | {
    "json": LogicalType.JSON,
    "integer[]": LogicalType.INT_ARRAY,
    "smallint[]": LogicalType.INT_ARRAY,
    "character varying[]": LogicalType.TEXT_ARRAY,
    "character varying": LogicalType.TEXT,
}
_PARAMETRIC = re.compile(r"^(numeric|character varying)\((\d+)(?:,(-?\d+))?\)$")


def parse_type(native: str) -> ColumnType:
    """From ``format_type(atttypid, atttypmod)``."""
    if match := _PARAMETRIC.match(native):
        params = tuple(int(group) for group in match.groups()[1:] if group is not None)
        kind = LogicalType.DECIMAL if match[1] == "numeric" else LogicalType.TEXT
        return ColumnType(kind, params, native)
    return ColumnType(_KINDS.get(native), (), native)


class PostgresDialect(Dialect):
    """Names up to 63 bytes, case kept, transactional DDL."""

    longest_name = 63

    def type_name(self, column_type: ColumnType) -> str:
        """The source's own type where it is one of PostgreSQL's, so that nothing changes on the way."""
        if column_type.native:
            return column_type.native
        assert column_type.kind is not None
        if column_type.kind is LogicalType.DECIMAL and column_type.params:
            return f"numeric({','.join(map(str, column_type.params))})"
        return _NAMES[column_type.kind]

    def as_text(self, expression: str) -> str:
        """PostgreSQL's own rendering; the session's time zone is UTC."""
        return f"{expression}::text"

    def differs(self, columns: Sequence[Column], left: str, right: str) -> str:
        """``record_image_ne`` (``*<>``) compares the binary images of two rows.

        So it tells -0 from 0 and 1.0 from 1.00, and works for types without an equality, such as json.
        """
        names = [column.name for column in columns]
        return f"record_image_ne(ROW({self.names(names, left)}), ROW({self.names(names, right)}))"

    def schema_steps(
        self, table: str, steps: Sequence[evolution.Step], before: Sequence[Column], keys: Sequence[str]
    ) -> list[str]:
        """One ALTER TABLE with all of them: at most one rewrite."""
        actions = [self._action(step) for step in steps]
        return [f"ALTER TABLE {table} {', '.join(actions)}"] if actions else []

    def _action(self, step: evolution.Step) -> str:
        match step:
            case evolution.AddColumn(column):
                return f"ADD COLUMN {self.definition(column)}"
            case evolution.WidenColumn(name, new):
                return f"ALTER COLUMN {self.quote(name)} TYPE {self.type_name(new)}"
            case evolution.RelaxColumn(name):
                return f"ALTER COLUMN {self.quote(name)} DROP NOT NULL"
