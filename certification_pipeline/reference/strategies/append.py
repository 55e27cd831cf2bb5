"""incremental_append: an event log of row versions."""

from __future__ import annotations

from certification_pipeline.reference.strategies.plan import Counts, Statement, Tables


def append(tables: Tables) -> list[Statement]:
    """Insert each (key, cursor) that is not there yet: ties are not lost, re-delivery makes no duplicate."""
    assert tables.cursor is not None
    cursor = tables.dialect.quote(tables.cursor)
    known = f" AND {tables.dialect.same(f't.{cursor}', f's.{cursor}')}"
    return [Statement(Counts.INSERTED, tables.insert(tables.absent(known)))]
