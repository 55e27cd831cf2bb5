"""Strategies that replace a part wholesale: replace, partition_replace, backfill; and full_refresh."""

from __future__ import annotations

from certification_pipeline.reference.strategies.plan import Counts, Statement, Tables


def slice_condition(tables: Tables, prefix: str) -> str:
    """``[from, to)`` of the partition column; without bounds, every row."""
    if tables.partition is None:
        return "1 = 1"
    column = f"{prefix}{tables.dialect.quote(tables.partition)}"
    by_name = {c.name: c.type for c in tables.columns}
    bounds = [
        f"{column} {operator} {tables.dialect.of_type(value, by_name[tables.partition])}"
        for operator, value in ((">=", tables.slice_from), ("<", tables.slice_to))
        if value is not None
    ]
    return " AND ".join(bounds) or "1 = 1"


def replace(tables: Tables) -> list[Statement]:
    """Delete the slice, insert the stage, which holds the source's slice."""
    delete = f"DELETE FROM {tables.target} AS t WHERE {slice_condition(tables, 't.')}"
    return [Statement(Counts.DELETED, delete), Statement(Counts.INSERTED, tables.insert())]


def partition_replace(tables: Tables) -> list[Statement]:
    """Each partition that is in the stage replaces the target's; the others stay."""
    assert tables.partition is not None
    column = tables.dialect.quote(tables.partition)
    delete = (
        f"DELETE FROM {tables.target} AS t WHERE t.{column} IN "
        f"(SELECT DISTINCT s.{column} FROM {tables.stage} AS s WHERE s.{column} IS NOT NULL) "
        f"OR (t.{column} IS NULL AND EXISTS (SELECT 1 FROM {tables.stage} AS s WHERE s.{column} IS NULL))"
    )
    return [Statement(Counts.DELETED, delete), Statement(Counts.INSERTED, tables.insert())]


def refill(tables: Tables) -> list[Statement]:
    """full_refresh where the target cannot be swapped (a view depends on it)."""
    return [
        Statement(Counts.DELETED, f"DELETE FROM {tables.target}"),
        Statement(Counts.INSERTED, tables.insert()),
    ]
