"""Trials: each defect's cells and the same cells with the clean engine, through the ordinary runner."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass

from certification_pipeline.catalog.calibration import PlantedDefect, named
from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.calibration import Trial
from certification_pipeline.evidence.cell import CheckJudgement, RowJudgement
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.calibration.variants import Variant
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.worker import CellResult


@dataclass(frozen=True)
class Attempt:
    """One trial that is to be done."""

    variant: Variant
    cell: str
    planned: PlannedCell


def cells_by_name(cells: Iterable[PlannedCell]) -> dict[str, PlannedCell]:
    """Planned cells as the calibration plan names them."""
    return {named(c.key.engine, f"{c.key.route_id}/{c.key.strategy}/{c.key.scenario}"): c for c in cells}


def attempts(
    defects: Iterable[PlantedDefect], cells: Mapping[str, PlannedCell], repetitions: int
) -> tuple[Attempt, ...]:
    """All trials of these defects and their controls, each control so many times.

    A cell that is not in the plan has no trial: the verdict says that nothing is known of it.
    """
    chosen = [(defect.id, cell) for defect in defects for cell in defect.cells if cell in cells]
    spoilt = [Attempt(Variant(cells[cell].key.engine, defect), cell, cells[cell]) for defect, cell in chosen]
    controls = [
        Attempt(Variant(cells[cell].key.engine, None, number), cell, cells[cell])
        for number in range(1, repetitions + 1)
        for cell in dict.fromkeys(cell for _, cell in chosen)
    ]
    return (*spoilt, *controls)


def run_trials(
    todo: Sequence[Attempt], shop: Workshop, workers: int, run_id: str
) -> Generator[Trial, None, None]:
    """Run them; yields each as it comes. What was interrupted is left out: nobody knows anything of it."""
    names = {(one.variant.engine, one.planned.key.cell_id): one for one in todo}
    ready = []
    for one in todo:
        if one.planned.disposition == "run":
            ready.append(one.variant.cell(one.planned))
        else:
            yield _not_run(one, run_id)
    for result in run_cells(ready, shop, workers):
        if result.reason is not ReasonCode.INTERRUPTED:
            key = result.planned.key
            yield _trial(names[key.engine, key.cell_id], result, run_id)


def _not_run(one: Attempt, run_id: str) -> Trial:
    from certification_pipeline.evidence.artifact import utc_now  # noqa: PLC0415

    planned = one.planned
    return Trial(
        defect=one.variant.defect,
        cell=one.cell,
        repetition=one.variant.repetition,
        scenario_version=planned.scenario_version,
        run_id=run_id,
        finished_at=utc_now(),
        seconds=0,
        reason=planned.reason,
        detail=" — ".join(filter(None, (planned.detail, planned.remedy))),
    )


def _trial(one: Attempt, result: CellResult, run_id: str) -> Trial:
    return Trial(
        defect=one.variant.defect,
        cell=one.cell,
        repetition=one.variant.repetition,
        scenario_version=result.planned.scenario_version,
        run_id=run_id,
        finished_at=result.finished_at,
        seconds=result.seconds,
        judgements=tuple(map(_in_short, result.judgements)),
        faults=result.faults,
        reason=result.reason,
        detail=result.detail,
    )


def _in_short(judgement: RowJudgement | CheckJudgement) -> RowJudgement | CheckJudgement:
    """Enough to judge it again; of what is wrong, one row to show."""
    if isinstance(judgement, CheckJudgement):
        return judgement
    samples = () if judgement.outcome is Outcome.PASSED else judgement.samples[:1]
    return judgement.model_copy(
        update={"samples": samples, "seen_columns": (), "declared_losses": {}, "columns": {}}
    )
