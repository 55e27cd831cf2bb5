"""A hand on the sink that is not the engine's: damage inside the scope, tell-tales outside of it.

Each sink is opened with its own client. Parquet files are changed in a copy in memory and written back in
the schema they had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq

from certification_pipeline.evidence.replay import ReplayScope
from certification_pipeline.harness.oracle.oracle import SinkView
from certification_pipeline.harness.workload.spec import TableSpec

Rows = Sequence[tuple[Any, ...]]
BELOW, ABOVE, GHOST = -5, 987_654_321, 987_654_322
"""Keys that no workload has: tell-tales on both sides of any scope, and a row that is in the sink alone."""


@dataclass(frozen=True)
class Hand:
    """Statements on one table; ``{t}`` is its name."""

    execute: Callable[[str], Rows]

    def __call__(self, statement: str) -> Rows:
        """Run it; the rows it answers with, if any."""
        return self.execute(statement)


@contextmanager
def hand_on(sink: SinkView) -> Iterator[Hand]:
    """Open the sink table; what was done is durable when the block ends without an error."""
    table = ".".join(_quoted(part) for part in (sink.namespace, sink.name) if part)
    match sink.system:
        case "postgres":
            with psycopg.connect(sink.dsn, autocommit=True) as server:
                yield Hand(lambda statement: _asked(server, statement.replace("{t}", table)))
        case "duckdb":
            with duckdb.connect(sink.dsn) as file:
                yield Hand(lambda statement: file.execute(statement.replace("{t}", table)).fetchall())
        case "sqlite":
            with closing(sqlite3.connect(sink.dsn, isolation_level=None)) as lite:
                yield Hand(lambda statement: lite.execute(statement.replace("{t}", table)).fetchall())
        case "parquet":
            with _files(Path(sink.dsn) / sink.namespace / sink.name) as execute:
                yield Hand(execute)
        case other:
            raise LookupError(f"no hand for a {other} sink")


def _asked(connection: psycopg.Connection[Any], statement: str) -> Rows:
    cursor = connection.execute(statement.encode())
    return cursor.fetchall() if cursor.description else ()


@contextmanager
def _files(directory: Path) -> Iterator[Callable[[str], Rows]]:
    files = sorted(file.resolve() for file in directory.glob("*.parquet"))
    schema = pq.read_schema(files[0])
    with duckdb.connect() as memory:
        memory.execute("SET TimeZone = 'UTC'")
        memory.register("files", pa.concat_tables([pq.read_table(file) for file in files]))
        memory.execute("CREATE TABLE t AS SELECT * FROM files")
        yield lambda statement: memory.execute(statement.replace("{t}", "t")).fetchall()
        changed = memory.table("t").to_arrow_table().cast(schema)
    # A version's files may be shared with another version by hard link: replaced, never written into.
    for file in files[1:]:
        file.unlink()
    fresh = files[0].with_name(".fresh")
    pq.write_table(changed, fresh)
    fresh.replace(files[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@dataclass
class Damage:
    """What was done to one sink, so that the tell-tales can be taken back."""

    spec: TableSpec
    inside: str
    """SQL condition of the scope."""
    damaged: int = 0
    telltales: int = 0
    _note_of: tuple[int, str | None] | None = None

    def inflict(self, hand: Hand, *, ghost: bool) -> None:
        """Inside: rows are lost, altered, invented. Outside: one altered, one invented on each side."""
        key, day = (_quoted(name) for name in (self.spec.primary_key[0], str(self.spec.partition)))
        outside = f"NOT ({self.inside})"
        self.damaged = self._count(hand, f"({self.inside}) AND {key} % 3 < 2")
        if ghost:
            self._invent(hand, GHOST, f"{self.inside} ORDER BY {key} LIMIT 1")
        hand(f"DELETE FROM {{t}} WHERE ({self.inside}) AND {key} % 3 = 0 AND {key} <> {GHOST}")
        hand(f"UPDATE {{t}} SET note = 'damaged' WHERE ({self.inside}) AND {key} % 3 = 1")
        for order, invented in (("ASC", BELOW), ("DESC", ABOVE)):
            self._invent(hand, invented, f"{outside} ORDER BY {day} {order}, {key} {order} LIMIT 1")
        [(chosen, note)] = hand(
            f"SELECT {key}, note FROM {{t}} WHERE {outside} AND {key} NOT IN ({BELOW}, {ABOVE}) "
            f"ORDER BY {key} LIMIT 1"
        )
        hand(f"UPDATE {{t}} SET note = 'tell-tale' WHERE {key} = {chosen}")
        self._note_of = (int(chosen), note)
        self.telltales = self._count(hand, f"{key} IN ({BELOW}, {ABOVE}) OR note = 'tell-tale'")

    def take_back(self, hand: Hand) -> None:
        """Remove the tell-tales, for the judge knows nothing of them."""
        key = _quoted(self.spec.primary_key[0])
        hand(f"DELETE FROM {{t}} WHERE {key} IN ({BELOW}, {ABOVE})")
        if self._note_of is not None:
            chosen, note = self._note_of
            value = "NULL" if note is None else "'" + note.replace("'", "''") + "'"
            hand(f"UPDATE {{t}} SET note = {value} WHERE {key} = {chosen}")

    def _invent(self, hand: Hand, key: int, like: str) -> None:
        names = [_quoted(name) for name in self.spec.column_names]
        rest = ", ".join(names[1:])
        hand(f"INSERT INTO {{t}} ({', '.join(names)}) SELECT {key}, {rest} FROM {{t}} WHERE {like}")

    def _count(self, hand: Hand, where: str) -> int:
        [(count,)] = hand(f"SELECT count(*) FROM {{t}} WHERE {where}")
        return int(count)


def condition(scope: ReplayScope) -> str:
    """The scope in SQL that all sinks speak: dates as ISO text, keys as integers."""
    column = _quoted(scope.column)
    if scope.stop is None:
        return f"{column} = '{scope.start}'"
    if scope.start.lstrip("-").isdigit():
        return f"{column} >= {int(scope.start)} AND {column} < {int(scope.stop)}"
    return f"{column} >= '{scope.start}' AND {column} < '{scope.stop}'"
