"""One load broken once, and brought to an end: judged right after each exit 0."""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.evidence.disruption import Folder
from certification_pipeline.evidence.trials import Trial, TrialVerdict
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.nemesis import ANY_END, RESULT

BROKEN = "broken load"


@dataclass(frozen=True, slots=True)
class Broken:
    """How it went. ``recovered`` is ``False`` when every rerun failed: the engine is stuck."""

    fired: bool
    ended: str
    reruns: int
    recovered: bool


def break_load(table: Bench, fault: Fault, *, prefix: str, folder: Folder = "kept") -> Broken:
    """Break the table's next load, and rerun it until one ends well.

    All evidence bears ``prefix``. Without a witness nothing is judged, and no rerun is made.
    """
    table.prefix = prefix
    with table.nemesis.disrupt(fault, must_fire=False, step=f"{prefix}{BROKEN}"):
        ended = table.load(ends=ANY_END).end
        if ended == RESULT:
            table.judge_delivery("it ended well all the same")
    if table.faults[-1].witness is None:
        return Broken(fired=False, ended=ended, reruns=0, recovered=False)
    if ended == RESULT:
        return Broken(fired=True, ended=ended, reruns=0, recovered=True)
    if folder == "lost":
        table.lose_state()
    before = len(table.loads)
    recovered = table.nemesis.rerun() is not None
    return Broken(fired=True, ended=ended, reruns=len(table.loads) - before, recovered=recovered)


def rest(table: Bench) -> None:
    """An idle load, judged once more: what was right must stay right."""
    if table.load(halt=False).end == RESULT:
        table.judge_delivery("idle rerun")


def verdict(table: Bench, prefix: str) -> TrialVerdict:
    """What became of the rows, as evidence works it out."""
    return Trial.of(prefix, table.judgements, table.faults).verdict
