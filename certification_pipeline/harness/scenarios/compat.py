"""What one release leaves behind, the next one must take over."""

from __future__ import annotations

from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.process import AfterSeconds, Kill
from certification_pipeline.harness.nemesis import ANY_END

INTO_A_LOAD_SECONDS = 0.25
"""Engines with a release before this one need longer for the shortest of their loads."""


def upgrade(bench: Bench) -> None:
    """The previous release loads, and dies in its second load; this one goes on from what it left."""
    bench.seed("punctual")
    with bench.previous_release():
        bench.load_and_judge("by the previous release")
        bench.change()
        with bench.nemesis.disrupt(Kill(AfterSeconds(INTO_A_LOAD_SECONDS))):
            bench.load(ends=ANY_END)
    bench.nemesis.recover("by this release, after the previous one died")
    bench.change()
    bench.load_and_judge("change round, by this release")
    bench.load_and_judge("idle rerun")
