"""The services at both ends die and come back on the same data.

Purpose, method and criterion of each scenario, in full, are data (``catalog/data/scenarios/recovery.yaml``).
"""

from __future__ import annotations

from functools import partial

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.process import AfterSeconds
from certification_pipeline.harness.faults.services import Restart
from certification_pipeline.harness.scenarios.broken import (
    LOST_CONNECTION,
    MIDDLE,
    broken_at,
    clean_round,
    next_round,
)


def source_restart(bench: Bench) -> None:
    """What was kept about a source is still good after its crash, and half a read is none.

    Its server is killed in mid-load and started again on the same data, and rows change once more. Passes
    when the load ends well or with `connectivity`, and the rerun brings the source's rows.
    """
    _restart(bench, Side.SOURCE)


def sink_restart(bench: Bench) -> None:
    """Only what the sink made durable counts as delivered.

    Its server is killed in mid-load and started again on the same data, and rows change once more. Passes
    when the load ends well or with `connectivity`, and the rerun brings the source's rows.
    """
    _restart(bench, Side.SINK)


def _restart(bench: Bench, side: Side) -> None:
    took = clean_round(bench).outcome.seconds
    broken_at(bench, partial(_after, side, took * MIDDLE), LOST_CONNECTION, f"the {side} dies")
    # Whoever goes on from "now" is seen by what came before it, wherever in the load the server died.
    next_round(bench)
    bench.nemesis.recover()


def _after(side: Side, seconds: float, tries: int) -> Restart:
    return Restart(side, AfterSeconds(seconds / 2**tries))
