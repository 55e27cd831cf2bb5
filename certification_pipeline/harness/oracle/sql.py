"""The few SQL fragments that model and comparison must write the same way (DuckDB's dialect)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import duckdb


def ident(name: str) -> str:
    """A quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A quoted string."""
    return "'" + text.replace("'", "''") + "'"


def row_text(columns: Sequence[str]) -> str:
    """One text for a whole row, such that different rows have different texts; never NULL."""
    parts = ", ',', ".join(f"coalesce(strlen({c})::VARCHAR || ':' || {c}, '~')" for c in columns)
    return f"concat({parts})"


def row_hash(columns: Sequence[str]) -> str:
    """MD5 of :func:`row_text` as an unsigned 128-bit integer."""
    return f"md5_number({row_text(columns)})"


def key_text(columns: Sequence[str]) -> str:
    """The key as one text; NULL when any part is NULL."""
    if len(columns) == 1:
        return columns[0]
    return "(" + " || ',' || ".join(f"strlen({c})::VARCHAR || ':' || {c}" for c in columns) + ")"


def one_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The only row of a query's result, with the result read to its end."""
    (row,) = connection.execute(query).fetchall()
    return tuple(row)
