"""What verifying found, as people and programs read it."""

from __future__ import annotations

from typing import Literal

from pydantic import AwareDatetime, Field

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Blocker, Digest, Model, Producer, Subject
from certification_pipeline.gates.verify.finding import Finding


class VerifiedLevel(Model):
    """One connector under one policy."""

    connector: str
    policy: str
    stated: str | None = Field(description="what the release says it was when it was decided")
    level: str | None = Field(description="what it is now, recomputed; None: not even the lowest")
    expires_at: AwareDatetime | None = None


class VerifiedRelease(Model):
    """One engine of one release. ``outcome`` is recomputed here from its evidence, never read."""

    release_id: str
    engine: str
    subject: Subject | None = Field(None, description="None: its plan could not be read")
    profile: str | None = None
    sealed_at: AwareDatetime | None = Field(None, description="its plan")
    outcome: Outcome = Field(description="of the release; failed when its evidence was tampered with")
    verified: Outcome = Field(description="of the evidence: passed, failed (tampered with) or cantTell")
    counts: bool = Field(description="its outcome is part of the verdict: asked for, or the engine's newest")
    narrowed: bool = Field(False, description="its plan was narrowed to a part")
    required_cells: int = 0
    passed_cells: int = 0
    planned_cells: int = 0
    levels: tuple[VerifiedLevel, ...] = Field((), description="of the engine as of now, where this counts")
    blockers: tuple[Blocker, ...] = ()
    demands: tuple[Blocker, ...] = Field(
        (),
        description="asked of whoever maintains its pages; they speak neither against evidence nor release",
    )


class VerifiedChain(Model):
    """One engine's chain."""

    engine: str
    entries: int
    files: int = Field(description="hashed again")
    head: Digest | None


class VerifiedEvidence(Model):
    """The verdict: ``verified`` about the evidence, ``outcome`` about evidence and releases together."""

    schema_version: Literal["certification_pipeline.verification.v1"] = (
        "certification_pipeline.verification.v1"
    )
    directory: str
    verifier: Producer
    verified: Outcome
    outcome: Outcome
    findings: tuple[Finding, ...]
    releases: tuple[VerifiedRelease, ...]
    chains: tuple[VerifiedChain, ...]
    notes: tuple[str, ...] = Field((), description="nothing is wrong with these")
    not_proved: tuple[str, ...] = Field((), description="what could not be checked as it was called")
