"""The shapes of dpone 0.88's artifacts, one model each.

Every field that dpone writes must be there and of its type; others are allowed and told (`model_extra`), as
another version may write more, and so may a person. Digests are 64 hex digits without a prefix. Measured by
running ``dpone ops …``, ``strategy certification-bundle``, ``resync``, ``resume`` and ``connectors certify``.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, JsonValue

ZERO = "0" * 64
"""What dpone writes as the digest of a file that is not there."""


class Dpone(BaseModel):
    """Strict types, tolerant of more fields."""

    model_config = ConfigDict(extra="allow", frozen=True, strict=True)

    @property
    def surplus(self) -> tuple[str, ...]:
        """Names of fields that dpone 0.88 does not write."""
        return tuple(sorted(self.model_extra or ()))


class MockResult(Dpone):
    """One simulated case of shape A."""

    case_id: str
    passed: bool
    artifact_path: str
    expected_row_count: int
    actual_row_count: int
    expected_checksum: str
    actual_checksum: str


class MockReport(Dpone):
    """``certification_report.json``, shape A: ``dpone ops certification-run``."""

    profile: str
    case_count: int
    passed: bool
    evidence_status: str
    results: list[MockResult]


class MatrixResult(Dpone):
    """One case of shape B."""

    case_id: str
    source: str
    sink: str
    strategy: str
    passed: bool
    preflight_present: bool
    behavior_present: bool
    expected_row_count: int | None
    actual_row_count: int | None
    quality_checks: list[str]
    blockers: list[str]


class MatrixReport(Dpone):
    """``certification_report.json``, shape B: ``dpone ops integration-matrix-report``."""

    passed: bool
    total_cases: int
    passed_cases: int
    failed_cases: int
    blockers: list[str]
    results: list[MatrixResult]
    output_dir: str


class Behavior(Dpone):
    """``<case>__behavior.json``: what the simulation returned. Rows are samples."""

    case_id: str
    source: str
    sink: str
    strategy: str
    target_before: list[dict[str, JsonValue]]
    source_rows: list[dict[str, JsonValue]]
    expected_rows: list[dict[str, JsonValue]]
    actual_rows: list[dict[str, JsonValue]]
    target_before_count: int
    source_row_count: int
    expected_row_count: int
    actual_row_count: int
    expected_checksum: str
    actual_checksum: str
    configured_row_count: int
    change_ratio: float
    delete_ratio: float
    changed_row_count: int
    deleted_row_count: int
    quality_checks: list[str]
    passed: bool
    notes: list[str]

    def without_rows(self) -> Behavior:
        """All but the samples, which are most of it: a report has 237 of these."""
        rows = ("target_before", "source_rows", "expected_rows", "actual_rows")
        return self.model_copy(update={name: [] for name in rows})


class BenchmarkLine(Dpone):
    """One metric. ``actual`` is ``-Infinity`` where none was given."""

    metric: str
    direction: str
    actual: float
    baseline: float
    allowed_regression_ratio: float
    allowed_threshold: float
    passed: bool
    action: str


class Benchmark(Dpone):
    """``benchmark_baseline.json``."""

    passed: bool
    allowed_regression_ratio: float
    items: list[BenchmarkLine]
    output_dir: str


class RegisteredArtifact(Dpone):
    """A file a run registry names; ``sha256`` is ``None`` or zeros when it was not there."""

    name: str
    path: str
    sha256: str | None
    passed: bool | None
    summary: JsonValue


class RunEntry(Dpone):
    """``<run_id>__run_registry.json``."""

    run_id: str
    process: str | None
    manifest: str | None
    status: str | None
    passed: bool
    blockers: list[str]
    recorded_at: str
    run_result_path: str
    run_result_sha256: str | None
    artifact_count: int
    artifacts: list[RegisteredArtifact]
    output_dir: str
    entry_path: str
    markdown_path: str
    index_path: str


class RunIndex(Dpone):
    """``run_registry_index.json``."""

    generated_at: str
    run_count: int
    runs: list[RunEntry]


class LineageRun(Dpone):
    """``run`` of an OpenLineage event."""

    runId: str  # noqa: N815 - OpenLineage's name
    facets: dict[str, dict[str, JsonValue]]


class LineageJob(Dpone):
    """``job`` of an OpenLineage event."""

    namespace: str
    name: str


class LineageDataset(Dpone):
    """An input or output."""

    namespace: str
    name: str
    facets: dict[str, JsonValue]


class LineageEvent(Dpone):
    """``<run_id>__openlineage.json``: one event, without dpone's verdict, which went to stdout only."""

    eventType: str  # noqa: N815 - OpenLineage's name
    eventTime: str  # noqa: N815 - OpenLineage's name
    producer: str
    schemaURL: str  # noqa: N815 - OpenLineage's name
    run: LineageRun
    job: LineageJob
    inputs: list[LineageDataset]
    outputs: list[LineageDataset]


class LineageEvents(Dpone):
    """``dbt_openlineage.json``."""

    events: list[LineageEvent]


class DbtNode(Dpone):
    """One node of dbt's graph as dpone keeps it."""

    unique_id: str
    name: str
    resource_type: str
    package_name: str | None
    relation_name: str | None
    status: str
    depends_on: list[str]


class DbtEdge(Dpone):
    """``downstream`` depends on ``upstream``."""

    upstream: str
    downstream: str


class DbtGraph(Dpone):
    """``dbt_lineage.json``: no verdict in it, that went to stdout only."""

    run_id: str | None
    invocation_id: str | None
    nodes: dict[str, DbtNode]
    edges: list[DbtEdge]


class Replay(Dpone):
    """What both files of a replay say."""

    action: str
    run_id: str
    mode: str
    executed: bool
    status: str
    state_committed: bool
    source_type: str
    strategy_mode: str
    created_at: str
    commands: list[str]
    operations: list[str]
    diagnostics: dict[str, JsonValue]


class ReplayDone(Replay):
    """``resync_<run>.json`` and ``resume_<run>.json``."""

    sink_type: str
    failed_stage: str
    partitions: list[str]


class ReplayEvidence(Replay):
    """``<action>_<run>_evidence.json``."""

    schema_version: str
    service: str
    artifact_path: str
    runbook: str
    row_count_checks: list[JsonValue]
    status_checks: list[JsonValue]
