"""SQLite's SQL.

The declared type tells the engine what a column means, and SQLite only its affinity: names are chosen so
that text stays text (https://www.sqlite.org/datatype3.html, section 3.1).
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference import evolution
from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column, ColumnType, decimal_params

_NAMES: dict[LogicalType, str] = {
    LogicalType.BOOL: "BOOLEAN",
    LogicalType.INT16: "SMALLINT",
    LogicalType.INT32: "INTEGER",
    LogicalType.INT64: "BIGINT",
    LogicalType.DECIMAL: "DECIMAL_TEXT",
    LogicalType.FLOAT64: "REAL",
    LogicalType.TEXT: "TEXT",
    LogicalType.DATE: "DATE_TEXT",
    LogicalType.TIMESTAMP: "TIMESTAMP_TEXT",
    LogicalType.TIMESTAMPTZ: "TIMESTAMPTZ_TEXT",
    LogicalType.BYTES: "BLOB",
    LogicalType.UUID: "UUID_TEXT",
    LogicalType.JSON: "JSON_TEXT",
    # No "INT" in it, or the affinity would be INTEGER.
    LogicalType.INT_ARRAY: "NUMBERS_TEXT",
    LogicalType.TEXT_ARRAY: "STRINGS_TEXT",
}
_KINDS = {name: kind for kind, name in _NAMES.items()}
_PARAMS = re.compile(r"^(\w+)\((\d+),(\d+)\)$")


def parse_type(declared: str) -> ColumnType:
    """From ``pragma_table_info``."""
    params: tuple[int, ...] = ()
    if match := _PARAMS.match(declared):
        declared, params = match[1], (int(match[2]), int(match[3]))
    kind = _KINDS.get(declared)
    return ColumnType(kind, params, "" if kind else declared)


class SQLiteDialect(Dialect):
    """Text for everything beyond integers, reals and blobs; schema changes by rebuilding the table."""

    folds_case = True

    def type_name(self, column_type: ColumnType) -> str:
        """The declared type."""
        assert column_type.kind is not None
        if column_type.kind is LogicalType.DECIMAL:
            precision, scale = decimal_params(column_type)
            return f"DECIMAL_TEXT({precision},{scale})"
        return _NAMES[column_type.kind]

    def definition(self, column: Column) -> str:
        """A float may always be NULL: that is what SQLite makes of NaN."""
        nan = column.type.kind is LogicalType.FLOAT64
        return super().definition(column.as_nullable() if nan else column)

    def same(self, left: str, right: str) -> str:
        """``IS`` has always been NULL-safe here; IS NOT DISTINCT FROM is newer than many SQLites."""
        return f"{left} IS {right}"

    def as_text(self, expression: str) -> str:
        """As stored."""
        return f"CAST({expression} AS TEXT)"

    def of_type(self, text: str, column_type: ColumnType) -> str:
        """A value as it is stored: integers as integers, all else as text in the one form we write."""
        if column_type.kind in (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64):
            return str(int(text))
        if column_type.kind is LogicalType.TIMESTAMPTZ and not re.search(r"[+-]\d\d:\d\d$", text):
            text += "+00:00"
        return self.literal(text)

    def differs(self, columns: Sequence[Column], left: str, right: str) -> str:
        """``IS NOT`` compares storage class and bytes."""
        names = [self.quote(column.name) for column in columns]
        return f"({' OR '.join(f'{left}{name} IS NOT {right}{name}' for name in names)})"

    def schema_steps(
        self, table: str, steps: Sequence[evolution.Step], before: Sequence[Column], keys: Sequence[str]
    ) -> list[str]:
        """ADD COLUMN where that is all; else a rebuild, for SQLite alters neither type nor NULL."""
        if all(isinstance(step, evolution.AddColumn) for step in steps):
            return [f"ALTER TABLE {table} ADD COLUMN {self.definition(s.column)}" for s in _added(steps)]
        after, expressions = self._rebuilt(steps, before)
        rebuilt = self.quote(f"{RESERVED_PREFIX}rebuild")
        names = self.names([column.name for column in after])
        return [
            f"DROP TABLE IF EXISTS {rebuilt}",
            self.create(rebuilt, after),
            f"INSERT INTO {rebuilt} ({names}) SELECT {', '.join(expressions)} FROM {table}",
            f"DROP TABLE {table}",
            f"ALTER TABLE {rebuilt} RENAME TO {table}",
        ]

    def _rebuilt(
        self, steps: Sequence[evolution.Step], before: Sequence[Column]
    ) -> tuple[list[Column], list[str]]:
        """Columns after the steps, and the expression that fills each from the old table."""
        columns = {column.name: column for column in before}
        expressions = {column.name: self.quote(column.name) for column in before}
        for step in steps:
            match step:
                case evolution.AddColumn(column):
                    columns[column.name], expressions[column.name] = column, "NULL"
                case evolution.WidenColumn(name, new):
                    expressions[name] = self._widened(name, columns[name].type, new)
                    columns[name] = Column(name, new, columns[name].nullable)
                case evolution.RelaxColumn(name):
                    columns[name] = columns[name].as_nullable()
        return list(columns.values()), list(expressions.values())

    def _widened(self, name: str, old: ColumnType, new: ColumnType) -> str:
        """Decimals are text with all their places: an old value gets the places of the new type."""
        quoted = self.quote(name)
        if new.kind is not LogicalType.DECIMAL:
            return quoted
        places = decimal_params(new)[1]
        had = decimal_params(old)[1] if old.kind is LogicalType.DECIMAL else 0
        if places == had:
            return f"CAST({quoted} AS TEXT)"
        point = "." if had == 0 else ""
        return f"CAST({quoted} AS TEXT) || '{point}{'0' * (places - had)}'"


def _added(steps: Sequence[evolution.Step]) -> list[evolution.AddColumn]:
    return [step for step in steps if isinstance(step, evolution.AddColumn)]
