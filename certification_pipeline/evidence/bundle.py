"""``strategy_certification_bundle.json`` and ``ops_evidence_bundle.json``: what a review attaches.

Both list artifacts by relative path and digest with the outcome that was recomputed from them. Keeps the
fields of dpone's bundles (``evidence_items``, ``summary``, ``docs_links``; ``items``, ``artifact_dir``).
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.decision import Decision, EvidenceStatus


class EvidenceKind(StrEnum):
    """The kinds of a strategy bundle, as seed 003 names them in blockers."""

    REPLAY = "replay"
    MATRIX = "matrix"
    CONNECTOR = "connector"
    BENCHMARK = "benchmark"


class BundleItem(Model):
    """One artifact; ``outcome`` and ``passed`` are recomputed, not what the file says."""

    name: str
    path: str = Field(description="relative to the bundle")
    required: bool
    present: bool
    outcome: Outcome
    passed: bool
    evidence_status: EvidenceStatus
    sha256: Digest | None
    summary: dict[str, JsonValue] = Field({})


class StrategyItem(BundleItem):
    """One artifact of a strategy bundle."""

    kind: EvidenceKind


class DocsLink(Model):
    """A page that explains the evidence. Its copy lies beside the bundle, so that it always resolves."""

    link: str = Field(description="as it was given: a path in the repository")
    path: str = Field(description="of the copy, relative to the bundle")
    sha256: Digest | None = Field(description="of the copy; None when the link does not resolve")


class BundleCounts(Model):
    """How many items a bundle holds, and how they stand."""

    total_items: int
    present_items: int
    passed_items: int
    missing_items: int = Field(description="absent, required or not")
    failed_items: int = Field(description="present and not passed")


class StrategyCertificationBundle(Decision):
    """Replay, matrix, connector and benchmark evidence of one subject (seed 003)."""

    KIND: ClassVar[str] = "strategy_certification_bundle"

    bundle_id: str
    summary: BundleCounts
    docs_links: tuple[DocsLink, ...]
    docs_asked: bool = Field(description="the links were chosen by somebody, not taken from the families")
    docs_left_out: tuple[str, ...] = Field(
        (), description="pages of the families that are not here, as in an installed package"
    )
    evidence_items: tuple[StrategyItem, ...]


class OpsEvidenceBundle(Decision):
    """Checksummed evidence for going live: every artifact of the release that is or must be there."""

    KIND: ClassVar[str] = "ops_evidence_bundle"

    artifact_dir: str = "."
    summary: BundleCounts
    items: tuple[BundleItem, ...]
