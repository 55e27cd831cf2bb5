"""The boundaries of a load, as seen from outside in a clean run, and the faults that break it there."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Disturbable, ReasonCode, Side
from certification_pipeline.evidence.disruption import Break, CrashPoint
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.exploration.tables import must_be_right, sides_with
from certification_pipeline.harness.faults.commits import (
    CommitRecorder,
    CutAfterCommit,
    KillAfterCommit,
    KillBeforeCommit,
)
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.files import FileRecorder, KillAtFile


@dataclass(frozen=True, slots=True)
class CleanRun:
    """What one undisturbed load showed."""

    points: tuple[CrashPoint, ...]
    seconds: float


def record(table: Bench) -> CleanRun:
    """Load what the table is behind, undisturbed, and note where something became durable.

    On the wire of each end that shows commits; in the sink's files, where it is files. Raises ``Halt`` when
    the load goes wrong, or crossed no boundary that can be seen.
    """
    recorders: list[CommitRecorder | FileRecorder] = []
    if Disturbable.FILES in table.station.disturbable.get(Side.SINK, ()):
        recorders.append(FileRecorder())
    if wires := sides_with(table, Disturbable.COMMITS):
        recorders.append(CommitRecorder(wires))
    with ExitStack() as listening:
        for recorder in recorders:
            listening.enter_context(table.nemesis.listen(recorder))
        outcome = table.load()
    must_be_right(table, "boundaries were recorded")
    found = [point for recorder in recorders for point in recorder.points]
    # Events that the kernel dropped would be boundaries that nobody tries.
    dropped = any(isinstance(one, FileRecorder) and one.witness() is None for one in recorders)
    if dropped or not found:
        raise Halt(ReasonCode.NO_WITNESS, "a clean load crossed no boundary that can be seen", _REMEDY)
    # Two media have no common clock: the sink's files come first, then the wires.
    numbered = (point.model_copy(update={"number": at}) for at, point in enumerate(found, start=1))
    return CleanRun(tuple(numbered), outcome.seconds)


def fault_at(point: CrashPoint, action: Break) -> Fault:
    """Breaks the load there, once."""
    if point.medium == "files":
        return KillAtFile(point)
    match action:
        case "kill_before":
            return KillBeforeCommit(point)
        case "kill_after":
            return KillAfterCommit(point)
        case "cut_after":
            return CutAfterCommit(point)


_REMEDY = "see whether the engine takes the address it is given: all it does must pass the wire"
