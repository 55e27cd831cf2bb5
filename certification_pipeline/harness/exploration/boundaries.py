"""The boundaries of a load, as seen from outside in a clean run, and the faults that break it there."""

from __future__ import annotations

from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Disturbable, Outcome, ReasonCode
from certification_pipeline.evidence.disruption import Break, CrashPoint
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.exploration.tables import sides_with
from certification_pipeline.harness.faults.commits import (
    CommitRecorder,
    CutAfterCommit,
    KillAfterCommit,
    KillBeforeCommit,
)
from certification_pipeline.harness.faults.fault import Fault


@dataclass(frozen=True, slots=True)
class CleanRun:
    """What one undisturbed load showed."""

    points: tuple[CrashPoint, ...]
    seconds: float


def record(table: Bench) -> CleanRun:
    """Load what the table is behind, undisturbed, and note where something became durable.

    On the wire of each end that shows commits. Raises ``Halt`` when the load goes wrong, or crossed no
    boundary that can be seen.
    """
    recorder = CommitRecorder(sides_with(table, Disturbable.COMMITS))
    with table.nemesis.listen(recorder):
        outcome = table.load()
    if table.judge("boundaries were recorded").outcome is not Outcome.PASSED:
        raise Halt
    points = recorder.points
    if not points:
        raise Halt(ReasonCode.NO_WITNESS, "a clean load crossed no boundary that can be seen", _REMEDY)
    return CleanRun(points, outcome.seconds)


def fault_at(point: CrashPoint, action: Break) -> Fault:
    """Breaks the load there, once."""
    match action:
        case "kill_before":
            return KillBeforeCommit(point)
        case "kill_after":
            return KillAfterCommit(point)
        case "cut_after":
            return CutAfterCommit(point)


_REMEDY = "see whether the engine takes the address it is given: all it does must pass the wire"
