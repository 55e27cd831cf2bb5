"""scd2: every version of a row, with the time it was valid."""

from __future__ import annotations

from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.strategies.plan import Counts, Statement, Tables

VALID_FROM = Column("valid_from", ColumnType(LogicalType.TIMESTAMPTZ), nullable=False)
VALID_TO = Column("valid_to", ColumnType(LogicalType.TIMESTAMPTZ))
"""NULL in the current version."""


def versions(tables: Tables) -> list[Statement]:
    """Close what changed or is gone, then open what has no open version. ``now`` is after every interval."""
    quote = tables.dialect.quote
    valid_to = quote(VALID_TO.name)
    now = tables.dialect.of_type(tables.now, VALID_TO.type)
    open_row = f"t.{valid_to} IS NULL"
    close = f"UPDATE {tables.target} AS t SET {valid_to} = {now} WHERE {open_row} AND"
    there = f"SELECT 1 FROM {tables.stage} AS s WHERE {tables.match()}"
    statements = [Statement(Counts.DELETED, f"{close} NOT EXISTS ({there})", applies_deletes=True)]
    if tables.values:
        differs = tables.dialect.differs(tables.values, "t.", "s.")
        statements.append(Statement(Counts.VERSIONED, f"{close} EXISTS ({there} AND {differs})"))
    insert = tables.insert(
        tables.absent(f" AND {open_row}"), [(VALID_FROM.name, now), (VALID_TO.name, "NULL")]
    )
    return [*statements, Statement(Counts.INSERTED, insert)]
