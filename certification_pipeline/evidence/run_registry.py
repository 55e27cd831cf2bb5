"""``run_registry.json``: the index of every load that a release's cells did.

A run is looked up here by its id, and found in the file of its cell, whose digest stands beside it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import ClassVar
from uuid import UUID

from pydantic import AwareDatetime, Field

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.artifact import Blocker, Digest, Model
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.decision import Decision, verdict
from certification_pipeline.evidence.load_lineage import foreign
from certification_pipeline.evidence.next_step import rerun_cell, rerun_release
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import CellFile

MOST_BLOCKERS = 10
"""Of one kind; the last one says how many more there are."""

COUNTS = (
    "extracted_rows",
    "staged_rows",
    "loaded_rows",
    "inserted_rows",
    "updated_rows",
    "deleted_rows",
    "final_rows",
)
"""What is taken over from an engine's record: its claims."""


class RegistryCell(Model):
    """A cell whose loads are listed."""

    cell_id: str
    route: str
    strategy: Strategy
    scenario: str
    seed: int
    rows: int = Field(description="of the source table, as planned")
    path: str
    sha256: Digest
    runs: int


class RegistryRun(Model):
    """One load."""

    run_id: str
    cell_id: str
    step: str
    ended: str
    started_at: AwareDatetime | None
    finished_at: AwareDatetime | None
    counts: dict[str, int] = Field(description="the engine's claims, as far as it makes any")


class RunRegistry(Decision):
    """Green when every run of every cell can be told from every other and has a beginning and an end."""

    KIND: ClassVar[str] = "run_registry"

    plan_digest: Digest
    run_count: int
    cells: tuple[RegistryCell, ...]
    runs: tuple[RegistryRun, ...]

    def run(self, run_id: str) -> RegistryRun | None:
        """The run of that id."""
        return next((run for run in self.runs if run.run_id == run_id), None)


def run_registry(plan: CertificationPlan, found: Iterable[CellFile], provenance: Provenance) -> RunRegistry:
    """List the loads of the plan's cells that were to run. Cells without evidence are the matrix's matter."""
    cells: list[RegistryCell] = []
    runs: list[RegistryRun] = []
    for file in found:
        cell = file.content
        if file.planned is None or not isinstance(cell, CellEvidence) or file.sha256 is None:
            continue
        if file.planned.disposition != "run" or foreign(cell, plan):
            continue
        cells.append(_cell(cell, file.path, file.sha256))
        runs.extend(_runs(cell))
    blockers = tuple(_blockers(plan, runs))
    outcome = Outcome.PASSED
    if blockers:
        outcome = Outcome.FAILED if runs else Outcome.CANT_TELL
    return RunRegistry(
        **provenance.header(RunRegistry, plan.release_id, plan.subject, plan.profile),
        **verdict(outcome, blockers),
        plan_digest=plan.plan_digest,
        run_count=len(runs),
        cells=tuple(cells),
        runs=tuple(runs),
    )


def is_uuid(text: str) -> bool:
    """Whether it is a UUID in its one spelling, as OpenLineage demands of run ids."""
    try:
        return str(UUID(text)) == text
    except ValueError:
        return False


def _cell(cell: CellEvidence, path: str, digest: Digest) -> RegistryCell:
    return RegistryCell(
        cell_id=cell.key.cell_id,
        route=cell.key.route_id,
        strategy=cell.key.strategy,
        scenario=cell.key.scenario,
        seed=cell.seed,
        rows=cell.rows,
        path=path,
        sha256=digest,
        runs=len(cell.loads),
    )


def _runs(cell: CellEvidence) -> Iterator[RegistryRun]:
    for load in cell.loads:
        record = load.record or {}
        counts = {
            name: claim
            for name in COUNTS
            if isinstance(claim := record.get(name), int) and not isinstance(claim, bool)
        }
        yield RegistryRun(
            run_id=load.run_id,
            cell_id=cell.key.cell_id,
            step=load.step,
            ended=load.ended,
            started_at=load.started_at,
            finished_at=load.finished_at,
            counts=counts,
        )


def _blockers(plan: CertificationPlan, runs: list[RegistryRun]) -> Iterator[Blocker]:
    if not runs:
        message = "no cell of this release has done a load"
        again = rerun_release(plan.subject.engine, plan.release_id)
        yield Blocker(code="run_registry.empty", message=message, next_step=again)
    seen = Counter(run.run_id for run in runs)
    for word, wrong in (
        ("duplicate", [(run, f"{seen[run.run_id]} loads have it") for run in runs if seen[run.run_id] > 1]),
        ("not_uuid", [(run, "is no UUID") for run in runs if not is_uuid(run.run_id)]),
        (
            "no_time",
            [
                (run, "has no beginning and end in that order")
                for run in runs
                if run.started_at is None or run.finished_at is None or run.finished_at < run.started_at
            ],
        ),
    ):
        for at, (run, why) in enumerate(wrong[:MOST_BLOCKERS], start=1):
            left = len(wrong) - at if at == MOST_BLOCKERS else 0
            more = f" (and {left} more like it)" if left else ""
            cell = next(cell for cell in plan.cells if cell.key.cell_id == run.cell_id).key
            yield Blocker(
                code=f"run_registry.{word}:{run.run_id}",
                message=f"{run.cell_id}, {run.step}: run {run.run_id} {why}{more}",
                next_step=rerun_cell(cell, plan.release_id),
            )
