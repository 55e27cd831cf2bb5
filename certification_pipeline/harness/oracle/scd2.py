"""What can be judged about scd2's validity columns: openness, contiguity, no overlap, order.

The instants themselves are the engine's business. Each pair (from, to) of the sink is reduced to the
same few words the model uses; an interval that overlaps the next one gets words no model uses.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb

from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import RowSample
from certification_pipeline.harness.oracle.compare import Findings
from certification_pipeline.harness.oracle.model.expected import CLOSED, CLOSED_BY_NEXT, VALID_FROM
from certification_pipeline.harness.oracle.sql import key_text, one_row, row_hash


def reduced(relation: str, keys: Sequence[int], validity: tuple[int, int], columns: Sequence[int]) -> str:
    """The sink's relation with its validity columns reduced to words; same columns, plus ``nth``."""
    start, end = (f"c{i}" for i in validity)
    others = ", ".join(f"c{i}" for i in columns if i not in validity)
    key = key_text([f"c{i}" for i in keys])
    return (
        f"(SELECT {others}, nth, "
        f"CASE WHEN {start} IS NOT NULL THEN '{VALID_FROM}' END AS {start}, "
        f"CASE WHEN {end} IS NULL THEN NULL "
        f"WHEN {end} < {start} THEN 'ends (' || {end} || ') before it begins' "
        f"WHEN {end} > next_start THEN 'ends (' || {end} || ') after the next version begins' "
        f"WHEN {end} = next_start THEN '{CLOSED_BY_NEXT}' ELSE '{CLOSED}' END AS {end} "
        f"FROM (SELECT *, lead({start}) OVER versions AS next_start, row_number() OVER versions AS nth "
        f"FROM {relation} WINDOW versions AS (PARTITION BY {key} ORDER BY {start}, {end} NULLS LAST)))"
    )


def out_of_order(
    connection: duckdb.DuckDBPyConnection,
    expected: str,
    actual: str,
    keys: Sequence[int],
    columns: Sequence[int],
) -> int:
    """Rows that are right but whose place in the history of their key is wrong.

    Asked only when both sides hold the same rows. ``actual`` is a :func:`reduced` relation.
    """
    names = [f"c{i}" for i in columns]
    key = key_text([f"c{i}" for i in keys])
    numbered = f"(SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY eid) AS nth FROM {expected})"
    (count,) = one_row(
        connection,
        f"SELECT count(*) FROM (SELECT {row_hash(names)} AS h, nth FROM {numbered} EXCEPT ALL "
        f"SELECT {row_hash(names)} AS h, nth FROM {actual})",
    )
    return int(count)


def with_disorder(findings: Findings, wrong: int, column: str) -> Findings:
    """The findings with ``wrong`` versions out of order added to them."""
    if not wrong:
        return findings
    sample = RowSample(
        anomaly=Anomaly.CORRUPT,
        key={},
        column=column,
        expected="the versions of a key begin in the order in which they happened",
        actual=f"{wrong} versions begin in another order",
    )
    return Findings(findings.expected, findings.actual, {Anomaly.CORRUPT: wrong}, {column: wrong}, (sample,))
