"""What each family's artifact shows beside its verdict: its items, and figures that plot over time.

Names of figures are the same in every run, or there would be no line to draw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import singledispatch

import dagster as dg
import pandas as pd

from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.orchestration.render import Metadata, table


@singledispatch
def shown(decision: Decision) -> Metadata:
    """Nothing but the verdict, for a kind that has no entry here."""
    return {}


@shown.register
def _benchmark(made: BenchmarkBaseline) -> Metadata:
    rows = [
        {
            "metric": item.metric,
            "passed": item.passed,
            "actual": item.actual,
            "baseline": item.baseline,
            "allowed": item.allowed_threshold,
            "do": item.action.value,
        }
        for item in made.items
    ]
    return _shown(rows, {item.metric: item.actual for item in made.items})


def _shown(rows: Iterable[Mapping[str, object]], figures: Mapping[str, float | None]) -> Metadata:
    plotted = {name: dg.MetadataValue.float(float(v)) for name, v in figures.items() if v is not None}
    return {"1_items": table(pd.DataFrame(list(rows))), **plotted}
