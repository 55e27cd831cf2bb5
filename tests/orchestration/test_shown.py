"""What the page of an evidence family shows beside its verdict."""

from __future__ import annotations

import dagster as dg

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_samples import Comparison, Metric
from certification_pipeline.evidence.openlineage import (
    LineageItem,
    OpenLineageReport,
    ProblemWord,
    RunProblem,
)
from certification_pipeline.orchestration.render import Metadata
from certification_pipeline.orchestration.shown import shown


def rows(metadata: Metadata, name: str) -> list[dict[str, object]]:
    found = metadata[name]
    assert isinstance(found, dg.TableMetadataValue)
    return [dict(record.data) for record in found.records]


def load(cell: str, *, judged: bool = True, wrong: bool = False) -> LineageItem:
    problem = RunProblem(word=ProblemWord.WRONG_COUNT, message="7 rows, the oracle counted 8")
    return LineageItem.model_construct(
        cell_id=cell,
        step="first",
        oracle_rows=8 if judged else None,
        problems=(problem,) if wrong else (),
        passed=not wrong,
    )


def test_loads_are_counted_by_route_and_those_that_disagree_stand_first() -> None:
    items = (load("a_to_b__full_refresh__x"), load("a_to_b__scd2__y", judged=False), load("c_to_d__cdc__z"))
    report = OpenLineageReport.model_construct(items=items, event_count=6, run_count=3, judged_runs=2)
    page = shown(report)
    assert "1_items" not in page, "nothing disagrees"
    assert rows(page, "2_loads") == [
        {"route": "a_to_b", "loads": "2", "judged": "1", "disagree": "0"},
        {"route": "c_to_d", "loads": "1", "judged": "1", "disagree": "0"},
    ]
    wrong = report.model_copy(update={"items": (*items, load("c_to_d__cdc__w", wrong=True))})
    assert [row["route"] for row in rows(shown(wrong), "2_loads")] == ["c_to_d", "a_to_b"]
    assert [row["cell"] for row in rows(shown(wrong), "1_items")] == ["c_to_d__cdc__w"]
    assert "2_loads" not in shown(report.model_copy(update={"items": ()}))


def compared(metric: Metric, *, gated: bool) -> Comparison:
    return Comparison(
        metric=metric,
        gated=gated,
        pairs=20,
        contender=1.0,
        baseline=1.0,
        raw=None,
        to_raw=None,
        ratio=0.98,
        lower=0.9 if gated else None,
        upper=1.06 if gated else None,
        allowed=1.1,
        outcome=Outcome.PASSED,
    )


def test_what_no_gate_asks_for_is_advisory_and_stands_below() -> None:
    comparisons = (compared(Metric.MEMORY, gated=False), compared(Metric.CPU, gated=True))
    page = shown(BenchmarkBaseline.model_construct(source="measured", comparisons=comparisons, aa=None))
    first, second = rows(page, "1_items")
    assert (first["outcome"], first["95 % bounds"]) == ("passed", "0.900 to 1.060")
    assert second["outcome"] == "advisory"
    assert page[f"{Metric.CPU.value}_ratio"] == dg.MetadataValue.float(0.98)
    assert f"{Metric.MEMORY.value}_to_raw" not in page, "what was not measured is not plotted as nothing"
