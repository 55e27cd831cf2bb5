"""The matrix of a sealed release: its cells are run, and what came of each is evidence at once."""

from __future__ import annotations

import threading
from contextlib import suppress
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.matrix import Take, cells_to_run, run_matrix
from certification_pipeline.harness.events import EnginePreparing, OnEvent
from certification_pipeline.harness.worker import HARNESS_LOG
from certification_pipeline.harness.workshop import open_workshop
from certification_pipeline.pipeline.quiet import at_work
from certification_pipeline.pipeline.releases import SealedRelease
from certification_pipeline.settings import RunSettings


def run_cells(
    settings: RunSettings,
    catalog: Catalog,
    release: SealedRelease,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    take: Take,
) -> None:
    """Start what is needed, run the cells that ``take`` takes, write their evidence, stop everything."""
    cells = cells_to_run(release.plans.values(), take)
    if not cells:
        return

    def waits(why: str) -> None:
        on_event(EnginePreparing(cells[0].key.engine, why))

    with (
        at_work(settings.evidence_dir, cancel, waits),
        open_workshop(
            catalog,
            run_id=release.run_id,
            systems=dict.fromkeys(system for cell in cells for system in (cell.key.source, cell.key.sink)),
            engines=release.engines,
            on_event=on_event,
            cancel=cancel,
        ) as shop,
    ):
        try:
            run_matrix(
                tuple(release.plans.values()),
                EvidenceStore(settings.evidence_dir),
                shop,
                run_id=release.run_id,
                workers=settings.workers,
                take=take,
            )
        finally:
            _keep_log(shop.work_dir / HARNESS_LOG, settings.release_dir / HARNESS_LOG)


def _keep_log(written: Path, kept: Path) -> None:
    """Tracebacks of our own defects outlive the working directory; secrets are masked in them already."""
    with suppress(OSError):  # also: nothing was written, which is the rule
        text = written.read_bytes()
        with kept.open("ab") as log:
            log.write(text)
