"""What each strategy leaves in the sink: one declarative definition each.

A sink is a set of (``k``, ``eid``, ``load``): which image of which key, and which load put it there
(an index into ``History.loads``). The definitions are the project's contract about strategies; the
reference engine implements the same contract on its own.
"""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Callable
from dataclasses import dataclass

import duckdb

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import LoadOptions
from certification_pipeline.harness.oracle.model.source_log import SourceLog
from certification_pipeline.harness.oracle.sql import one_row
from certification_pipeline.harness.oracle.terms import Resync

_NAMES = itertools.count()
_EPOCH = dt.date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class Loads:
    """The successful loads, each with the round it saw and the options it had."""

    rounds: tuple[int, ...]
    options: tuple[LoadOptions, ...]
    propagates_deletes: bool | None
    resyncs: tuple[Resync, ...] = ()
    propagates_updates: bool | None = None


class Model:
    """Builds the sink's state table for one history."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, log: SourceLog, loads: Loads) -> None:
        self.connection = connection
        self.log = log
        self.loads = loads
        self.state = f"state_{next(_NAMES)}"

    def build(self, strategy: Strategy) -> str:
        """Create the state table and return its name. ``closed`` is set by scd2 only."""
        self.connection.execute(
            f"CREATE TABLE {self.state} (k VARCHAR, eid BIGINT, load INTEGER, cur BIGINT, part INTEGER, "
            f"closed INTEGER)"
        )
        if self.loads.rounds:
            definitions = _STEP_BY_STEP if self.loads.resyncs else _DEFINITIONS
            definitions[strategy](self)
        return self.state

    # --- whole-table strategies ---------------------------------------------------------------------

    def full_refresh(self) -> None:
        """The sink is the source as of the last load."""
        last = len(self.loads.rounds) - 1
        self._put(self.log.current(self.loads.rounds[-1]), last)

    def mirror(self) -> None:
        """snapshot_diff, cdc: the sink is the source as of the last load; unchanged rows stay untouched."""
        if self.loads.propagates_deletes is False:
            return self.upserted()
        query = self.log.current(self.loads.rounds[-1])
        self.connection.execute(
            f"INSERT INTO {self.state} SELECT k, eid, {self._first_load()}, cur, part, NULL "
            f"FROM ({query}) JOIN (SELECT eid, round FROM {self.log.table}) USING (eid)"
        )
        return None

    def upserted(self) -> None:
        """xmin: every image that some load saw was upserted; what a load no longer sees stays."""
        if self.loads.propagates_deletes:
            return self.mirror()
        seen = " OR ".join(self.log.visible(round_) for round_ in sorted(set(self.loads.rounds)))
        self.connection.execute(
            f"INSERT INTO {self.state} SELECT k, eid, {self._first_load()}, cur, part, NULL "
            f"FROM {self.log.table} WHERE ({seen}) "
            f"QUALIFY row_number() OVER (PARTITION BY k ORDER BY eid DESC) = 1"
        )
        return None

    def _first_load(self) -> str:
        """SQL for the first load that ran at or after the event's round."""
        rounds = self.loads.rounds
        cases = " ".join(f"WHEN round <= {seen} THEN {load}" for load, seen in enumerate(rounds))
        return f"(CASE {cases} END)"

    # --- the same, load by load, for histories in which regions were read again between loads ----------

    def mirrored_step_by_step(self) -> None:
        """full_refresh and mirrors: each load makes the sink the source."""
        if self.loads.propagates_deletes is False:
            return self.upserted_step_by_step()
        for load, round_ in enumerate(self.loads.rounds):
            self.connection.execute(f"DELETE FROM {self.state}")
            self._put(self.log.current(round_), load)
            self._resynced(load)
        return None

    def upserted_step_by_step(self) -> None:
        """xmin: each load upserts the images that it sees and no load or resync before it saw."""
        if self.loads.propagates_deletes:
            return self.mirrored_step_by_step()
        for load, round_ in enumerate(self.loads.rounds):
            now = self._scratch(self.log.current(round_))
            self.connection.execute(f"DELETE FROM {self.state} WHERE k IN (SELECT k FROM {now})")
            self._put(f"SELECT * FROM {now}", load)
            self.connection.execute(f"DROP TABLE {now}")
            self._resynced(load)
        return None

    def _resynced(self, load: int) -> None:
        """Apply the resyncs that came after this load and before the next."""
        for resync in self.loads.resyncs:
            if resync.after != load + 1:
                continue
            inside = resync.region.holds("part" if resync.region.of == "partition" else "k::BIGINT")
            current = self.log.current(resync.round)
            chosen = inside
            if resync.by_key:
                keys = self._scratch(
                    f"SELECT k FROM {self.state} WHERE {inside} "
                    f"UNION SELECT k FROM ({current}) WHERE {inside}"
                )
                chosen = f"k IN (SELECT k FROM {keys})"
            self.connection.execute(f"DELETE FROM {self.state} WHERE {chosen}")
            self._put(f"SELECT * FROM ({current}) WHERE {chosen}", load)
            if resync.by_key:
                self.connection.execute(f"DROP TABLE {keys}")

    # --- cursor strategies --------------------------------------------------------------------------

    def append(self) -> None:
        """Every version (key, cursor) that the cursor rule selects, each exactly once ever."""
        for load, _ in enumerate(self.loads.rounds):
            self._put(
                f"SELECT * FROM ({self._selected(load)}) AS s WHERE NOT EXISTS "
                f"(SELECT 1 FROM {self.state} AS t WHERE t.k = s.k AND t.cur IS NOT DISTINCT FROM s.cur)",
                load,
            )

    def merge(self) -> None:
        """The same selection, upserted by key; deletes stay unless the claim says otherwise."""
        for load, round_ in enumerate(self.loads.rounds):
            selected = self._scratch(self._new_or_selected(load))
            self.connection.execute(f"DELETE FROM {self.state} WHERE k IN (SELECT k FROM {selected})")
            self._put(f"SELECT * FROM {selected}", load)
            self.connection.execute(f"DROP TABLE {selected}")
            if self.loads.propagates_deletes:
                present = f"SELECT k FROM ({self.log.current(round_)})"
                self.connection.execute(f"DELETE FROM {self.state} WHERE k NOT IN ({present})")
            self._resynced(load)

    def _new_or_selected(self, load: int) -> str:
        """What a merge takes; of a merge that only inserts, the keys that are not there yet."""
        if self.loads.propagates_updates is False:
            return f"SELECT * FROM ({self._selected(load)}) WHERE k NOT IN (SELECT k FROM {self.state})"
        return self._selected(load)

    def _selected(self, load: int) -> str:
        """Visible rows with cursor >= high water - lookback, or NULL cursor where those are included.

        The high-water mark is the greatest cursor loaded *so far* (the state at this moment). For merge
        an image that was overwritten or deleted still counts: hence the running maximum.
        """
        options = self.loads.options[load]
        rows = self.log.current(self.loads.rounds[load])
        high_water = self._high_water(load)
        reached = "cur IS NOT NULL"
        if high_water is not None:
            reached = f"cur >= {high_water - options.lookback_seconds * 1_000_000}"
        if options.cursor_nulls == "include":
            reached = f"({reached} OR cur IS NULL)"
        return f"SELECT * FROM ({rows}) WHERE {reached}"

    def _high_water(self, load: int) -> int | None:
        """Greatest cursor among rows loaded by earlier loads.

        A load takes everything at or above the mark, so the mark after it is the greatest cursor that it
        could see, or the old mark where it saw none above.
        """
        marks = []
        for round_ in self.loads.rounds[:load]:
            (mark,) = one_row(self.connection, f"SELECT max(cur) FROM ({self.log.current(round_)})")
            marks.append(mark)
        known = [mark for mark in marks if mark is not None]
        return max(known) if known else None

    # --- partition strategies -----------------------------------------------------------------------

    def replace(self) -> None:
        """The slice is replaced by the source's slice; other rows of the sink stay."""
        for load, round_ in enumerate(self.loads.rounds):
            inside = _slice(self.loads.options[load])
            self.connection.execute(f"DELETE FROM {self.state} WHERE {inside}")
            self._put(f"SELECT * FROM ({self.log.current(round_)}) WHERE {inside}", load)
            self._resynced(load)

    def partition_replace(self) -> None:
        """Every partition in the extract replaces that partition; vanished partitions stay."""
        for load, round_ in enumerate(self.loads.rounds):
            extract = f"SELECT * FROM ({self.log.current(round_)}) WHERE {_slice(self.loads.options[load])}"
            self.connection.execute(
                f"DELETE FROM {self.state} AS t WHERE EXISTS "
                f"(SELECT 1 FROM (SELECT DISTINCT part FROM ({extract})) AS s "
                f"WHERE s.part IS NOT DISTINCT FROM t.part)"
            )
            self._put(extract, load)
            self._resynced(load)

    def backfill(self) -> None:
        """Each day of the slice as it was at the first load that covered it; committed days are skipped."""
        committed: list[tuple[int, int]] = []
        for load, round_ in enumerate(self.loads.rounds):
            first, last = self._days(load, round_)
            if first is None or last is None:
                continue
            done = " OR ".join(f"part BETWEEN {low} AND {high}" for low, high in committed) or "false"
            self._put(
                f"SELECT * FROM ({self.log.current(round_)}) "
                f"WHERE part BETWEEN {first} AND {last} AND NOT ({done})",
                load,
            )
            committed.append((first, last))
            self._resynced(load)

    def _days(self, load: int, round_: int) -> tuple[int | None, int | None]:
        """First and last day that a backfill covers; open ends reach to what the source has then."""
        options = self.loads.options[load]
        low, high = one_row(self.connection, f"SELECT min(part), max(part) FROM ({self.log.current(round_)})")
        first = _day(options.partition_from) if options.partition_from else low
        last = _day(options.partition_to) - 1 if options.partition_to else high
        return first, last

    # --- history ------------------------------------------------------------------------------------

    def scd2(self) -> None:
        """One row for each version a load saw; a version closes when the next opens or the key is gone."""
        table, closing = self.log.table, self.loads.propagates_deletes is not False
        for load, round_ in enumerate(self.loads.rounds):
            layout = self.log.layouts[round_]
            data = [n for n in layout.spec.column_names if n not in layout.spec.primary_key]
            differs = " OR ".join(f"o.{layout.slot(n)} IS DISTINCT FROM n.{layout.slot(n)}" for n in data)
            now = self._scratch(self.log.current(round_))
            superseded = (
                f"SELECT t.k FROM {self.state} AS t JOIN {now} AS c USING (k) "
                f"JOIN {table} AS o ON o.eid = t.eid JOIN {table} AS n ON n.eid = c.eid "
                f"WHERE t.closed IS NULL AND t.eid <> c.eid AND ({differs or 'false'})"
            )
            gone = f"k NOT IN (SELECT k FROM {now})" if closing else "false"
            self.connection.execute(
                f"UPDATE {self.state} SET closed = {load} "
                f"WHERE closed IS NULL AND ({gone} OR k IN ({superseded}))"
            )
            open_keys = f"SELECT k FROM {self.state} WHERE closed IS NULL"
            self._put(f"SELECT * FROM {now} WHERE k NOT IN ({open_keys})", load)
            self.connection.execute(f"DROP TABLE {now}")

    # --- building blocks ----------------------------------------------------------------------------

    def _put(self, query: str, load: int) -> None:
        self.connection.execute(
            f"INSERT INTO {self.state} SELECT k, eid, {load}, cur, part, NULL FROM ({query})"
        )

    def _scratch(self, query: str) -> str:
        name = f"scratch_{next(_NAMES)}"
        self.connection.execute(f"CREATE TEMP TABLE {name} AS {query}")
        return name


