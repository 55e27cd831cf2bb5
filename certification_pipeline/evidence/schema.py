"""The JSON Schemas of every artifact, for readers who do not speak Python.

``python -m certification_pipeline.evidence.schema docs/schemas`` publishes them; a test compares.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from pydantic.json_schema import JsonSchemaValue

from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.bundle import OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.chain_proof import ChainProof
from certification_pipeline.evidence.comparison import EngineComparison
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.foreign.claims import ForeignReport
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.levels import ConnectorLevels
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.run_registry import RunRegistry
from certification_pipeline.evidence.seal.production import ProductionPredicate
from certification_pipeline.evidence.seal.statement import (
    CellPredicate,
    FamilyPredicate,
    FilesPredicate,
    PlanPredicate,
    Predicate,
)
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex
from certification_pipeline.evidence.summary import ReleaseSummary

ARTIFACTS: tuple[type[Artifact], ...] = (
    CertificationPlan,
    CellEvidence,
    CertificationReport,
    BenchmarkBaseline,
    StrategyCertificationBundle,
    OpsEvidenceBundle,
    RunRegistry,
    OpenLineageReport,
    ConnectorCertification,
    ReplayEvidence,
    DbtLineage,
    Calibration,
    CertificationSuite,
    CertificationSuiteIndex,
    ArtifactIndex,
    ReleaseSummary,
    EvidenceChainEntry,
    PublishedRecord,
    ConnectorLevels,
)


Beside = type[EngineComparison] | type[ChainProof] | type[ForeignReport]
Published = type[Artifact] | Beside
BESIDE_RELEASES: tuple[Beside, ...] = (EngineComparison, ChainProof, ForeignReport)
"""No gate's evidence: about all engines of a release; what somebody without the evidence is given; what
became of another tool's claims."""


PREDICATES: tuple[type[Predicate], ...] = (
    PlanPredicate,
    CellPredicate,
    FamilyPredicate,
    FilesPredicate,
    ProductionPredicate,
)
"""Ours; that of decisions is SLSA's."""


def schema_of(artifact: Published) -> JsonSchemaValue:
    """JSON Schema (draft 2020-12) of what is written; ``schema_version`` is fixed to its one value."""
    schema = artifact.model_json_schema(mode="serialization")
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$id"] = f"urn:certification_pipeline:{artifact.KIND}:v1"
    schema["properties"]["schema_version"]["const"] = artifact.schema_name()
    return schema


def predicate_schema(predicate: type[Predicate]) -> JsonSchemaValue:
    """JSON Schema of what a signed statement says about its subject; its id is the predicate's type.

    As it is read: an absent field has its default.
    """
    schema = predicate.model_json_schema(mode="validation", by_alias=True)
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    schema["$id"] = predicate.predicate_type()
    return schema


def schemas() -> dict[str, str]:
    """File name -> text of every published schema."""
    published: tuple[Published, ...] = (*ARTIFACTS, *BESIDE_RELEASES)
    return {
        **{f"{artifact.KIND}.v1.schema.json": _text(schema_of(artifact)) for artifact in published},
        **{
            f"predicate_{predicate.KIND.replace('-', '_')}.v1.schema.json": _text(predicate_schema(predicate))
            for predicate in PREDICATES
        },
    }


def write_schemas(directory: Path) -> None:
    """Publish all schemas into ``directory``."""
    for name, text in schemas().items():
        write_atomically(directory / name, text.encode())


def stale_schemas(directory: Path) -> tuple[str, ...]:
    """Names in ``directory`` that are missing, differ from the models, or that no model has any more."""
    wanted = schemas()
    there = {path.name: path.read_text() for path in directory.glob("*.v1.schema.json")}
    return tuple(sorted(name for name in {*wanted, *there} if wanted.get(name) != there.get(name)))


def _text(schema: JsonSchemaValue) -> str:
    return json.dumps(schema, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    write_schemas(Path(sys.argv[1]))
