"""Versions of rows, and slices of a replace."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, Strategy
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.harness.engines.protocol import LoadOptions
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics
from certification_pipeline.harness.workload.spec import Column, LogicalType
from tests.oracle.judging import ROWS

from .fake import SPEC, FakeWorkload, Round, table
from .sinks import Sinks

SCD2 = replace(
    SPEC,
    columns=(
        *SPEC.columns,
        Column("from_ts", LogicalType.TIMESTAMPTZ),
        Column("to_ts", LogicalType.TIMESTAMPTZ),
    ),
)


def _at(day: int | None) -> dt.datetime | None:
    return None if day is None else dt.datetime(2025, 1, day, tzinfo=dt.UTC)


def _scd2(oracle: Oracle, sinks: Sinks, versions: list[tuple[str, int | None, int | None]]) -> RowJudgement:
    """One key whose note goes a -> b -> (deleted) -> c over four loads."""
    base = ROWS[0]
    workload = FakeWorkload(
        [{**base, "note": "a"}],
        [
            Round(updates=[{**base, "note": "b"}]),
            Round(deletes=[1]),
            Round(inserts=[{**base, "note": "c"}]),
        ],
    )
    rows = [{**base, "note": note, "from_ts": _at(start), "to_ts": _at(end)} for note, start, end in versions]
    semantics = Semantics(Strategy.SCD2, scd2_columns=("from_ts", "to_ts"))
    history = History(workload, (0, 1, 2, 3))  # type: ignore[arg-type]
    return oracle.judge("scd2", history, semantics, sinks.put("duckdb", SCD2, table(rows, SCD2)))


@pytest.mark.parametrize(
    ("versions", "anomalies", "columns"),
    [
        ([("a", 1, 2), ("b", 2, 3), ("c", 4, None)], {}, set()),
        ([("c", 4, None), ("b", 2, 3), ("a", 1, 2)], {}, set()),
        ([("a", 1, 2), ("b", 2, 4), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # delete was not seen
        ([("a", 1, 2), ("b", 2, None), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # never closed
        ([("a", 1, 3), ("b", 2, 3), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # overlap
        ([("a", 1, 2), ("b", 3, 3), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # gap
        (
            [("a", 2, 1), ("b", 2, 3), ("c", 4, None)],
            {Anomaly.CORRUPT: 1},
            {"to_ts"},
        ),  # ends before it begins
        ([("a", 1, 2), ("b", 2, 3)], {Anomaly.LOST: 1}, set()),
        ([("b", 2, 3), ("c", 4, None)], {Anomaly.LOST: 1}, set()),
        ([("a", None, 2), ("b", 2, 3), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"from_ts", "to_ts"}),
        ([("a", 1, 2), ("b", 2, 3), ("c", 4, None), ("c", 4, None)], {Anomaly.DUPLICATE: 1}, set()),
    ],
)
def test_history_is_judged_by_openness_contiguity_and_order(
    versions: list[tuple[str, int | None, int | None]],
    anomalies: dict[Anomaly, int],
    columns: set[str],
    sinks: Sinks,
    oracle: Oracle,
) -> None:
    judgement = _scd2(oracle, sinks, versions)
    assert judgement.anomalies == anomalies
    assert set(judgement.columns) == columns
    assert judgement.outcome is (Outcome.FAILED if anomalies else Outcome.PASSED)


def test_versions_in_the_wrong_order_are_corrupt(sinks: Sinks, oracle: Oracle) -> None:
    """The same rows, equally open and contiguous; only the order in which they begin is wrong."""
    base = ROWS[0]
    rounds = [Round(updates=[{**base, "note": note}]) for note in ("b", "c")]
    history = History(FakeWorkload([{**base, "note": "a"}], rounds), (0, 1, 2))  # type: ignore[arg-type]
    semantics = Semantics(Strategy.SCD2, scd2_columns=("from_ts", "to_ts"))

    def judged(notes: str) -> RowJudgement:
        rows = [
            {**base, "note": note, "from_ts": _at(day), "to_ts": _at(day + 1 if day < 3 else None)}
            for day, note in enumerate(notes, 1)
        ]
        return oracle.judge("scd2", history, semantics, sinks.put("duckdb", SCD2, table(rows, SCD2)))

    assert judged("abc").outcome is Outcome.PASSED
    judgement = judged("bac")
    assert judgement.anomalies == {Anomaly.CORRUPT: 2}
    assert judgement.columns == {"from_ts": 2}
    assert judgement.outcome is Outcome.FAILED


def test_two_slices_of_one_replace(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    """Rows outside the second slice must have stayed."""
    options = tuple(
        LoadOptions(partition_from=f"2024-06-0{low}", partition_to=f"2024-06-0{low + 2}") for low in (1, 3)
    )
    history = History(workload, (0, 0), options)  # type: ignore[arg-type]
    kept = sinks.put("duckdb", SPEC, table(ROWS[:4]))
    assert oracle.judge("r", history, Semantics(Strategy.REPLACE), kept).outcome is Outcome.PASSED
    wiped = sinks.put("duckdb", SPEC, table(ROWS[2:4]))
    assert oracle.judge("r", history, Semantics(Strategy.REPLACE), wiped).anomalies == {Anomaly.LOST: 2}
