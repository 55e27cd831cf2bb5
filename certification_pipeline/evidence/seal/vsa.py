"""Decisions as SLSA Verification Summary Attestations v1: who decided what, about what, on what grounds.

One attestation holds one decision: the suite, the release, a connector's level. A verdict that is not
``passed`` is ``FAILED``, as the format has nothing in between: what was not shown was not verified.
Source: SLSA v1.1, verification summary.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field

from certification_pipeline.evidence.artifact import Producer, Subject
from certification_pipeline.evidence.seal.statement import (
    Predicate,
    ResourceDescriptor,
    Statement,
    Wire,
    engine_uri,
    subject_of,
)

VSA_TYPE = "https://slsa.dev/verification_summary/v1"
VERIFIER = "urn:certification-pipeline:verifier"
FAILED = "FAILED"


class Verifier(Wire):
    """What decided. Whom to believe follows from the signature, not from this."""

    id: str = VERIFIER
    version: dict[str, str]


class VerificationSummary(Predicate):
    """The predicate of SLSA's format."""

    KIND: ClassVar[str] = "verification_summary"

    verifier: Verifier
    time_verified: AwareDatetime
    resource_uri: str
    policy: ResourceDescriptor
    input_attestations: tuple[ResourceDescriptor, ...]
    verification_result: Literal["PASSED", "FAILED"]
    verified_levels: tuple[str, ...] = Field(min_length=1)

    @classmethod
    def predicate_type(cls) -> str:
        """SLSA's, not ours."""
        return VSA_TYPE


class Decided(Wire):
    """A decision to be attested.

    ``resource`` says what it is about beside the engine, e.g. ``release:<id>`` or ``connector:postgres``: the
    same artifact must not pass as something else that it was never verified for. ``levels`` are what it
    grants, in our own words (``SLSA_`` is SLSA's); none when it was not passed.
    """

    subject: Subject
    resource: str
    policy: ResourceDescriptor = Field(description="what it was held to; must have a uri")
    inputs: tuple[ResourceDescriptor, ...] = Field(description="all it rests on, each by digest")
    plan: ResourceDescriptor = Field(description="stands for an artifact that could not be installed")
    passed: bool
    levels: tuple[str, ...]
    decided_at: AwareDatetime
    producer: Producer

    @property
    def resource_uri(self) -> str:
        """The engine's, and what of it was decided on."""
        return f"{engine_uri(self.subject)}:{self.resource}"


def verification_summary(decided: Decided) -> Statement:
    """The attestation of a decision. ``ValueError`` when it could not be told from SLSA's own levels."""
    if not decided.policy.uri:
        raise ValueError("a policy needs a uri")
    if any(level.startswith("SLSA_") or level == FAILED for level in decided.levels):
        raise ValueError("levels that begin with SLSA_ are SLSA's own")
    passed = decided.passed and bool(decided.levels)
    predicate = VerificationSummary(
        verifier=Verifier(version={decided.producer.name: decided.producer.version}),
        time_verified=decided.decided_at,
        resource_uri=decided.resource_uri,
        policy=decided.policy,
        input_attestations=decided.inputs,
        verification_result="PASSED" if passed else "FAILED",
        verified_levels=decided.levels if passed else (FAILED,),
    )
    return Statement.about(subject_of(decided.subject, decided.plan), predicate)
