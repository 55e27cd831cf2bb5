"""Verifies a certification report against the plan and the cells it claims to summarise."""

from __future__ import annotations

from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    differences,
    provenance_of,
    stale,
)


def verify_report(
    directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan, decided: Provenance
) -> Verification:
    """Recompute the whole report as of its own time; every cell is read again."""
    report = directory.load(file.data, file.path, CertificationReport)
    cells = directory.scan(sealed.plan)
    recomputed = certification_report(sealed.plan, cells, provenance_of(report), plan_sha256=sealed.sha256)
    return Verification(
        outcome=recomputed.outcome,
        release_id=report.release_id,
        problems=(*stale(report, sealed.plan, decided), *differences(report, recomputed)),
        because=recomputed.blockers,
        summary={
            "cases": recomputed.total_cases,
            "required": recomputed.required_cases,
            "totals": {outcome.value: count for outcome, count in recomputed.totals.items()},
        },
    )
