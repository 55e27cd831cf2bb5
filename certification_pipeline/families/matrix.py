"""The matrix family: planned cells are run, and what came of each becomes evidence at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.harness.events import CellFinished
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.worker import CellResult

Take = Callable[[PlannedCell], bool]


def cells_to_run(plans: Iterable[CertificationPlan], take: Take) -> list[PlannedCell]:
    """The cells of the plans that are to be run and that ``take`` takes."""
    return [cell for plan in plans for cell in plan.cells if cell.disposition == "run" and take(cell)]


def run_matrix(
    plans: Sequence[CertificationPlan],
    store: EvidenceStore,
    shop: Workshop,
    *,
    run_id: str,
    workers: int,
    take: Take = lambda cell: True,
) -> None:
    """Run every cell of the plans that is to be run and that ``take`` takes; write each as it comes.

    A cell that was interrupted leaves no evidence: what was there before stays, and a cell without an
    outcome is red by itself. Raises ``EvidenceError`` when evidence cannot be written; engines and
    services are stopped before it is seen.
    """
    by_engine: Mapping[str, CertificationPlan] = {plan.subject.engine: plan for plan in plans}
    cells = cells_to_run(plans, take)
    # Closed at once when evidence cannot be written: it ends the engines.
    with closing(run_cells(cells, shop, workers)) as results:
        for result in results:
            key = result.planned.key
            if result.reason is ReasonCode.INTERRUPTED:
                continue
            plan = by_engine[key.engine]
            directory = store.release(plan.release_id, key.engine)
            written = directory.write(cell_evidence(plan, result, run_id))
            shop.on_event(
                CellFinished(key.engine, key.cell_id, written.outcome, result.seconds, written.detail)
            )


def cell_evidence(plan: CertificationPlan, result: CellResult, run_id: str) -> CellEvidence:
    """The artifact of one result; its outcome is recomputed from the judgements, as any gate will."""
    planned = result.planned
    draft = CellEvidence(
        **stamp(run_id).header(CellEvidence, plan.release_id, plan.subject, plan.profile),
        outcome=Outcome.UNTESTED,
        passed=False,
        key=planned.key,
        scenario_version=planned.scenario_version,
        plan_digest=plan.plan_digest,
        seed=planned.seed,
        rows=planned.rows,
        services=result.services,
        loads=result.loads,
        judgements=result.judgements,
        faults=result.faults,
        crash_line=result.crash_line,
        delivery=result.delivery,
        reason=result.reason,
        detail=result.detail,
        remedy=result.remedy,
        started_at=result.started_at,
        finished_at=result.finished_at,
        seconds=result.seconds,
    )
    outcome = draft.recompute()
    return draft.model_copy(update={"outcome": outcome, "passed": outcome is Outcome.PASSED})
