"""One subject's release for an export, every outcome recomputed; reads one cell at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from certification_pipeline.evidence.cell import Attempt, CellEvidence
from certification_pipeline.evidence.exports.release import ExportedSubject
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import CellFile, SubjectDir
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.release_summary import verify_release_summary
from certification_pipeline.gates.verification import read_plan


def exported(directory: SubjectDir, decided: Provenance) -> ExportedSubject:
    """Raises ``EvidenceError`` when the plan cannot be read: nobody knows then what should be there."""
    sealed = read_plan(directory)
    attempts: dict[str, tuple[Attempt, ...]] = {}
    files = _noting(directory.scan(sealed.plan), attempts)
    report = certification_report(sealed.plan, files, decided, plan_sha256=sealed.sha256)
    summary = verify_release_summary(directory, decided)
    return ExportedSubject(report, summary, attempts)


def _noting(files: Iterable[CellFile], attempts: dict[str, tuple[Attempt, ...]]) -> Iterator[CellFile]:
    for file in files:
        if file.planned is not None and isinstance(file.content, CellEvidence) and file.content.attempts:
            attempts[file.planned.key.cell_id] = file.content.attempts
        yield file
