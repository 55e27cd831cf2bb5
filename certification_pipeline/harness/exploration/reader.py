"""A reader beside the load: reads the sink table again and again, as any dashboard would.

By a connection of its own, past the wires: nothing it does is the engine's, and nothing the engine's loads
meet is its. It looks at key and version of every row, the least that tells one published state from another.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import psycopg
from psycopg import sql

from certification_pipeline.evidence.cell import Fingerprint
from certification_pipeline.harness.faults.fault import Arena, Facts, Fault
from certification_pipeline.harness.oracle.oracle import SinkView

READINGS = 3
"""So many readings must end while the load is at work; a reader who hardly looked has seen nothing."""
_PAUSE_SECONDS = 0.002
_JOIN_SECONDS = 30.0
_KEPT = 8
"""Torn states kept, each with the first moment it was seen."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What one reading saw: rows, a digest of keys and versions; the lowest and highest version, to show."""

    state: Fingerprint
    versions: str
    there: bool = True

    def __str__(self) -> str:
        return f"{self.state.rows} rows, {self.versions}" if self.there else "no table"


@dataclass(frozen=True, slots=True)
class Torn:
    """A state that was never published, and when it was first seen."""

    sight: Sight
    seconds: float
    times: int


class ConcurrentReader(Fault):
    """Reads from ``arm`` to ``heal``. Disturbs nothing; its witness is that it read often enough."""

    name: ClassVar[str] = "reader.concurrent"

    def __init__(self, view: SinkView, key: str, version: str, clock: Callable[[], float]) -> None:
        self._view = view
        self._query = _query(view, key, version)
        self._clock = clock
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._read_on, name="reader", daemon=True)
        self._seen: list[tuple[float, Sight]] = []
        self._trouble: str | None = None
        self._began = 0.0
        self.before: Sight | None = None

    def plan(self) -> Facts:
        """How it reads."""
        return {"reads": "count, digest of key and version", "at_least": READINGS}

    def arm(self, arena: Arena) -> None:
        """See what is published before, and begin to read."""
        self.before = self.look()
        self._began = self._clock()
        self._thread.start()

    def witness(self) -> Facts | None:
        """Asked before :meth:`heal`: what was read while the load was at work."""
        self._end()
        if len(self._seen) < READINGS or self._trouble:
            return None
        return {"readings": len(self._seen), "states": len({sight.state for _, sight in self._seen})}

    def heal(self) -> None:
        """Stop reading."""
        self._end()

    def look(self) -> Sight:
        """One reading, now. Raises ``psycopg.Error`` when the service is gone."""
        with psycopg.connect(self._view.dsn, autocommit=True) as connection:
            return self._reading(connection)

    def torn(self, after: Sight) -> tuple[Torn, ...]:
        """States seen that are neither the one before nor the one ``after``, most often seen first."""
        published = {sight.state for sight in (self.before, after) if sight is not None and sight.there}
        never = [(at, sight) for at, sight in self._seen if not sight.there or sight.state not in published]
        times = Counter(sight for _, sight in never)
        first = {sight: at for at, sight in reversed(never)}
        return tuple(Torn(sight, first[sight], count) for sight, count in times.most_common(_KEPT))

    def _end(self) -> None:
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    def _read_on(self) -> None:
        try:
            with psycopg.connect(self._view.dsn, autocommit=True) as connection:
                # Waiting: as long as a load can hold its locks, a reader waits for it, and no longer.
                while not self._stop.is_set():
                    sight = self._reading(connection)
                    self._seen.append((round(self._clock() - self._began, 4), sight))
                    self._stop.wait(_PAUSE_SECONDS)
        except psycopg.Error as error:
            self._trouble = str(error)

    def _reading(self, connection: psycopg.Connection) -> Sight:
        try:
            row = connection.execute(self._query).fetchone()
        except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName):
            return Sight(Fingerprint(rows=0, digest="absent"), "", there=False)
        except psycopg.errors.InternalError as error:
            # `could not open relation with OID`: dropped between looking it up and reading it.
            if "could not open relation" not in str(error):
                raise
            return Sight(Fingerprint(rows=0, digest="absent"), "", there=False)
        assert row is not None  # an aggregate has one row
        count, digest, low, high = row
        return Sight(Fingerprint(rows=count, digest=str(digest)), f"versions {low} to {high}")


def _query(view: SinkView, key: str, version: str) -> sql.Composed:
    # A sum of hashes: the order of rows plays no part, and a row that is there twice does.
    return sql.SQL(
        "SELECT count(*), coalesce(sum(hashtextextended(concat({key}::text, '/', {version}::text), 0)), 0), "
        "min({version})::text, max({version})::text FROM {table}"
    ).format(
        key=sql.Identifier(key),
        version=sql.Identifier(version),
        table=sql.Identifier(view.namespace, view.name),
    )
