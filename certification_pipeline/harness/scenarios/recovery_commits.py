"""Loads broken at what they make durable: the order of rows and position, a schema change and its rows.

Purpose, method and criterion of each scenario, in full, are data (``catalog/data/scenarios/recovery.yaml``).
Every boundary of a load, and not only these, is what ``rec.crash_points`` is about.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from certification_pipeline.catalog.vocabulary import (
    Disturbable,
    DriftBehaviour,
    DriftKind,
    ReasonCode,
    Side,
    Strategy,
)
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.faults.commits import (
    CommitRecorder,
    CutAfterCommit,
    KillAfterCommit,
    KillBeforeCommit,
)
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.nemesis import KILLED
from certification_pipeline.harness.scenarios.broken import (
    LOST_CONNECTION,
    broken,
    broken_at,
    clean_round,
    next_round,
)

ENDS = (KILLED, *LOST_CONNECTION)


def offset_commit(bench: Bench) -> None:
    """No position is ever ahead of the data (canonical 2).

    Loads are broken before their first commit with rows and before their last, and right after each, before
    the engine hears of it. Passes when no rerun misses a row.
    """
    sides = [Side.SINK]
    # Only a log has a position at the source that a load moves on.
    if bench.strategy is Strategy.CDC and Disturbable.COMMITS in bench.station.disturbable[Side.SOURCE]:
        sides.append(Side.SOURCE)
    bench.nemesis.wire(*sides)
    recorder = CommitRecorder(sides)
    clean_round(bench, recorder)
    for point in ends_of(recorder.points, bench.workload.table_name):
        for breaks in (KillBeforeCommit, CutAfterCommit):
            name = f"{breaks.name} {point.address}"
            if point.medium == "source":
                broken_at(bench, partial(_no_later, breaks, point), ENDS, name)
            else:
                broken(bench, breaks(point), ENDS)
            bench.nemesis.recover(name)
            next_round(bench)


def _no_later(breaks: Callable[[CrashPoint], Fault], point: CrashPoint, tries: int) -> Fault:
    """How often a reader of a log confirms within a load is a matter of time: one earlier each time."""
    return breaks(point.model_copy(update={"nth": max(1, point.nth - tries)}))


def ends_of(points: tuple[CrashPoint, ...], table: str) -> list[CrashPoint]:
    """The sink's first commit that is about the table and its last; the source's last."""
    sink = [point for point in points if point.medium == "sink"]
    source = [point for point in points if point.medium == "source"]
    about = [point for point in sink if table in point.object] or sink
    return list(dict.fromkeys([*about[:1], *sink[-1:], *source[-1:]]))


def schema_change_interrupted(bench: Bench) -> None:
    """A schema change in the sink, and the rows that need it, survive an interruption between them.

    A column is added; the load is killed on either side of its first commit and of its first that alters a
    table, each at a table of its own. Passes when two reruns each leave what the declared behaviour says.
    """
    declared = bench.declared_drift(DriftKind.ADD)
    if declared is DriftBehaviour.STOPS:
        detail = f"{bench.key.engine} declares to stop at an added column: it changes no schema"
        raise Halt(ReasonCode.NOTHING_TO_DISTURB, detail, "nothing to do: schema.add holds it to that")
    recorder = CommitRecorder([Side.SINK])
    _drifted(bench, declared)
    with bench.nemesis.listen(recorder):
        bench.load_and_judge("the drift, undisturbed")
    number = 0
    for point in changes_of(recorder.points):
        for breaks in (KillBeforeCommit, KillAfterCommit):
            number += 1
            _interrupted(bench, number, breaks, point, declared)


def changes_of(points: tuple[CrashPoint, ...]) -> list[CrashPoint]:
    """The first commit of all, and the first of a statement that alters a table."""
    alters = [point for point in points if point.action.startswith("ALTER")]
    return list(dict.fromkeys([*points[:1], *alters[:1]]))


def _interrupted(
    bench: Bench,
    number: int,
    breaks: Callable[[CrashPoint], Fault],
    point: CrashPoint,
    declared: DriftBehaviour,
) -> None:
    table = bench.afresh(number, f"table {number}: ")
    try:
        _drifted(table, declared)
        broken(table, breaks(point), ENDS)
        table.nemesis.recover(f"killed at {point.address}")
        table.nemesis.recover("idle rerun")
    finally:
        table.close()


def _drifted(table: Bench, declared: DriftBehaviour) -> None:
    """Loaded once, and then drifted at the source."""
    table.nemesis.wire(Side.SINK)
    table.seed(f"drift_{DriftKind.ADD}")
    table.load_and_judge()
    table.change()
    table.drift = declared
