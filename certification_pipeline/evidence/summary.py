"""``release_summary.json``: may this subject's release go out?"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model
from certification_pipeline.evidence.decision import Decision

UNSIGNED = "unsigned: proves no author; whoever may write here can forge it"


class SummaryItemName(StrEnum):
    """What a release rests on: seed 003's five, the sealed plan and the index of all files."""

    PLAN = "certification_automation_plan"
    SUITE = "certification_suite"
    INDEX = "artifact_index"
    MATRIX_CHAIN = "matrix_evidence_chain"
    REPLAY_CHAIN = "replay_evidence_chain"
    CONNECTOR_SUITE = "connector_certification"
    CONNECTOR_CHAIN = "connector_evidence_chain"


SummaryKind = Literal["plan", "suite", "index", "chain"]


class SummaryItem(Model):
    """One artifact, verified from disk when the summary was made."""

    name: SummaryItemName
    kind: SummaryKind
    path: str = Field(description="relative to the summary")
    sha256: Digest | None
    required: bool = Field(description="the sealed plan calls for it, or it is there")
    outcome: Outcome
    passed: bool
    missing: bool
    summary: dict[str, JsonValue] = Field({})


class ChainLink(Model):
    """The entry of the engine's evidence chain that a decision rests on."""

    sequence: int = Field(ge=1)
    chain_hash: Digest = Field(pattern=DIGEST_PATTERN)


class ReleaseSummary(Decision):
    """The last gate before publication."""

    KIND: ClassVar[str] = "release_summary"

    output_dir: str = "."
    chain: ChainLink | None = Field(
        None, description="holds every file but this one; None: there is no sound one"
    )
    signed_by: str | None = Field(
        None,
        description="id of the key that every attestation names; None: unsigned, which proves no author. "
        "Read, not verified: that needs the public key (certify verify --key)",
    )
    markdown_sha256: Digest | None = Field(None, description="of release_summary.md, which no chain holds")
    items: tuple[SummaryItem, ...]


def author_in_words(summary: ReleaseSummary) -> str:
    """Who signed the evidence, or that nobody did, and what that is worth."""
    if summary.signed_by is None:
        return UNSIGNED
    return f"says key {summary.signed_by}; certify verify --key proves it"
