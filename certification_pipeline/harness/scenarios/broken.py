"""What the recovery scenarios have in common: clean rounds to measure by, a broken load, and its way back."""

from __future__ import annotations

from collections.abc import Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import FailureCategory, Side
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.session import LoadOutcome
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.meter import Meter
from certification_pipeline.harness.nemesis import KILLED, RESULT, failed_as

WORKLOAD = "steady"
"""Rounds of one size, without late rows and without ties: what is wrong then, the fault did."""

MIDDLE = 0.5
"""Where in a load it is broken, as a share of what a clean load of the round before moved or took."""

TRIES = 4
"""How often a fault that may come too late is tried before the cell cannot tell."""

LOST_CONNECTION = (RESULT, *failed_as(FailureCategory.CONNECTIVITY))
"""Ends that are right when a connection breaks: the engine came through by itself, or says what was wrong."""


@dataclass(frozen=True, slots=True)
class Round:
    """What a clean load of a change round showed."""

    outcome: LoadOutcome
    middle: Callable[[Side], int]
    """After so many bytes on a side's wire such a load is in the midst of its rows."""


def clean_round(bench: Bench, *recorders: Fault) -> Round:
    """Fill the sink, load a first change round undisturbed, then apply the next: it is the one to break.

    ``recorders`` listen to the first change round's load, as the meter does on every wire that was laid.
    """
    bench.seed(WORKLOAD)
    bench.load_and_judge()
    bench.change()
    meter = Meter(tuple(bench.nemesis.links))
    with ExitStack() as listening:
        for recorder in (meter, *recorders):
            listening.enter_context(bench.nemesis.listen(recorder))
        outcome = bench.load_and_judge("a clean round")
    bench.change()
    return Round(outcome, meter.middle)


def broken(
    bench: Bench,
    fault: Fault,
    ends: Collection[str] = LOST_CONNECTION,
    *,
    timeout: float | None = None,
) -> LoadOutcome:
    """One load under the fault, judged right after where it ended well.

    Another end than those is red, and yet what it leaves behind is looked at.
    """
    with bench.nemesis.disrupt(fault):
        return _load(bench, fault, ends, timeout)


def broken_at(bench: Bench, fault: Callable[[int], Fault], ends: Collection[str], name: str) -> LoadOutcome:
    """As :func:`broken`, for a fault that may come too late; ``fault(n)`` is for the n-th further try."""
    for number in range(TRIES):
        last = number == TRIES - 1
        this = fault(number)
        with bench.nemesis.disrupt(this, must_fire=last, step=f"{bench.prefix}{name}"):
            outcome = _load(bench, this, ends)
        if bench.faults[-1].witness is not None:
            break
        next_round(bench)
    return outcome


def next_round(bench: Bench) -> None:
    """Another change round, while there are any: after that, loads find nothing new."""
    if bench.applied < bench.workload.changes:
        bench.change()


def _load(bench: Bench, fault: Fault, ends: Collection[str], timeout: float | None = None) -> LoadOutcome:
    outcome = bench.load(ends=ends, halt=False, timeout=timeout)
    # It may be at work still, in a thread of its own: a server that is being started again cannot be read.
    fault.witness()
    if outcome.end == RESULT:
        bench.judge_delivery("it ended well all the same")
    return outcome


KILLED_OR_DONE = (KILLED, RESULT)
"""A signal may come when the engine has just answered."""
