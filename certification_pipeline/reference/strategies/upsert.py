"""Statements that bring the target up to the stage by key: merge, xmin, snapshot_diff, cdc."""

from __future__ import annotations

from certification_pipeline.reference.strategies.plan import (
    DELETE,
    OP,
    ORIGIN,
    UNCHANGED,
    UPSERT,
    Counts,
    Statement,
    Tables,
)


def upsert(tables: Tables, where: str = "", delivered: bool = True) -> list[Statement]:
    """Update rows that differ, insert those that are missing; equal rows are not rewritten.

    ``delivered``: the stage has what the source chose to send, so each of its rows becomes what the source
    has now, with NULL in columns the source no longer has. Where the stage is the whole table instead, such
    a column is emptied only in rows that changed otherwise: else a dropped column would be wiped at once.
    """
    quote = tables.dialect.quote
    statements: list[Statement] = []
    sets = [f"{quote(column.name)} = s.{quote(column.name)}" for column in tables.values]
    sets += [f"{quote(name)} = NULL" for name in tables.kept]
    reasons = [tables.dialect.differs(tables.values, "t.", "s.")] if tables.values else []
    reasons += [f"t.{quote(name)} IS NOT NULL" for name in tables.kept] if delivered else []
    for column, value, condition in tables.dialect.unsettle(tables.values, "t.", "s."):
        statements.append(
            Statement(
                Counts.NOTHING,
                f"UPDATE {tables.target} AS t SET {quote(column.name)} = {value} FROM {tables.stage} AS s "
                f"WHERE {tables.match()}{where} AND {condition}",
            )
        )
    if reasons:
        statements.append(
            Statement(
                Counts.UPDATED,
                f"UPDATE {tables.target} AS t SET {', '.join(sets)} FROM {tables.stage} AS s "
                f"WHERE {tables.match()}{where} AND ({' OR '.join(reasons)})",
            )
        )
    return [*statements, Statement(Counts.INSERTED, tables.insert(tables.absent() + where))]


def snapshot_diff(tables: Tables) -> list[Statement]:
    """The stage is the whole truth: also delete the keys it does not have."""
    missing = f"NOT EXISTS (SELECT 1 FROM {tables.stage} AS s WHERE {tables.match()})"
    delete = f"DELETE FROM {tables.target} AS t WHERE {missing}"
    return [Statement(Counts.DELETED, delete, applies_deletes=True), *upsert(tables, delivered=False)]


def changes(tables: Tables) -> list[Statement]:
    """The stage is the net effect of a log: one row a key, to upsert or to delete."""
    op, literal = f"s.{tables.dialect.quote(OP)}", tables.dialect.literal
    gone = (
        f"DELETE FROM {tables.target} AS t WHERE EXISTS "
        f"(SELECT 1 FROM {tables.stage} AS s WHERE {op} = {literal(DELETE)} AND {tables.match()})"
    )
    return [
        *fill_unchanged(tables),
        Statement(Counts.DELETED, gone, applies_deletes=True),
        *upsert(tables, f" AND {op} = {literal(UPSERT)}"),
    ]


def fill_unchanged(tables: Tables) -> list[Statement]:
    """Take values the log left out from the row as the target last had it."""
    quote = tables.dialect.quote
    origin = " AND ".join(f"t.{quote(key)} = s.{quote(f'{ORIGIN}{i}')}" for i, key in enumerate(tables.keys))
    return [
        Statement(
            Counts.NOTHING,
            f"UPDATE {tables.stage} AS s SET {quote(name)} = t.{quote(name)} FROM {tables.target} AS t "
            f"WHERE {origin} AND s.{quote(f'{UNCHANGED}{tables.names.index(name)}')}",
        )
        for name in tables.unchanged
    ]
