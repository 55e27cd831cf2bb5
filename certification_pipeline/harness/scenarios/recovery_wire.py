"""The network between an engine and its two ends: reset, refused, silent, slow.

Purpose, method and criterion of each scenario, in full, are data (``catalog/data/scenarios/recovery.yaml``).
Thresholds are shares of what a clean load of the round before moved: the fault fires in mid-batch whatever
the engine.
"""

from __future__ import annotations

from functools import partial

from certification_pipeline.catalog.vocabulary import FailureCategory, Side
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.network import HalfOpen, Latency, Refuse, Reset
from certification_pipeline.harness.faults.statements import CancelStatement
from certification_pipeline.harness.nemesis import RESULT, failed_as
from certification_pipeline.harness.scenarios.broken import (
    LOST_CONNECTION,
    TRIES,
    broken,
    broken_at,
    clean_round,
)

EVERY_CONNECTION = 1_000_000
"""More than any load tries."""

REFUSED_WRITE = (
    RESULT,
    *failed_as(FailureCategory.CONNECTIVITY, FailureCategory.CONFLICT, FailureCategory.RESOURCE),
)
"""What a cancelled statement may be called: a retry may help after each of them."""

GAVE_UP = (*LOST_CONNECTION, *failed_as(FailureCategory.CONFLICT))
"""The server knows nothing of it yet: a retry may find what the silent connection has locked."""


def source_reconnect(bench: Bench) -> None:
    """Half a read is never taken for a whole one (canonical 1).

    The source's connection is reset in mid-batch. Passes when the load ends well with the source's rows, or
    with `connectivity` and a rerun brings them.
    """
    _reset(bench, Side.SOURCE)


def sink_reset(bench: Bench) -> None:
    """Rows on their way are delivered in the end, and not twice.

    The sink's connection is reset in mid-batch. Passes when the load ends well with the source's rows, or
    with `connectivity` and a rerun brings them.
    """
    _reset(bench, Side.SINK)


def sink_write_failure(bench: Bench) -> None:
    """What a failed load wrote is not there, and the retry brings it once (canonical 3).

    The server cancels the statement that writes, in mid-batch. Passes when the load ends with a category that
    a retry may help, the sink is as before, and the rerun brings the source's rows.
    """
    bench.nemesis.wire(Side.SINK)
    clean = clean_round(bench)
    cancel = partial(_cancel_after, clean.middle(Side.SINK))
    outcome = broken_at(bench, cancel, REFUSED_WRITE, "the statement that writes is cancelled")
    if outcome.end != RESULT:
        bench.judge("the sink is as before the failed load")
    bench.nemesis.recover()


def sink_refused(bench: Bench) -> None:
    """A sink that is away is told as such, and nothing is lost by it.

    Every connection to the sink is refused, then none. Passes when the load ends with `connectivity`, the
    sink is as before, and the rerun brings the source's rows.
    """
    bench.nemesis.wire(Side.SINK)
    clean_round(bench)
    away = failed_as(FailureCategory.CONNECTIVITY)
    outcome = broken(bench, Refuse(Side.SINK, connections=EVERY_CONNECTION), away)
    if outcome.end != RESULT:
        bench.judge("the sink is as before the failed load")
    bench.nemesis.recover()


def half_open(bench: Bench) -> None:
    """A connection that says nothing more does not hold a load for ever.

    Nothing passes to or from the sink any more, and nothing is closed. Passes when the load ends by itself
    within the scenario's limit, well or with `connectivity` or `conflict`, and the rerun brings the rows.
    """
    bench.nemesis.wire(Side.SINK)
    clean = clean_round(bench)
    silent = HalfOpen(Side.SINK, after_bytes=clean.middle(Side.SINK))
    broken(bench, silent, GAVE_UP, timeout=bench.station.limits["silence_seconds"])
    bench.nemesis.recover()


def slow_network(bench: Bench) -> None:
    """Nothing rests on an answer that comes at once.

    Everything to and from both ends is delayed. Passes when the load ends well, and rows are right.
    """
    bench.nemesis.wire(*Side)
    clean_round(bench)
    milliseconds = bench.station.limits["latency_milliseconds"]
    with bench.nemesis.disrupt(Latency(Side.SINK, milliseconds)):
        broken(bench, Latency(Side.SOURCE, milliseconds), (RESULT,))
    bench.nemesis.recover("without delay")


def _cancel_after(middle: int, tries: int) -> CancelStatement:
    """Where few rows are written at the end, the last statements may be too short: earlier each time."""
    return CancelStatement(Side.SINK, after_bytes=middle * (TRIES - tries) // TRIES)


def _reset(bench: Bench, side: Side) -> None:
    bench.nemesis.wire(side)
    clean = clean_round(bench)
    broken(bench, Reset(side, after_bytes=clean.middle(side)))
    bench.nemesis.recover()
