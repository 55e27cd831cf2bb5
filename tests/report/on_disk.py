"""The sample release as files, decided on by the real gates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.decide import decide
from tests.report.sample import RELEASE, make_cells, make_plan


def write_release(
    root: Path,
    engine: str,
    *,
    release_id: str = RELEASE,
    takes: Callable[[PlannedCell], bool] = lambda cell: True,
    keep: Callable[[CellEvidence], bool] = lambda cell: True,
) -> EvidenceStore:
    """Seal a plan of the cells it ``takes``, write those ``keep`` keeps, decide, point ``latest`` at it."""
    store = EvidenceStore(root)
    directory = store.release(release_id, engine)
    plan = directory.seal_plan(make_plan(engine, takes).model_copy(update={"release_id": release_id}))
    for cell in make_cells(plan):
        if keep(cell):
            directory.write(cell.model_copy(update={"release_id": release_id}))
    decide(directory, "run-1")
    store.set_latest(release_id)
    return store


def few(cell: PlannedCell) -> bool:
    """A tenth of the sample, for whom any release will do: dlt's is red in it, too.

    To decide on a release takes as long as it has cells, and most tests of a command decide several times.
    """
    key = cell.key
    if cell.disposition != "run":
        return key.strategy is Strategy.FULL_REFRESH
    return key.sink in ("duckdb", "sqlite") and key.scenario in ("batch.empty", "batch.wide", "types.matrix")
