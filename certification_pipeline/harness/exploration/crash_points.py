"""The crash line: a load broken at every boundary, in every way, exhaustively and always in the same order.

Trials go on at one table while they leave it right. One that went wrong, or whose fault did not fire, leaves
the table; a fault that did not fire (parallel loaders reorder) is tried once more on a fresh one.
"""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Disturbable
from certification_pipeline.evidence.disruption import (
    BREAKS,
    FOLDERS,
    Break,
    CrashLine,
    CrashPoint,
    CrashTrial,
    Folder,
    TrialKey,
)
from certification_pipeline.evidence.trials import TrialVerdict
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.exploration.boundaries import fault_at, record
from certification_pipeline.harness.exploration.breaking import Broken, break_load, rest, verdict
from certification_pipeline.harness.exploration.tables import Tables, sides_with

_TRIES = 2
_WORDS = {"kill_before": "kill before", "kill_after": "kill after", "cut_after": "cut after"}


def crash_points(
    bench: Bench, *, actions: tuple[Break, ...] = BREAKS, folders: tuple[Folder, ...] = FOLDERS
) -> None:
    """Record a clean load's boundaries; break the load at each of them in every way; recover; judge.

    Fewer ``actions`` or ``folders`` are another, smaller plan, and the evidence says so.
    """
    with Tables(bench, sides_with(bench, Disturbable.COMMITS)) as tables:
        points = record(tables.changed()).points
        line = bench.crash_line = CrashLine(points=points, actions=actions, folders=folders)
        planned = line.planned()
        for number, key in enumerate(planned, start=1):
            prefix = prefix_of(number, len(planned), key, line.point(key.point))
            trial = _trial(tables, key, line.point(key.point), prefix)
            # One by one: when the run is stopped, what was found is kept.
            line = bench.crash_line = line.model_copy(update={"trials": (*line.trials, trial)})


def prefix_of(number: int, of: int, key: TrialKey, point: CrashPoint) -> str:
    """``trial 7 of 36, kill before sink COMMIT orders #1, folder kept: ``."""
    return f"trial {number} of {of}, {_WORDS[key.action]} {point.address}, folder {key.folder}: "


def _trial(tables: Tables, key: TrialKey, point: CrashPoint, prefix: str) -> CrashTrial:
    broken = Broken(fired=False, ended="", reruns=0, recovered=False)
    for _ in range(_TRIES):
        table = tables.changed()
        broken = break_load(table, fault_at(point, key.action), prefix=prefix, folder=key.folder)
        if broken.recovered:
            rest(table)
        if not broken.fired or verdict(table, prefix) is not TrialVerdict.SAFE:
            tables.leave()
        if broken.fired:
            break
    return CrashTrial(**dict(key), step=prefix, ended=broken.ended, reruns=broken.reruns)
