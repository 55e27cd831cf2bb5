"""Schema drift between two loads, held to what the engine declares it does about it."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import DriftBehaviour, DriftKind, FailureCategory
from certification_pipeline.harness.bench import Bench


def drift(kind: DriftKind, bench: Bench) -> None:
    """Load; drift the source together with a change round; load again; judge against the declaration."""
    declared = bench.declared_drift(kind)
    bench.seed(f"drift_{kind}")
    bench.load_and_judge()
    bench.change()
    if declared is DriftBehaviour.STOPS:
        bench.load(expect=FailureCategory.SCHEMA)
        bench.judge("the sink is as before the refused load")
        return
    bench.drift = declared
    bench.load_and_judge(f"after the drift, declared: {declared}")
    bench.load_and_judge("idle rerun after the drift")
