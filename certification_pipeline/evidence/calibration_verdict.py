"""From trials to the mutation score: the one place where it is computed, by who writes and who verifies."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.calibration import (
    Basis,
    Calibration,
    CleanCell,
    CleanRuns,
    DefectLine,
    Planted,
    ScenarioLine,
    Trial,
)
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.delivery import at_most
from certification_pipeline.evidence.provenance import Provenance

COMMAND = "certify calibrate"
_NAMED = 5


def calibration(
    provenance: Provenance,
    *,
    release_id: str,
    subject: Subject,
    profile: str,
    basis: Basis,
    calibrated: Subject | None,
    rows: int,
    seed: int,
    scenarios: Sequence[str],
    plan: Sequence[Planted],
    trials: Sequence[Trial],
    repeated: Sequence[CleanCell] = (),
) -> Calibration:
    """The artifact over these trials; nothing in it is taken from anywhere else."""
    counted = [defect for defect in plan if defect.family is None]
    sick = {trial.cell for trial in trials if trial.defect is None and trial.outcome is not Outcome.PASSED}
    well = {trial.cell for trial in trials if trial.defect is None} - sick
    lines = tuple(_defect(defect, trials, well) for defect in counted)
    kills = tuple(_scenario(name, counted, lines) for name in scenarios)
    clean = _clean(trials, repeated)
    killed = sum(line.fate == "killed" for line in lines)
    blockers = list(_blockers(lines, kills, clean, trials, plan))
    return Calibration(
        **provenance.header(Calibration, release_id, subject, profile),
        **verdict(
            Outcome.worst(outcome for outcome, _ in blockers) if blockers else Outcome.PASSED,
            [b for _, b in blockers],
        ),
        basis=basis,
        calibrated=calibrated,
        rows=rows,
        seed=seed,
        scenarios=tuple(scenarios),
        plan=tuple(plan),
        trials=tuple(trials),
        repeated=tuple(repeated),
        planted=len(counted),
        killed=killed,
        score=round(killed / len(counted), 4) if counted else 0.0,
        defects=lines,
        kills=kills,
        clean=clean,
    )


def scenario_of(cell: str) -> str:
    """The last part of route/strategy/scenario."""
    return cell.rpartition("/")[2]


def _defect(defect: Planted, trials: Iterable[Trial], well: set[str]) -> DefectLine:
    """A cell that is red without the defect as well kills nothing: the bench is broken there."""
    seen = {trial.cell: trial.outcome for trial in trials if trial.defect == defect.id}
    sound = {cell: seen.get(cell) for cell in defect.cells if cell in well}
    killed_by = tuple(cell for cell, outcome in sound.items() if outcome is Outcome.FAILED)
    passed_by = tuple(cell for cell, outcome in sound.items() if outcome is Outcome.PASSED)
    undecided = tuple(cell for cell in defect.cells if cell not in {*killed_by, *passed_by})
    return DefectLine(
        id=defect.id,
        fate="killed" if killed_by else "undecided" if undecided else "survived",
        killed_by=killed_by,
        passed_by=passed_by,
        undecided=undecided,
    )


def _scenario(name: str, plan: Iterable[Planted], lines: Iterable[DefectLine]) -> ScenarioLine:
    planned = sum(any(scenario_of(cell) == name for cell in defect.cells) for defect in plan)
    defects = tuple(line.id for line in lines if any(scenario_of(cell) == name for cell in line.killed_by))
    return ScenarioLine(id=name, planned=planned, kills=len(defects), defects=defects)


def _clean(trials: Iterable[Trial], repeated: Iterable[CleanCell]) -> CleanRuns:
    counts: dict[str, Counter[Outcome]] = {}
    for trial in trials:
        if trial.defect is None:
            counts.setdefault(trial.cell, Counter())[trial.outcome] += 1
    for cell in repeated:
        counts.setdefault(cell.cell, Counter()).update(cell.outcomes)
    cells = tuple(
        CleanCell(cell=name, runs=found.total(), outcomes=dict(sorted(found.items())))
        for name, found in sorted(counts.items())
    )
    runs = sum(cell.runs for cell in cells)
    alarms = sum(found[Outcome.FAILED] for found in counts.values())
    return CleanRuns(
        asked=max((cell.runs for cell in cells), default=0),
        runs=runs,
        alarms=alarms,
        upper_bound=round(at_most(alarms, runs), 5) if runs else None,
        cells=cells,
        flaky=tuple(cell.cell for cell in cells if len(cell.outcomes) > 1),
    )


def _blockers(
    lines: Sequence[DefectLine],
    kills: Sequence[ScenarioLine],
    clean: CleanRuns,
    trials: Sequence[Trial],
    plan: Sequence[Planted],
) -> Iterator[tuple[Outcome, Blocker]]:
    """Why it is not green, each with how bad that is."""
    if not trials:
        told = f"this bench has not been calibrated: {len(plan)} planted defects, no trial"
        yield Outcome.UNTESTED, Blocker(code="calibration.missing", message=told, next_step=COMMAND)
        return
    for cell in clean.cells:
        if set(cell.outcomes) != {Outcome.PASSED}:
            said = ", ".join(f"{count} x {outcome}" for outcome, count in cell.outcomes.items())
            message = f"{cell.cell}: the clean engine was {said}"
            alarm = Outcome.FAILED if cell.outcomes.get(Outcome.FAILED) else Outcome.CANT_TELL
            again = f"{COMMAND} --clean 5 --scenario {shlex.quote(scenario_of(cell.cell))}"
            yield alarm, Blocker(code=f"calibration.control:{cell.cell}", message=message, next_step=again)
    tried = {trial.defect for trial in trials}
    waiting = [line.id for line in lines if line.id not in tried]
    if waiting:
        more = len(waiting) - _NAMED
        named = ", ".join(waiting[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        told = f"{len(waiting)} of {len(lines)} defects have not been tried: {named}"
        go_on = f"{COMMAND} --resume"
        yield Outcome.UNTESTED, Blocker(code="calibration.incomplete", message=told, next_step=go_on)
    for line in (line for line in lines if line.id in tried):
        again = f"{COMMAND} --defect {line.id}"
        if line.fate == "survived":
            message = f"{line.id} survived {', '.join(line.passed_by)}"
            step = f"Make a scenario see it, or prove it changes nothing and remove it; then: {again}"
            yield (
                Outcome.FAILED,
                Blocker(code=f"calibration.survivor:{line.id}", message=message, next_step=step),
            )
        elif line.fate == "undecided":
            message = f"{line.id}: nothing is known of {', '.join(line.undecided)}"
            yield (
                Outcome.CANT_TELL,
                Blocker(code=f"calibration.undecided:{line.id}", message=message, next_step=again),
            )
    for kill in kills:
        if not kill.kills and not (waiting and kill.planned):
            code = f"calibration.idle:{kill.id}"
            if kill.planned:
                message, step = (
                    f"{kill.id} killed none of its {kill.planned} defects",
                    f"{COMMAND} --scenario {kill.id}",
                )
            else:
                message = f"no defect is planted for {kill.id}: nobody has seen it fail"
                step = "Plant one: docs/calibration.md says how"
            yield Outcome.FAILED, Blocker(code=code, message=message, next_step=step)
