"""Takes a table in: matches its columns with the wanted ones and makes every value canonical text.

Up to a few million cells stay Arrow in memory; beyond that rows go to a DuckDB table as they come, so
memory stays flat.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

import duckdb
import pyarrow as pa

from certification_pipeline.harness.oracle.canonical import canonical
from certification_pipeline.harness.oracle.contract import Loss, holds
from certification_pipeline.harness.oracle.model.projection import Field
from certification_pipeline.harness.oracle.readers.reading import Reader

_SMALL_CELLS = 8_000_000
_NAMES = itertools.count()


@dataclass(frozen=True, slots=True)
class Matching:
    """Which column of the table shows which wanted field."""

    present: dict[int, str]
    """Field position -> column of the table."""
    missing: tuple[int, ...]
    unexpected: tuple[str, ...]


@dataclass(slots=True)
class Collected:
    """All rows of a table as canonical text in columns ``c<position>``."""

    rows: int
    table: pa.Table | None
    """In memory, or …"""
    relation: str | None
    """… the name of a temporary DuckDB table."""
    physical: dict[int, frozenset[str]] = field(default_factory=dict)
    held: set[tuple[int, Loss]] = field(default_factory=set)
    """Losses that a column shows not to have, because it holds such a value."""


def match_columns(
    columns: Sequence[str],
    fields: Sequence[Field],
    *,
    folds_case: bool,
    tolerated: frozenset[str] = frozenset(),
    added: Sequence[str] = (),
) -> Matching:
    """Find each field among the table's columns; what is left over must be tolerated or added by design."""

    def fold(name: str) -> str:
        return name.lower() if folds_case else name

    left = {fold(name): name for name in columns}
    spare = [name for name in columns if left[fold(name)] != name]
    present: dict[int, str] = {}
    for position, wanted in enumerate(fields):
        if wanted.variant_of is None and (found := left.pop(fold(wanted.name), None)) is not None:
            present[position] = found
    for name in tolerated:
        left.pop(fold(name), None)
    for key in [k for k, name in left.items() if any(fnmatchcase(name, pattern) for pattern in added)]:
        if not any(f.variant_of and key.startswith(fold(f.variant_of)) for f in fields):
            left.pop(key)
    for position, wanted in enumerate(fields):
        if wanted.variant_of is not None:
            variants = [key for key in left if key.startswith(fold(wanted.variant_of))]
            if len(variants) == 1:
                present[position] = left.pop(variants[0])
    missing = tuple(i for i in range(len(fields)) if i not in present)
    unexpected = [*left.values(), *spare]
    return Matching(dict(sorted(present.items())), missing, tuple(n for n in columns if n in unexpected))


def collect(
    connection: duckdb.DuckDBPyConnection,
    reader: Reader,
    matching: Matching,
    fields: Sequence[Field],
    watched: Sequence[tuple[int, Loss]] = (),
) -> Collected:
    """Read all rows. ``watched``: losses to look out for (see :attr:`Collected.held`)."""
    held: set[tuple[int, Loss]] = set()

    def tables() -> Iterator[pa.Table]:
        for raw in reader.batches(list(matching.present.values())):
            table = _canonical(raw, matching, fields)
            held.update(
                (i, loss)
                for i, loss in watched
                if (i, loss) not in held and holds(loss, table[f"c{i}"].chunk(0))
            )
            yield table

    collected = gather(connection, tables(), len(matching.present))
    if collected.table is None and collected.relation is None:
        collected.table = pa.table({f"c{i}": pa.array([], pa.string()) for i in matching.present})
    physical = reader.physical()
    collected.physical = {i: physical[name] for i, name in matching.present.items()}
    collected.held = held
    return collected


def gather(connection: duckdb.DuckDBPyConnection, tables: Iterator[pa.Table], width: int) -> Collected:
    """Keep tables in memory, or move them to a temporary DuckDB table once they are large."""
    parts: list[pa.Table] = []
    rows = 0
    relation: str | None = None
    for table in tables:
        rows += table.num_rows
        parts.append(table)
        if relation is None and rows * width > _SMALL_CELLS:
            relation = f"collected_{next(_NAMES)}"
            _insert(connection, f"CREATE TEMP TABLE {relation} AS SELECT * FROM", parts)
        elif relation is not None:
            _insert(connection, f"INSERT INTO {relation} SELECT * FROM", parts)
    if relation is not None:
        return Collected(rows, None, relation)
    return Collected(rows, pa.concat_tables(parts) if parts else None, None)


def _insert(connection: duckdb.DuckDBPyConnection, statement: str, parts: list[pa.Table]) -> None:
    connection.register("collected_part", pa.concat_tables(parts))
    connection.execute(f"{statement} collected_part")
    connection.unregister("collected_part")
    parts.clear()


def _canonical(raw: pa.Table, matching: Matching, fields: Sequence[Field]) -> pa.Table:
    arrays = {}
    for nth, position in enumerate(matching.present):
        arrays[f"c{position}"] = canonical(raw.column(nth), fields[position].type)
    return pa.table(arrays)
