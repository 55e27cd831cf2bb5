"""``certification_report.json``: every planned cell with the outcome its judgements give it.

Keeps the fields dpone's readers look for (``case_count``, ``results[].case_id`` …) beside its own.
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import AwareDatetime, Field

from certification_pipeline.catalog.vocabulary import Anomaly, Fidelity, Outcome, ReasonCode
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.plan import Selection


class ReportRow(Model):
    """One planned cell. ``outcome`` is recomputed from the judgements in the file ``sha256`` names."""

    case_id: str
    key: CellKey
    scenario_version: int
    outcome: Outcome
    passed: bool
    required: bool
    verified: bool = Field(description="the evidence is what the plan asked for, or the plan asked for none")
    flaky: bool
    artifact_path: str | None = Field(description="relative to the report; None when there is no file")
    sha256: Digest | None
    expected_row_count: int | None = None
    actual_row_count: int | None = None
    expected_checksum: str | None = None
    actual_checksum: str | None = None
    anomalies: dict[Anomaly, int] = Field({}, description="per kind, the largest count after any one load")
    fidelity: Fidelity | None = Field(None, description="the weakest of the services it ran on")
    seconds: float = Field(0.0, ge=0)
    reason: ReasonCode | None = None
    detail: str | None = Field(None, description="what was seen, in words")
    remedy: str | None = None
    problems: tuple[str, ...] = Field((), description="why the evidence is not verified")


class CertificationReport(Decision):
    """The matrix of one subject. Its outcome is the worst over the required cells."""

    KIND: ClassVar[str] = "certification_report"
    LONG: ClassVar[str] = "results"

    plan_digest: Digest
    plan_sha256: Digest = Field(description="of the plan's file")
    catalog_digest: Digest
    selection: Selection = Field(description="what the plan was narrowed to; empty means everything")
    rows: int
    seed: int
    case_count: int
    total_cases: int
    passed_cases: int
    failed_cases: int
    required_cases: int
    totals: dict[Outcome, int]
    required_totals: dict[Outcome, int]
    by_route: dict[str, dict[Outcome, int]]
    by_strategy: dict[str, dict[Outcome, int]]
    evidence_until: AwareDatetime | None = Field(description="when the newest cell was made")
    output_dir: str = "."
    results: tuple[ReportRow, ...]
