"""Passed after failed, with nothing changed, is flaky: no green (law 9)."""

from __future__ import annotations

import dataclasses

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.earlier import earlier_failures
from certification_pipeline.evidence.layout import FAMILY_ARTIFACTS
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import EvidenceFile, Recompute, SealedPlan, Verification

RUNS_THE_SUBJECT = frozenset({Family.BENCHMARK, Family.DBT_LINEAGE, Family.REPLAY})
"""What the same subject did twice, with two outcomes. The other families read files and documents, which a
person mends between two runs."""


def remembers_failures(family: Family, recompute: Recompute) -> Recompute:
    """``recompute``, with a pass held at ``cantTell`` when the same subject failed before in this release."""
    path = FAMILY_ARTIFACTS[family]

    def look(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
        found = recompute(directory, file, sealed)
        if found.outcome is not Outcome.PASSED:
            return found
        failures = earlier_failures(directory, path, sealed.plan.subject)
        if not failures:
            return found
        blocker = Blocker(
            code=f"{family.value}.flaky",
            message=f"passed, but failed before with nothing changed: see {failures[-1].path}",
            next_step=f"Find out why it failed ({failures[-1].path}); a mended engine is a new release: "
            "certify run",
        )
        return dataclasses.replace(found, outcome=Outcome.CANT_TELL, because=(blocker, *found.because))

    return look
