"""One judgement of one sink."""

from __future__ import annotations

import datetime as dt

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics, SinkView

FULL = Semantics(Strategy.FULL_REFRESH)
ROWS = [
    {
        "id": key,
        "updated_at": dt.datetime(2024, 6, 1, 0, key, tzinfo=dt.UTC),
        "business_date": dt.date(2024, 6, key),
        "note": f"note {key}",
        "amount": key / 4,
    }
    for key in range(1, 6)
]


def judge(oracle: Oracle, workload: object, sink: SinkView, semantics: Semantics = FULL) -> RowJudgement:
    return oracle.judge("load", History(workload, (0,)), semantics, sink)  # type: ignore[arg-type]
