"""Releases whose cells hold loads as the bench records them, and the export of their lineage."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, uuid5

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CheckJudgement,
    Dataset,
    DatasetColumn,
    Judgement,
    LoadEvidence,
    RowJudgement,
)
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.families.openlineage import export
from certification_pipeline.gates.families import verification_of
from certification_pipeline.gates.verification import Verification, read_plan
from tests.evidence import builders

COLUMNS = ("id", "updated_at", "note")
MERGE = builders.planned(builders.key(Strategy.INCREMENTAL_MERGE, "strategy.incremental_merge"))
SCD2 = builders.planned(builders.key(Strategy.SCD2, "strategy.scd2"))
OTHER = builders.planned(builders.key(Strategy.FULL_REFRESH, "obs.taxonomy"))
UNPLANNED_WORK = builders.planned(builders.key(Strategy.CDC, "strategy.cdc"), "inapplicable", required=False)

Change = Callable[[CellEvidence], CellEvidence]


def run_id(where: PlannedCell, number: int) -> str:
    return str(uuid5(NAMESPACE_OID, f"{where.key.cell_id} {number}"))


def load(where: PlannedCell, number: int, **changes: Any) -> LoadEvidence:
    start = builders.START + timedelta(minutes=5, seconds=number)
    made = LoadEvidence(
        step=f"load {number}",
        run_id=run_id(where, number),
        ended="result",
        seconds=0.5,
        record={"final_rows": builders.ROWS, "loaded_rows": 10},
        started_at=start,
        finished_at=start + timedelta(milliseconds=500),
        source=Dataset(system=where.key.source, namespace="c_0", name="standard"),
        sink=Dataset(system=where.key.sink, namespace="c_0", name="standard"),
        columns=tuple(DatasetColumn(name=name, type="text") for name in COLUMNS),
        phases=("extract", "load"),
    )
    return made.model_copy(update=changes)


def judged(number: int, *, lost: int = 0, **changes: Any) -> RowJudgement:
    made = builders.row_judgement(f"after load {number} (a remark)", lost=lost)
    return made.model_copy(update={"seen_columns": COLUMNS, **changes})


def ended(number: int, expected: str = "result", observed: str = "result") -> CheckJudgement:
    return CheckJudgement(step=f"load {number}", name="load_ended", expected=expected, observed=observed)


def cell(plan: CertificationPlan, where: PlannedCell) -> CellEvidence:
    """Two loads, each judged and right."""
    judgements: tuple[Judgement, ...] = (ended(1), judged(1), ended(2), judged(2))
    if where.key.strategy is Strategy.SCD2:
        validity = ("valid_from", "valid_to")
        judgements = tuple(
            j.model_copy(update={"seen_columns": (*COLUMNS, *validity)}) if isinstance(j, RowJudgement) else j
            for j in judgements
        )
    return builders.cell(plan, where, judgements, loads=(load(where, 1), load(where, 2)))


def same(evidence: CellEvidence) -> CellEvidence:
    return evidence


def release(
    root: Path,
    cells: tuple[PlannedCell, ...] = (MERGE, SCD2, UNPLANNED_WORK),
    change: Change = same,
    without: PlannedCell | None = None,
) -> SubjectDir:
    """A release on disk up to its cells; ``change`` damages the first cell's evidence."""
    directory = EvidenceStore(root).release(builders.RELEASE, builders.ENGINE)
    plan = directory.seal_plan(builders.plan(cells))
    for at, where in enumerate(cells):
        if where.disposition == "run" and where is not without:
            made = cell(plan, where)
            made = change(made) if at == 0 else made
            outcome = made.recompute()
            made = made.model_copy(update={"outcome": outcome, "passed": outcome.value == "passed"})
            directory.write(made)
    return directory


def exported(directory: SubjectDir, **options: Any) -> OpenLineageReport:
    return export.export_lineage(directory, read_plan(directory).plan, "run-1", **options)


def red(report: OpenLineageReport | Verification) -> set[str]:
    """The words of what blocks, without the run they are about."""
    blockers = report.because if isinstance(report, Verification) else report.blockers
    return {blocker.code.split(":")[0].removeprefix("openlineage_report.") for blocker in blockers}


def events(directory: SubjectDir) -> list[dict[str, Any]]:
    lines = (directory.path / layout.OPENLINEAGE_EVENTS).read_text().splitlines()
    return [json.loads(line) for line in lines]


def write_events(directory: SubjectDir, changed: list[dict[str, Any]]) -> None:
    text = "".join(json.dumps(event, sort_keys=True) + "\n" for event in changed)
    (directory.path / layout.OPENLINEAGE_EVENTS).write_text(text)


def forged(directory: SubjectDir, **changes: Any) -> None:
    """Have the report vouch for the files as they lie there now, sealed anew, as a forger would."""
    report = directory.read(layout.FAMILY_ARTIFACTS[_OPENLINEAGE], OpenLineageReport)
    digest = sha256((directory.path / layout.OPENLINEAGE_EVENTS).read_bytes())
    directory.write(report.model_copy(update={"events_sha256": digest, **changes}))


def verified(directory: SubjectDir) -> Verification:
    """As a suite verifies it, well after it was made."""
    path = layout.FAMILY_ARTIFACTS[_OPENLINEAGE]
    report = directory.read(path, OpenLineageReport)
    decided = Provenance(
        run_id="later",
        created_at=report.created_at + timedelta(seconds=1),
        producer=report.producer,
        environment=report.environment,
    )
    return verification_of(directory, path, decided)


_OPENLINEAGE = next(family for family in layout.FAMILY_ARTIFACTS if family.value == "openlineage")
