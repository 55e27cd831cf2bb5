"""Keyed multiset comparison of two relations of canonical text, exact and out of core.

Both sides are DuckDB relations with columns ``c0`` … (all VARCHAR); the expected side has ``eid`` too. Rows
that are on both sides equally often are taken away by hash; what is left is paired by key and named:

1. an excess row that equals an expected row is a *duplicate*;
2. other excess rows are paired with missing rows of the same key: *stale* when the row is an earlier
   image of that key, else *corrupt*;
3. a missing row without partner is *lost*;
4. an excess row, paired or not, that is an image of a transaction which rolled back is an *aborted read*
   (the missing row it is paired with is then told by it);
5. an excess row without partner is a *duplicate* when its key is expected, a *resurrected delete* when
   the source deleted the key and it must be gone, else a *phantom*; a row with a NULL key is a phantom.

It must not know where the two sides came from.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import duckdb
import pyarrow as pa

from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import Fingerprint, RowSample
from certification_pipeline.harness.oracle.pairing import pair
from certification_pipeline.harness.oracle.sql import key_text, one_row, row_hash

LONGEST_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Sides:
    """What to compare. ``images`` and ``deleted`` are as in :class:`model.expected.Expected`."""

    expected: str
    """Relation with ``eid, c0 …``."""
    actual: str
    """Relation with ``c0 …``."""
    names: Sequence[str]
    """Column names by position, for samples and counts."""
    compared: Sequence[int]
    """Positions that are compared; must contain the key's."""
    keys: Sequence[int]
    images: Callable[[str], pa.Table] | None = None
    """Query of ``k`` -> earlier images of those keys (``k, eid, c0 …``), as the sink can hold them."""
    deleted: str | None = None
    aborted: Callable[[str], pa.Table] | None = None
    """As ``images``, of transactions that rolled back."""


@dataclass(frozen=True, slots=True)
class Findings:
    """Exact counts and a bounded sample."""

    expected: Fingerprint
    actual: Fingerprint
    anomalies: dict[Anomaly, int]
    columns: dict[str, int]
    """Corrupt and stale rows by differing column."""
    samples: tuple[RowSample, ...]


def fingerprint(connection: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[str]) -> Fingerprint:
    """Number of rows and the sum, modulo 2^128, of the MD5 of each row's text: order does not matter."""
    query = f"SELECT {row_hash(columns)} AS h, 1::BIGINT AS n FROM {relation}"
    return _folded(connection, f"({query})")


def _folded(connection: duckdb.DuckDBPyConnection, hashes: str) -> Fingerprint:
    low = "(h & 18446744073709551615::UHUGEINT)::HUGEINT * n"
    high = "(h >> 64)::HUGEINT * n"
    rows, lows, highs = one_row(connection, f"SELECT sum(n), sum({low}), sum({high}) FROM {hashes}")
    total = (int(lows or 0) + (int(highs or 0) << 64)) % (1 << 128)
    return Fingerprint(rows=int(rows or 0), digest=f"md5sum128:{total:032x}")


