"""The sample release as files, decided on by the real gates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.decide import decide
from tests.report.sample import RELEASE, make_cells, make_plan


def write_release(
    root: Path,
    engine: str,
    *,
    release_id: str = RELEASE,
    keep: Callable[[CellEvidence], bool] = lambda cell: True,
) -> EvidenceStore:
    """Seal the plan, write the cells ``keep`` keeps, decide, point ``latest`` at it."""
    store = EvidenceStore(root)
    directory = store.release(release_id, engine)
    plan = directory.seal_plan(make_plan(engine).model_copy(update={"release_id": release_id}))
    for cell in make_cells(plan):
        if keep(cell):
            directory.write(cell.model_copy(update={"release_id": release_id}))
    decide(directory, "run-1")
    store.set_latest(release_id)
    return store
