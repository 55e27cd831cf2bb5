"""The shapes of dpone 0.88's decisions: connector matrix, bundles, suites, indexes, chains, plan, summary."""

from __future__ import annotations

from pydantic import JsonValue

from certification_pipeline.evidence.foreign.dpone.models import Dpone


class Capability(Dpone):
    """One capability of one connector."""

    connector: str
    capability: str
    status: str
    evidence: str


class ConnectorMatrix(Dpone):
    """``connector-certification.json`` (0.88 writes a hyphen, seed 003 an underscore)."""

    passed: bool
    missing_required: list[str]
    connectors: dict[str, dict[str, Capability]]
    snapshot_id: str


class ContractResult(Dpone):
    """One check of a data contract."""

    code: str
    message: str
    passed: bool
    severity: str
    action: str


class DataContract(Dpone):
    """``data_contract_report.json``, beside the evidence bundle."""

    mode: str
    passed: bool
    results: list[ContractResult]


class OpsItem(Dpone):
    """One artifact of the evidence bundle."""

    name: str
    path: str
    sha256: str
    required: bool
    passed: bool
    evidence_status: str | None = None


class OpsBundle(Dpone):
    """``ops_evidence_bundle.json``."""

    run_id: str
    passed: bool
    items: list[OpsItem]
    artifact_dir: str


class StrategyItem(Dpone):
    """One artifact of the strategy bundle."""

    kind: str
    path: str
    name: str
    present: bool
    passed: bool
    sha256: str | None
    summary: dict[str, JsonValue]


class StrategyCounts(Dpone):
    """Their counts."""

    total_items: int
    present_items: int
    passed_items: int
    missing_items: int
    failed_items: int


class StrategyBundle(Dpone):
    """``strategy_certification_bundle.json``."""

    schema_version: str
    bundle_id: str
    created_at: str
    passed: bool
    evidence_status: str
    blockers: list[str]
    summary: StrategyCounts
    docs_links: list[str]
    evidence_items: list[StrategyItem]


class SuiteItem(Dpone):
    """One artifact a suite rests on."""

    name: str
    path: str
    sha256: str
    passed: bool
    required: bool
    missing: bool
    summary: str
    evidence_status: str | None
    release_id: str | None
    identity_status: str | None


class Suite(Dpone):
    """``certification_suite.json``."""

    schema_version: str
    suite_id: str
    release_id: str | None
    passed: bool
    evidence_status: str
    blockers: list[str]
    case_count: int
    evidence_count: int
    items: list[SuiteItem]
    output_dir: str


class SuiteIndex(Dpone):
    """``certification_suite_index.json``; 0.88 writes it anew each time, with one suite."""

    suite_count: int
    suites: list[Suite]


class IndexItem(Dpone):
    """One file of an artifact index."""

    name: str
    path: str
    relative_path: str
    artifact_type: str
    sha256: str
    size_bytes: int
    modified_at: str
    release: str | None
    run_id: str | None
    passed: bool | None


class ArtifactIndex(Dpone):
    """``artifact_index.json``."""

    release: str | None
    total_artifacts: int
    total_bytes: int
    passed: bool
    roots: list[str]
    items: list[IndexItem]
    output_dir: str


class ChainEntry(Dpone):
    """``<release>__evidence_chain.json``."""

    release: str
    artifact_index_path: str
    artifact_index_hash: str
    previous_chain_hash: str | None
    chain_hash: str
    created_at: str
    entry_path: str
    markdown_path: str
    verified: bool


class ChainIndex(Dpone):
    """``evidence_chain_index.json``."""

    entry_count: int
    latest_chain_hash: str | None
    entries: list[ChainEntry]


class PlanStep(Dpone):
    """One command of a plan."""

    name: str
    command: str
    artifacts: list[str]
    required: bool


class Plan(Dpone):
    """``certification_automation_plan.json``."""

    profile: str
    row_count: int
    passed: bool
    step_count: int
    required_artifacts: list[str]
    steps: list[PlanStep]
    output_dir: str


class SummaryItem(Dpone):
    """One thing a release rests on: a suite's file, or a chain's folder."""

    name: str
    kind: str
    path: str
    sha256: str
    passed: bool
    missing: bool
    summary: str


class ReleaseSummary(Dpone):
    """``release_summary.json``."""

    release_id: str
    passed: bool
    blockers: list[str]
    items: list[SummaryItem]
    output_dir: str