def _slice(options: LoadOptions) -> str:
    """Condition ``part`` in [from, to); without bounds every row, also one without a partition."""
    bounds = []
    if options.partition_from:
        bounds.append(f"part >= {_day(options.partition_from)}")
    if options.partition_to:
        bounds.append(f"part < {_day(options.partition_to)}")
    return f"coalesce({' AND '.join(bounds)}, false)" if bounds else "true"


def _day(iso: str) -> int:
    return (dt.date.fromisoformat(iso) - _EPOCH).days


_DEFINITIONS: dict[Strategy, Callable[[Model], None]] = {
    Strategy.FULL_REFRESH: Model.full_refresh,
    Strategy.REPLACE: Model.replace,
    Strategy.INCREMENTAL_APPEND: Model.append,
    Strategy.INCREMENTAL_MERGE: Model.merge,
    Strategy.SNAPSHOT_DIFF: Model.mirror,
    Strategy.XMIN: Model.upserted,
    Strategy.CDC: Model.mirror,
    Strategy.PARTITION_REPLACE: Model.partition_replace,
    Strategy.SCD2: Model.scd2,
    Strategy.BACKFILL: Model.backfill,
}

_STEP_BY_STEP: dict[Strategy, Callable[[Model], None]] = {
    Strategy.FULL_REFRESH: Model.mirrored_step_by_step,
    Strategy.REPLACE: Model.replace,
    Strategy.INCREMENTAL_MERGE: Model.merge,
    Strategy.SNAPSHOT_DIFF: Model.mirrored_step_by_step,
    Strategy.XMIN: Model.upserted_step_by_step,
    Strategy.CDC: Model.mirrored_step_by_step,
    Strategy.PARTITION_REPLACE: Model.partition_replace,
    Strategy.BACKFILL: Model.backfill,
}
"""The strategies that a resync is defined for."""
