"""DuckDB's SQL."""

from __future__ import annotations

import re
from collections.abc import Sequence

from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference import evolution
from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.schema import Column, ColumnType, decimal_params

_NAMES: dict[LogicalType, str] = {
    LogicalType.BOOL: "BOOLEAN",
    LogicalType.INT16: "SMALLINT",
    LogicalType.INT32: "INTEGER",
    LogicalType.INT64: "BIGINT",
    LogicalType.FLOAT64: "DOUBLE",
    LogicalType.TEXT: "VARCHAR",
    LogicalType.DATE: "DATE",
    LogicalType.TIMESTAMP: "TIMESTAMP",
    LogicalType.TIMESTAMPTZ: "TIMESTAMP WITH TIME ZONE",
    LogicalType.BYTES: "BLOB",
    LogicalType.UUID: "UUID",
    LogicalType.JSON: "JSON",
    LogicalType.INT_ARRAY: "BIGINT[]",
    LogicalType.TEXT_ARRAY: "VARCHAR[]",
}
_KINDS = {name: kind for kind, name in _NAMES.items()}
_DECIMAL = re.compile(r"^DECIMAL\((\d+),(\d+)\)$")


def parse_type(native: str) -> ColumnType:
    """From ``duckdb_columns().data_type``."""
    if match := _DECIMAL.match(native):
        return ColumnType(LogicalType.DECIMAL, (int(match[1]), int(match[2])))
    kind = _KINDS.get(native)
    return ColumnType(kind, (), "" if kind else native)


class DuckDBDialect(Dialect):
    """Native types; names are compared without case."""

    folds_case = True

    def type_name(self, column_type: ColumnType) -> str:
        """The native type."""
        assert column_type.kind is not None
        if column_type.kind is LogicalType.DECIMAL:
            precision, scale = decimal_params(column_type)
            return f"DECIMAL({precision},{scale})"
        return _NAMES[column_type.kind]

    def differs(self, columns: Sequence[Column], left: str, right: str) -> str:
        """IS DISTINCT FROM, which takes -0 and 0 for equal: their texts differ."""
        return f"({' OR '.join(self._differs(column, left, right) for column in columns)})"

    def _differs(self, column: Column, left: str, right: str) -> str:
        name = self.quote(column.name)
        if column.type.kind in (LogicalType.FLOAT64, LogicalType.JSON):
            return f"CAST({left}{name} AS VARCHAR) IS DISTINCT FROM CAST({right}{name} AS VARCHAR)"
        return f"{left}{name} IS DISTINCT FROM {right}{name}"

    def unsettle(self, columns: Sequence[Column], left: str, right: str) -> list[tuple[Column, str, str]]:
        """DuckDB skips an update to an equal value, and 0.0 equals -0.0: the sign would never arrive."""
        found = []
        for column in columns:
            if column.type.kind is LogicalType.FLOAT64:
                name = self.quote(column.name)
                zeros = f"{left}{name} = 0 AND {right}{name} = 0"
                found.append((column, "1", f"{zeros} AND {self._differs(column, left, right)}"))
        return found

    def schema_steps(
        self, table: str, steps: Sequence[evolution.Step], before: Sequence[Column], keys: Sequence[str]
    ) -> list[str]:
        """One ALTER TABLE each: DuckDB knows no list of actions."""
        return [f"ALTER TABLE {table} {self._action(step)}" for step in steps]

    def _action(self, step: evolution.Step) -> str:
        match step:
            case evolution.AddColumn(column):
                return f"ADD COLUMN {self.definition(column)}"
            case evolution.WidenColumn(name, new):
                return f"ALTER COLUMN {self.quote(name)} TYPE {self.type_name(new)}"
            case evolution.RelaxColumn(name):
                return f"ALTER COLUMN {self.quote(name)} DROP NOT NULL"
