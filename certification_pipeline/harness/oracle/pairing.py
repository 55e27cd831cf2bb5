"""Which missing row became which excess row, where a key has several of them.

Tables that keep versions (appends, histories) hold a key more than once. When one column is wrong in all of
its rows, pairing them in any fixed order accuses columns that are right: so the most alike are paired first.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from certification_pipeline.harness.oracle.sql import one_row

MOST_CANDIDATES = 1024
"""Pairs of one key that are weighed: 32 x 32 rows. With more (a table without a key) order decides."""


def pair(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> None:
    """Make ``paired (m, x)``: row ids of ``missing``, and of ``excess`` rows that are not there ``again``.

    Both have ``k``, ``h`` and the columns; ``missing`` has ``eid``. As many pairs of a key as its shorter
    side has rows, each row in one at most; the same rows give the same pairs, in whatever order they come.
    """
    run = connection.execute
    fresh = "(SELECT rowid AS id, * FROM excess WHERE NOT again)"
    run(
        "CREATE TEMP TABLE several AS SELECT k FROM (SELECT k, count(*) AS n FROM missing GROUP BY k) AS m "
        f"JOIN (SELECT k, count(*) AS n FROM {fresh} GROUP BY k) AS x USING (k) "
        f"WHERE m.n * x.n BETWEEN 2 AND {MOST_CANDIDATES}"
    )
    in_order = "row_number() OVER (PARTITION BY k ORDER BY {by}) AS nth"
    run(
        "CREATE TEMP TABLE paired AS SELECT m.id AS m, x.id AS x FROM "
        f"(SELECT rowid AS id, k, {in_order.format(by='eid, h')} FROM missing) AS m JOIN "
        f"(SELECT id, k, {in_order.format(by='h')} FROM {fresh}) AS x ON m.k = x.k AND m.nth = x.nth "
        "ANTI JOIN several AS s ON s.k = m.k"
    )
    alike = " + ".join(f"(m.{c} IS NOT DISTINCT FROM x.{c})::INTEGER" for c in columns)
    run(
        f"CREATE TEMP TABLE candidates AS SELECT m.rowid AS m, x.id AS x, {alike} AS alike, "
        "m.eid, m.h AS mh, x.h AS xh FROM several AS s "
        f"JOIN missing AS m ON m.k = s.k JOIN {fresh} AS x ON x.k = s.k"
    )
    while _pair_the_most_alike(connection):
        run("DELETE FROM candidates WHERE m IN (SELECT m FROM paired) OR x IN (SELECT x FROM paired)")


def _pair_the_most_alike(connection: duckdb.DuckDBPyConnection) -> int:
    """Take pairs that are each other's best. The best of all that are left is one: it comes to an end."""
    nth = "row_number() OVER (PARTITION BY {side} ORDER BY alike DESC, eid, mh, xh, m, x)"
    (taken,) = one_row(
        connection,
        "INSERT INTO paired SELECT m, x FROM candidates "
        f"QUALIFY {nth.format(side='m')} = 1 AND {nth.format(side='x')} = 1",
    )
    return int(taken)
