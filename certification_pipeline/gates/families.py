"""The items of a suite: where each lies, what it must be, and who can verify it.

A later family becomes verifiable by one line in ``VERIFIERS``; until then its artifact is recognised
and its red is believed, but never its green.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Family as CatalogFamily
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.bundle import OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.gates.benchmark_baseline import verify_benchmark
from certification_pipeline.gates.calibration import verify_calibration
from certification_pipeline.gates.connectors import verify_connectors
from certification_pipeline.gates.dbt_lineage import verify_dbt_lineage
from certification_pipeline.gates.evidence_bundle import verify_evidence_bundle
from certification_pipeline.gates.flaky import remembers_failures
from certification_pipeline.gates.matrix_verifier import verify_report
from certification_pipeline.gates.openlineage import verify_openlineage
from certification_pipeline.gates.replay import verify_replay
from certification_pipeline.gates.strategy_bundle import verify_strategy_bundle
from certification_pipeline.gates.verification import EvidenceFile, Verification, read_plan
from certification_pipeline.gates.verifiers import Registry


class Family(NamedTuple):
    """One item of the suite. ``command`` makes its artifact."""

    path: str
    schema_version: str
    command: str
    arguments: tuple[str, ...] = ()
    """What the command needs besides engine and release."""


FAMILIES: Mapping[ItemName, Family] = MappingProxyType(
    {
        ItemName.CERTIFICATION_REPORT: Family(
            "certification_report.json", CertificationReport.schema_name(), "release-summary"
        ),
        ItemName.BENCHMARK_BASELINE: Family(
            "benchmark_baseline.json", BenchmarkBaseline.schema_name(), "benchmark"
        ),
        ItemName.LINEAGE_REPORT: Family(
            "openlineage_report.json", OpenLineageReport.schema_name(), "lineage"
        ),
        ItemName.DBT_LINEAGE_REPORT: Family("dbt_lineage.json", DbtLineage.schema_name(), "dbt-lineage"),
        ItemName.STRATEGY_CERTIFICATION_BUNDLE: Family(
            "strategy_certification_bundle.json",
            StrategyCertificationBundle.schema_name(),
            "strategy-bundle",
        ),
        ItemName.EVIDENCE_BUNDLE: Family(
            "ops_evidence_bundle.json", OpsEvidenceBundle.schema_name(), "evidence-bundle"
        ),
    }
)

REQUIRED_BY: Mapping[CatalogFamily, ItemName] = MappingProxyType(
    {
        CatalogFamily.BENCHMARK: ItemName.BENCHMARK_BASELINE,
        CatalogFamily.OPENLINEAGE: ItemName.LINEAGE_REPORT,
        CatalogFamily.DBT_LINEAGE: ItemName.DBT_LINEAGE_REPORT,
        # Replay and connector evidence reach a suite through the strategy bundle (seed 003).
        CatalogFamily.REPLAY: ItemName.STRATEGY_CERTIFICATION_BUNDLE,
        CatalogFamily.CONNECTOR_LIVE: ItemName.STRATEGY_CERTIFICATION_BUNDLE,
        # About the bench, not the subject: it reaches a suite as ops evidence.
        CatalogFamily.CALIBRATION: ItemName.EVIDENCE_BUNDLE,
    }
)
"""A family in the sealed plan -> the item that a suite over that plan must hold: absence is never a pass."""


def required_by(families: Collection[CatalogFamily]) -> frozenset[ItemName]:
    """What a suite must hold beside the report when the plan holds these families.

    With any family at all it is the whole release that goes live: then the evidence bundle, too.
    """
    named = {REQUIRED_BY[family] for family in families if family in REQUIRED_BY}
    return frozenset({*named, ItemName.EVIDENCE_BUNDLE} if named else named)


VERIFIERS = Registry(
    {
        CertificationReport.schema_name(): verify_report,
        BenchmarkBaseline.schema_name(): remembers_failures(CatalogFamily.BENCHMARK, verify_benchmark),
        OpenLineageReport.schema_name(): verify_openlineage,
        # Remembers failures by itself: a mended document is a change, though the engine is the same.
        ConnectorCertification.schema_name(): verify_connectors,
        ReplayEvidence.schema_name(): remembers_failures(CatalogFamily.REPLAY, verify_replay),
        Calibration.schema_name(): verify_calibration,
        DbtLineage.schema_name(): remembers_failures(CatalogFamily.DBT_LINEAGE, verify_dbt_lineage),
    },
    {
        StrategyCertificationBundle.schema_name(): verify_strategy_bundle,
        OpsEvidenceBundle.schema_name(): verify_evidence_bundle,
    },
)
"""By ``schema_version``; the second half rests on other artifacts, and asks this registry about them."""


def verification_of(directory: SubjectDir, path: str, decided: Provenance) -> Verification:
    """Recompute the artifact that lies at ``path``, with the verifier of its kind.

    Raises EvidenceError when it, or the plan to check it against, cannot be read.
    """
    sealed = read_plan(directory)
    file = EvidenceFile(path, directory.read_bytes(path))
    return VERIFIERS[layout.schema_name(path)](directory, file, sealed, decided)


def verifies(directory: SubjectDir, path: str, decided: Provenance) -> bool:
    """Whether the artifact at ``path`` is what recomputing it gives, be that green or red."""
    try:
        return not verification_of(directory, path, decided).problems
    except EvidenceError:
        return False