class Comparison:
    """One comparison on one connection; its temporary tables live as long as the connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, sides: Sides, samples: int) -> None:
        self.connection = connection
        self.sides = sides
        self.samples = samples
        self.columns = [f"c{i}" for i in sides.compared]
        self.key = key_text([f"c{i}" for i in sides.keys])

    def run(self) -> Findings:
        """Compare."""
        expected, actual = self._hashes("eh", self.sides.expected), self._hashes("ah", self.sides.actual)
        self._do(
            "CREATE TEMP TABLE differing AS SELECT coalesce(eh.h, ah.h) AS h, coalesce(eh.n, 0) AS en, "
            "coalesce(ah.n, 0) AS an FROM eh FULL JOIN ah ON eh.h = ah.h WHERE eh.n IS DISTINCT FROM ah.n"
        )
        (differing,) = one_row(self.connection, "SELECT count(*) FROM differing")
        if not differing:
            return Findings(expected, actual, {}, {}, ())
        self._pair()
        self._name()
        return Findings(expected, actual, self._counts(), self._column_counts(), tuple(self._samples()))

    def _do(self, statement: str) -> None:
        self.connection.execute(statement)

    def _hashes(self, name: str, relation: str) -> Fingerprint:
        self._do(
            f"CREATE TEMP TABLE {name} AS SELECT h, count(*) AS n FROM "
            f"(SELECT {row_hash(self.columns)} AS h FROM {relation}) GROUP BY h"
        )
        return _folded(self.connection, name)

    def _pair(self) -> None:
        """``missing`` and ``excess`` rows, paired by key into ``found``."""
        chosen = ", ".join(self.columns)
        for name, relation, surplus, extra in (
            ("missing", self.sides.expected, "en - an", "eid"),
            ("excess", self.sides.actual, "an - en", "(en > 0) AS again"),
        ):
            self._do(
                f"CREATE TEMP TABLE {name} AS SELECT {self.key} AS k, h, {extra}, {chosen} FROM "
                f"(SELECT *, {row_hash(self.columns)} AS h FROM {relation}) JOIN differing USING (h) "
                f"WHERE {surplus} > 0 QUALIFY row_number() OVER (PARTITION BY h) <= {surplus}"
            )
        pair(self.connection, self.columns)
        left = ", ".join(f"m.{c} AS e{c}" for c in self.columns)
        right = ", ".join(f"x.{c} AS a{c}" for c in self.columns)
        self._do(
            f"CREATE TEMP TABLE found AS SELECT m.k AS mk, x.k AS xk, m.eid AS eid, x.h AS xh, "
            f"m.h IS NOT NULL AS is_missing, x.h IS NOT NULL AS is_excess, "
            f"coalesce(x.again, false) AS again, {left}, {right} FROM "
            f"(SELECT missing.*, x AS pair FROM missing LEFT JOIN paired ON m = missing.rowid) AS m "
            f"FULL JOIN (SELECT *, rowid AS id FROM excess) AS x ON m.pair = x.id"
        )

    def _name(self) -> None:
        """``named``: every finding with its anomaly."""
        stale = "false"
        if self.sides.images is not None:
            keys = "SELECT DISTINCT mk FROM found WHERE is_missing AND is_excess"
            self._keep_images("earlier", self.sides.images(keys))
            stale = "EXISTS (SELECT 1 FROM earlier AS i WHERE i.k = f.mk AND i.h = f.xh AND i.eid < f.eid)"
        gone = f"xk IN ({self.sides.deleted})" if self.sides.deleted else "false"
        aborted = "false"
        if self.sides.aborted is not None:
            self._keep_images("undone", self.sides.aborted("SELECT DISTINCT xk FROM found WHERE is_excess"))
            aborted = "EXISTS (SELECT 1 FROM undone AS i WHERE i.k = f.xk AND i.h = f.xh)"
        known = f"xk IN (SELECT {self.key} FROM {self.sides.expected})"
        self._do(
            f"CREATE TEMP TABLE named AS SELECT *, CASE "
            f"WHEN again THEN 'duplicate' "
            f"WHEN is_excess AND {aborted} THEN 'aborted_read' "
            f"WHEN is_missing AND is_excess THEN (CASE WHEN {stale} THEN 'stale' ELSE 'corrupt' END) "
            f"WHEN is_missing THEN 'lost' "
            f"WHEN xk IS NULL THEN 'phantom' "
            f"WHEN {known} THEN 'duplicate' "
            f"WHEN {gone} THEN 'resurrected_delete' "
            f"ELSE 'phantom' END AS anomaly FROM found AS f"
        )

    def _keep_images(self, name: str, images: pa.Table) -> None:
        """As a temporary table of ``k, eid, h``."""
        self.connection.register("some_images", images)
        self._do(f"CREATE TEMP TABLE {name} AS SELECT k, eid, {row_hash(self.columns)} AS h FROM some_images")
        self.connection.unregister("some_images")

    def _counts(self) -> dict[Anomaly, int]:
        rows = self.connection.execute("SELECT anomaly, count(*) FROM named GROUP BY anomaly").fetchall()
        counted = {Anomaly(name): int(count) for name, count in rows}
        return {anomaly: counted[anomaly] for anomaly in Anomaly if anomaly in counted}

    def _column_counts(self) -> dict[str, int]:
        counts = ", ".join(f"count(*) FILTER (e{c} IS DISTINCT FROM a{c})" for c in self.columns)
        row = one_row(self.connection, f"SELECT {counts} FROM named WHERE is_missing AND is_excess")
        names = [self.sides.names[i] for i in self.sides.compared]
        return {name: int(count) for name, count in zip(names, row, strict=True) if count}

    # --- samples ------------------------------------------------------------------------------------

    def _samples(self) -> list[RowSample]:
        """Of each anomaly in turn, so that a frequent one does not hide a rare one."""
        by_kind = [self._samples_of(anomaly) for anomaly in self._counts()]
        taken: list[RowSample] = []
        for nth in range(self.samples):
            for samples in by_kind:
                if nth < len(samples) and len(taken) < self.samples:
                    taken.append(samples[nth])
        return sorted(taken, key=lambda s: list(Anomaly).index(s.anomaly))

    def _samples_of(self, anomaly: Anomaly) -> list[RowSample]:
        sides = ", ".join(f"{side}{c}" for side in "ea" for c in self.columns)
        rows = self.connection.execute(
            f"SELECT is_missing, is_excess, {sides} FROM named WHERE anomaly = '{anomaly}' "
            f"ORDER BY try_cast(coalesce(mk, xk) AS BIGINT), coalesce(mk, xk), xh LIMIT {self.samples}"
        ).fetchall()
        samples: list[RowSample] = []
        width = len(self.columns)
        for is_missing, is_excess, *cells in rows:
            expected, actual = cells[:width], cells[width:]
            key = self._key_of(expected if is_missing else actual)
            if is_missing and is_excess:
                samples += self._differences(anomaly, key, expected, actual)
            else:
                whole = self._row(expected if is_missing else actual)
                samples.append(
                    RowSample(
                        anomaly=anomaly,
                        key=key,
                        column=None,
                        expected=whole if is_missing else None,
                        actual=whole if is_excess else None,
                    )
                )
        return samples

    def _differences(
        self,
        anomaly: Anomaly,
        key: dict[str, str | None],
        expected: list[str | None],
        actual: list[str | None],
    ) -> list[RowSample]:
        return [
            RowSample(anomaly=anomaly, key=key, column=self.sides.names[i], expected=cut(e), actual=cut(a))
            for i, e, a in zip(self.sides.compared, expected, actual, strict=True)
            if e != a
        ]

    def _key_of(self, cells: list[str | None]) -> dict[str, str | None]:
        place = {position: nth for nth, position in enumerate(self.sides.compared)}
        return {self.sides.names[i]: cut(cells[place[i]]) for i in self.sides.keys}

    def _row(self, cells: list[str | None]) -> str:
        parts = (
            f"{self.sides.names[i]}={'NULL' if cell is None else cell}"
            for i, cell in zip(self.sides.compared, cells, strict=True)
        )
        return str(cut(" ".join(parts)))


def cut(text: str | None) -> str | None:
    """At most 200 characters, and how long it was."""
    if text is None or len(text) <= LONGEST_SAMPLE:
        return text
    return f"{text[:LONGEST_SAMPLE]}… ({len(text)} characters)"
