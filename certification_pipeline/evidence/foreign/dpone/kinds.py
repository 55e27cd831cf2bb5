"""Which of dpone's artifacts a file is: by its ``schema_version`` if it has one, else by its name."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

from pydantic import JsonValue, ValidationError

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.foreign.dpone.decided import (
    ArtifactIndex,
    ChainEntry,
    ChainIndex,
    ConnectorMatrix,
    DataContract,
    OpsBundle,
    Plan,
    ReleaseSummary,
    StrategyBundle,
    Suite,
    SuiteIndex,
)
from certification_pipeline.evidence.foreign.dpone.models import (
    Behavior,
    Benchmark,
    DbtGraph,
    Dpone,
    LineageEvent,
    LineageEvents,
    MatrixReport,
    MockReport,
    ReplayDone,
    ReplayEvidence,
    RunEntry,
    RunIndex,
)

OURS = "certification_pipeline."
"""Artifacts of this project have the same names, and a ``schema_version`` that starts so."""

_NAMES: tuple[tuple[str, str, type[Dpone]], ...] = (
    ("*__behavior.json", "behavior", Behavior),
    ("benchmark_baseline.json", "benchmark_baseline", Benchmark),
    ("*__run_registry.json", "run_registry", RunEntry),
    ("run_registry_index.json", "run_registry_index", RunIndex),
    ("dbt_openlineage.json", "dbt_openlineage", LineageEvents),
    ("*__openlineage.json", "openlineage", LineageEvent),
    ("*__openlineage_report.json", "openlineage", LineageEvent),
    ("openlineage.json", "openlineage", LineageEvent),
    ("dbt_lineage.json", "dbt_lineage", DbtGraph),
    ("resync_*_evidence.json", "replay_evidence", ReplayEvidence),
    ("resume_*_evidence.json", "replay_evidence", ReplayEvidence),
    ("resync_*.json", "replay", ReplayDone),
    ("resume_*.json", "replay", ReplayDone),
    ("connector-certification.json", "connector_certification", ConnectorMatrix),
    ("connector_certification.json", "connector_certification", ConnectorMatrix),
    ("data_contract_report.json", "data_contract_report", DataContract),
    ("ops_evidence_bundle.json", "ops_evidence_bundle", OpsBundle),
    ("strategy_certification_bundle.json", "strategy_certification_bundle", StrategyBundle),
    ("certification_suite.json", "certification_suite", Suite),
    ("certification_suite_index.json", "certification_suite_index", SuiteIndex),
    ("artifact_index.json", "artifact_index", ArtifactIndex),
    ("*__evidence_chain.json", "evidence_chain", ChainEntry),
    ("evidence_chain_index.json", "evidence_chain_index", ChainIndex),
    ("certification_automation_plan.json", "certification_automation_plan", Plan),
    ("release_summary.json", "release_summary", ReleaseSummary),
)
_SCHEMAS: dict[str, tuple[str, type[Dpone]]] = {
    "dpone.replay.evidence.v1": ("replay_evidence", ReplayEvidence),
    "dpone.strategy.certification_bundle.v1": ("strategy_certification_bundle", StrategyBundle),
    "dpone.certification_suite.v1": ("certification_suite", Suite),
}
_REPORT = "certification_report"
_MATRIX_ONLY = frozenset({"total_cases", "passed_cases", "failed_cases"})
"""Fields that only shape B of the report has."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a file is, and the shape it must therefore have."""

    name: str
    model: type[Dpone]


def may_be(path: str) -> bool:
    """Whether it is worth reading: its name is one of dpone's, or may hide one."""
    return path.endswith(".json")


def kind_of(path: str, value: JsonValue) -> Kind | None:
    """``None``: no artifact of dpone's that is known here."""
    name = path.rpartition("/")[2]
    fields = value if isinstance(value, dict) else {}
    schema = fields.get("schema_version")
    if isinstance(schema, str) and schema.startswith(OURS):
        return None
    if isinstance(schema, str) and schema in _SCHEMAS:
        return Kind(*_SCHEMAS[schema])
    if name == f"{_REPORT}.json":
        return Kind(_REPORT, MatrixReport if _MATRIX_ONLY & fields.keys() else MockReport)
    for pattern, kind, model in _NAMES:
        if fnmatchcase(name, pattern):
            return Kind(kind, model)
    return None


def named_like_one(path: str) -> bool:
    """Whether the name alone promises an artifact: an unreadable one is then told, not passed over."""
    return kind_of(path, {}) is not None


def modelled(kind: Kind, value: JsonValue, path: str) -> Dpone:
    """The value in its model. Raises EvidenceError naming the first field that is not as dpone writes it."""
    try:
        return kind.model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        remedy = "No command of dpone 0.88 writes it so: have it written again"
        raise EvidenceError(path, field, first["msg"], remedy) from None
