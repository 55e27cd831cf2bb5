"""Verifies a certification report against the plan and the cells it claims to summarise."""

from __future__ import annotations

from itertools import zip_longest

from certification_pipeline.evidence.canonical import Long
from certification_pipeline.evidence.pieces import OddError
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.certification_report import Matrix, certification_report
from certification_pipeline.gates.collector import collector_paused
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
    surely_same,
)


def verify_report(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Recompute the whole report as of its own time; every cell is read again.

    A row is forgotten once the file says the same of its cell. Where it does not, both are made whole,
    to tell what differs.
    """
    long = directory.load_long(file.data, file.path, CertificationReport)
    recomputed = _row_by_row(directory, long, sealed) if long is not None else None
    if long is not None and recomputed is not None:
        report = long.head
    else:
        report = directory.load(file.data, file.path, CertificationReport)
        cells, then = directory.scan(sealed.plan), provenance_of(report)
        recomputed = certification_report(sealed.plan, cells, then, plan_sha256=sealed.sha256)
    return Verification(
        outcome=recomputed.outcome,
        release_id=report.release_id,
        made_at=report.created_at,
        problems=(*before_the_plan(report, sealed.plan), *differences(report, recomputed)),
        because=recomputed.blockers,
        summary={
            "cases": recomputed.total_cases,
            "required": recomputed.required_cases,
            "totals": {outcome.value: count for outcome, count in recomputed.totals.items()},
        },
    )


def _row_by_row(
    directory: SubjectDir, found: Long[CertificationReport], sealed: SealedPlan
) -> CertificationReport | None:
    """The report without its rows; ``None`` when the file does not hold these very rows."""
    matrix = Matrix(sealed.plan, provenance_of(found.head), sealed.sha256)
    try:
        with collector_paused():
            for row, says in zip_longest(matrix.rows(directory.scan(sealed.plan)), found.items):
                if not surely_same(says, row):
                    return None
    except OddError:
        return None
    return matrix.report()
