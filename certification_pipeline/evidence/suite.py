"""``certification_suite.json`` and its index: the evidence a release decision rests on (seed 003)."""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import AwareDatetime, Field, JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.decision import Decision, EvidenceStatus


class ItemName(StrEnum):
    """The items of a suite, as seed 003 names them in blockers."""

    CERTIFICATION_REPORT = "certification_report"
    BENCHMARK_BASELINE = "benchmark_baseline"
    LINEAGE_REPORT = "lineage_report"
    DBT_LINEAGE_REPORT = "dbt_lineage_report"
    STRATEGY_CERTIFICATION_BUNDLE = "strategy_certification_bundle"
    EVIDENCE_BUNDLE = "evidence_bundle"


IdentityStatus = Literal["verified", "not_verified", "release_id_mismatch", "missing"]
"""``verified``: recomputed from what lies underneath, and the file says the same."""


class SuiteItem(Model):
    """One piece of evidence; ``outcome`` is what was recomputed, not what the file says."""

    name: ItemName
    path: str = Field(description="relative to the suite")
    sha256: Digest | None
    required: bool
    missing: bool
    outcome: Outcome
    passed: bool
    evidence_status: EvidenceStatus
    release_id: str | None = Field(description="as the file states it")
    identity_status: IdentityStatus
    summary: dict[str, JsonValue] = Field({})


class CertificationSuite(Decision):
    """Green when every item that is required or present is verified and passed."""

    KIND: ClassVar[str] = "certification_suite"

    suite_id: str
    case_count: int
    evidence_count: int = Field(description="items that are present")
    output_dir: str = "."
    items: tuple[SuiteItem, ...]


class SuiteEntry(Model):
    """One evaluation of a suite; ``None`` where an entry was recorded before the field was."""

    suite_id: str
    run_id: str
    created_at: AwareDatetime
    outcome: Outcome
    passed: bool
    sha256: Digest = Field(description="of certification_suite.json as that evaluation wrote it")
    blockers: tuple[str, ...] = ()
    schema_version: str | None = Field(None, description="of that certification_suite.json")
    release_id: str | None = None
    case_count: int | None = None
    evidence_count: int | None = None
    evidence_status: EvidenceStatus | None = None
    items: tuple[SuiteItem, ...] = ()
    output_dir: str = "."


class CertificationSuiteIndex(Decision):
    """Every evaluation of this subject's suites, oldest first; its own outcome is the newest's."""

    KIND: ClassVar[str] = "certification_suite_index"

    suite_count: int
    suites: tuple[SuiteEntry, ...]
