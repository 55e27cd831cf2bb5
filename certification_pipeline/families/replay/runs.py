"""Which recorded runs can be done again, and the history that led to them.

A workload is a function of its name, rows and seed, so a run of which only the id is left can be had back:
the same rows, the same change rounds, the same loads, in services made for it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from certification_pipeline.catalog.problems import nearest
from certification_pipeline.catalog.vocabulary import ReplayKind, Strategy
from certification_pipeline.evidence.cell import CellEvidence, CellKey, LoadEvidence
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.replay import WORKLOADS, DeclaredReplay
from certification_pipeline.evidence.replay_verdict import recorded_runs
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.plan import PlanError

_ROUND = re.compile(r"after change round (\d+)")


class ReplayError(PlanError):
    """What was asked for cannot be replayed; nothing was touched and nothing written."""


@dataclass(frozen=True)
class EarlierRun:
    """A load of the release that can be done again."""

    planned: PlannedCell
    load: LoadEvidence
    declared: DeclaredReplay
    rounds: tuple[int, ...]
    """Change rounds that were applied at each successful load of the cell up to and with this one."""

    @property
    def run_id(self) -> str:
        """As the cell's evidence has it."""
        return self.load.run_id

    @property
    def key(self) -> CellKey:
        """The cell it was a load of."""
        return self.planned.key

    @property
    def workload(self) -> str:
        """The name of the cell's workload."""
        return WORKLOADS[self.key.scenario]


def replayable_runs(
    directory: SubjectDir, plan: CertificationPlan, declared: tuple[DeclaredReplay, ...]
) -> tuple[EarlierRun, ...]:
    """Every recorded run that some declared replay fits, in the plan's order."""
    by_route = {(one.source, one.sink, one.strategy): one for one in declared if one.kinds}
    return tuple(_runs(directory, plan, by_route))


def _runs(
    directory: SubjectDir,
    plan: CertificationPlan,
    declared: Mapping[tuple[str, str, Strategy], DeclaredReplay],
) -> Iterator[EarlierRun]:
    for planned, cell in directory.cells(plan):
        key = planned.key
        claim = declared.get((key.source, key.sink, key.strategy))
        if claim is None or key.scenario not in WORKLOADS or not isinstance(cell, CellEvidence):
            continue
        rounds: tuple[int, ...] = ()
        for load in cell.loads:
            if load.ended == "result":
                rounds = (*rounds, round_of(load))
                yield EarlierRun(planned, load, claim, rounds)


def round_of(load: LoadEvidence) -> int:
    """How many change rounds the source had seen when the load ran."""
    found = _ROUND.search(load.step)
    return int(found[1]) if found else 0


def find_run(
    directory: SubjectDir,
    plan: CertificationPlan,
    declared: tuple[DeclaredReplay, ...],
    run_id: str,
    kind: ReplayKind,
) -> EarlierRun:
    """The run of that id, if it can be replayed so. Raises :class:`ReplayError`, which says why not."""
    recorded = recorded_runs(directory, plan)
    here = f"release {plan.release_id}, engine {plan.subject.engine}"
    if run_id not in recorded:
        remedy = nearest(run_id, recorded) if recorded else "run the release first"
        raise ReplayError(f"no run {run_id!r} is recorded in {here}", f"{remedy}; `certify replay list`")
    cell, load = recorded[run_id]
    if load.ended != "result":
        raise ReplayError(
            f"run {run_id} ended in {load.ended}: what it should have loaded is not known to be in the sink",
            "choose a run that succeeded: `certify replay list`",
        )
    key = cell.key
    claim = next(
        (d for d in declared if (d.source, d.sink, d.strategy) == (key.source, key.sink, key.strategy)), None
    )
    if claim is None or kind not in claim.kinds:
        able = ", ".join(claim.kinds) if claim else ""
        raise ReplayError(
            f"{key.engine} declares no {kind} replay of {key.strategy} on {key.route_id}",
            f"declared there: {able}" if able else "choose another run: `certify replay list`",
        )
    for run in replayable_runs(directory, plan, declared):
        if run.run_id == run_id:
            return run
    raise ReplayError(
        f"run {run_id} belongs to scenario {key.scenario}, which does more than load and change rows",
        "choose a run of another scenario: `certify replay list`",
    )
