"""A ledger on disk: decided releases, a day apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import decide
from tests.evidence.builders import ENGINE, SMALL, cell, plan, row_judgement


def released(root: Path, number: int = 0, *, red: bool = False, **changes: Any) -> SubjectDir:
    """A decided release, so many days after the first."""
    name = f"release-{number:02}"
    directory = EvidenceStore(root).release(name, ENGINE)
    selection = changes.pop("selection", Selection())
    made = plan(SMALL, number * 1440, selection).model_copy(update={"release_id": name, **changes})
    sealed = directory.seal_plan(made)
    for index, each in enumerate(SMALL[:2]):
        lost = (row_judgement(lost=3),) if red and index == 0 else None
        directory.write(cell(sealed, each, lost, minutes=number * 1440 + 10))
    decide(directory, "run-1")
    return directory
