"""The engine's own mishaps: its process is killed, stopped, or started twice.

Purpose, method and criterion of each scenario, in full, are data (``catalog/data/scenarios/recovery.yaml``).
"""

from __future__ import annotations

from contextlib import nullcontext
from functools import partial

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Disturbable, FailureCategory, Side
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.protocol import Phase
from certification_pipeline.harness.engines.session import EngineSession, LoadOutcome
from certification_pipeline.harness.faults.network import Latency
from certification_pipeline.harness.faults.process import AfterSeconds, AtPhase, Kill, Pause
from certification_pipeline.harness.faults.rival import Rival
from certification_pipeline.harness.nemesis import ANY_END, RESULT, failed_as
from certification_pipeline.harness.scenarios.broken import (
    KILLED_OR_DONE,
    MIDDLE,
    broken_at,
    clean_round,
    next_round,
)

RACE_LATENCY_MILLISECONDS = 20
RACES = 3
"""A process is slow at its first load, and no rival then."""

SHARES = (0.25, 0.5, 0.75)
"""When a load is killed beside its phases, as shares of a clean one's duration."""


def kill(bench: Bench) -> None:
    """No moment at which the engine's death costs a row.

    SIGKILL at each phase that a clean load reports, then (another table) at shares of its duration; a rerun
    each time. Passes when each rerun ends well and the rows are right, repeated only where that is declared.
    """
    for phase in phases(clean_round(bench).outcome):
        name = f"killed at {phase}"
        broken_at(bench, partial(_kill_at, phase), KILLED_OR_DONE, name)
        bench.nemesis.recover(name)
        next_round(bench)
    timed = bench.afresh(1, "timed: ")
    try:
        took = clean_round(timed).outcome.seconds
        for share in SHARES:
            name = f"killed at {share:.0%} of a load"
            broken_at(timed, partial(_kill_after, took * share), KILLED_OR_DONE, name)
            timed.nemesis.recover(name)
            next_round(timed)
    finally:
        timed.close()


def pause(bench: Bench) -> None:
    """A process that stood still goes on as if nothing had been.

    SIGSTOP in the middle of a load, SIGCONT a while later. Passes when the load ends well and rows are right.
    """
    took = clean_round(bench).outcome.seconds
    stop = partial(_pause_after, took * MIDDLE, bench.station.limits["pause_seconds"])
    broken_at(bench, stop, (RESULT,), "stopped in mid-load")
    bench.nemesis.recover("idle rerun")


def concurrent(bench: Bench) -> None:
    """Two loads of one table at once do no harm.

    Two processes are asked for the same load at the same time. Passes when one ends well, the other well or
    with `conflict`, and the rows are right when both are over, and after one more load.
    """
    # Where the wire can be slowed down, loads of a few milliseconds still meet in every step.
    slow = Disturbable.NETWORK in bench.station.disturbable[Side.SINK]
    if slow:
        bench.nemesis.wire(Side.SINK)
    clean_round(bench)
    with bench.station.another_session() as session:
        for _ in range(RACES):
            late = Latency(Side.SINK, RACE_LATENCY_MILLISECONDS)
            with bench.nemesis.disrupt(late) if slow else nullcontext():
                _race(bench, session)
            bench.nemesis.recover("one more load")
            next_round(bench)


def _race(bench: Bench, session: EngineSession) -> None:
    [refused] = failed_as(FailureCategory.CONFLICT)
    rival = Rival(session, bench.request())
    with bench.nemesis.disrupt(rival):
        first = bench.load(ends=ANY_END)
        other = rival.loaded(bench.loads[-1].started_at)
        both = [first.end]
        if other is not None:
            bench.loaded_beside(other.request, other.outcome, other.started_at, other.finished_at)
            both = sorted((first.end, other.outcome.end))
        one_refused: list[JsonValue] = [refused, RESULT]
        bench.record_check(
            CheckJudgement(
                step=bench.loads[-1].step,
                name="both_ended",
                expected=[[RESULT, RESULT], one_refused],
                observed=[*both],
                comparison="one_of",
            )
        )
        if RESULT in both:
            bench.judge_delivery("both are over")


def phases(clean: LoadOutcome) -> list[str]:
    """What a load reported as its phases, each once, in their order."""
    return list(dict.fromkeys(event.phase for event in clean.events if isinstance(event, Phase)))


def _kill_at(phase: str, _: int) -> Kill:
    return Kill(AtPhase(phase))


def _kill_after(seconds: float, tries: int) -> Kill:
    """The load may have been over before: sooner each time."""
    return Kill(AfterSeconds(seconds / 2**tries))


def _pause_after(seconds: float, lasts: float, tries: int) -> Pause:
    return Pause(AfterSeconds(seconds / 2**tries), lasts)
