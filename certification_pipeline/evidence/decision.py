"""What the artifacts of all gates share: a verdict that follows from their blockers and items."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Self, TypedDict

from pydantic import Field, model_validator

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Artifact, Blocker, Digest


class EvidenceStatus(StrEnum):
    """The seeds' word for an outcome (seed 003)."""

    PASS = "PASS"  # noqa: S105 - a verdict
    FAIL = "FAIL"
    UNVERIFIED = "UNVERIFIED"


def evidence_status(outcome: Outcome) -> EvidenceStatus:
    """PASS for passed, FAIL for failed, UNVERIFIED for everything that proves nothing."""
    if outcome is Outcome.PASSED:
        return EvidenceStatus.PASS
    return EvidenceStatus.FAIL if outcome is Outcome.FAILED else EvidenceStatus.UNVERIFIED


class VerdictFields(TypedDict):
    """The fields of an artifact that say how a gate decided."""

    outcome: Outcome
    passed: bool
    evidence_status: EvidenceStatus
    blockers: tuple[Blocker, ...]


def verdict(outcome: Outcome, blockers: Sequence[Blocker]) -> VerdictFields:
    """Passed needs outcome ``passed`` *and* not one blocker; a blocked pass is ``cantTell``."""
    if blockers and outcome is Outcome.PASSED:
        outcome = Outcome.CANT_TELL
    return VerdictFields(
        outcome=outcome,
        passed=outcome is Outcome.PASSED,
        evidence_status=evidence_status(outcome),
        blockers=tuple(blockers),
    )


class Decision(Artifact):
    """An artifact a gate made. Contradicting itself makes it unreadable."""

    evidence_status: EvidenceStatus
    content_digest: Digest = Field(
        "",
        pattern=f"{DIGEST_PATTERN}|^$",
        description="sha256 of this file with the value of this field emptied: finds edits, proves no author",
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.passed != (self.outcome is Outcome.PASSED):
            raise ValueError(f"passed is {self.passed} but outcome is {self.outcome.value}")
        if self.passed and self.blockers:
            raise ValueError("passed in spite of blockers")
        if self.evidence_status is not evidence_status(self.outcome):
            raise ValueError(
                f"evidence_status {self.evidence_status} contradicts outcome {self.outcome.value}"
            )
        return self
