"""Every reader brings back every edge value of every type, and names what it cannot read."""

from __future__ import annotations

import pyarrow as pa
import pytest

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.tables import build_workload

from .sinks import LAKES, SYSTEMS, Sinks

pytestmark = pytest.mark.integration


def rows_of(workload: Workload) -> pa.Table:
    return pa.Table.from_batches(list(workload.initial()), workload.spec.arrow_schema())


@pytest.mark.parametrize("system", [*SYSTEMS, *LAKES])
@pytest.mark.parametrize("name", ["types", "standard", "funky_one_case", "empty"])
def test_every_value_comes_back(system: str, name: str, all_sinks: Sinks, oracle: Oracle) -> None:
    workload = build_workload(name, 240, 7)
    sink = all_sinks.put(system, workload.spec, rows_of(workload))
    judgement = oracle.judge("load", History(workload, (0,)), Semantics(Strategy.FULL_REFRESH), sink)
    assert judgement.samples == ()
    assert judgement.remark is None
    assert judgement.outcome is Outcome.PASSED
    assert judgement.actual.rows == workload.rows
