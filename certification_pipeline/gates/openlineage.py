"""Verifies an OpenLineage report against the events, the registry and the cells it was made from."""

from __future__ import annotations

from certification_pipeline.evidence.lineage_report import openlineage_report
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
)


def verify_openlineage(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Read every event and cell again and hold them against each other as of the report's own time."""
    found = directory.load(file.data, file.path, OpenLineageReport)
    recomputed = openlineage_report(
        directory,
        sealed.plan,
        provenance_of(found),
        scenarios=found.scenarios,
        emission=found.emission,
    )
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(*before_the_plan(found, sealed.plan), *differences(found, recomputed)),
        because=recomputed.blockers,
        summary={
            "runs": recomputed.run_count,
            "judged": recomputed.judged_runs,
            "events": recomputed.event_count,
            "passed": sum(item.passed for item in recomputed.items),
        },
    )
