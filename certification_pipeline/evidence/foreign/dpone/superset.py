"""Our artifacts have every field that dpone's have: by the same name, or by one told here.

Who reads dpone's files can read ours. What stands in a field is recomputed as everything else of ours is:
``evidence_status`` follows from the outcome, ``passed`` from the items.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from pydantic.json_schema import JsonSchemaValue

from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.bundle import OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.foreign.dpone.decided import (
    OpsBundle,
    ReleaseSummary,
    StrategyBundle,
    Suite,
    SuiteIndex,
)
from certification_pipeline.evidence.foreign.dpone.models import Benchmark, Dpone, MatrixReport, MockReport
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex
from certification_pipeline.evidence.summary import ReleaseSummary as OurReleaseSummary

PAIRS: tuple[tuple[type[Dpone], type[Artifact]], ...] = (
    (Suite, CertificationSuite),
    (SuiteIndex, CertificationSuiteIndex),
    (ReleaseSummary, OurReleaseSummary),
    (StrategyBundle, StrategyCertificationBundle),
    (OpsBundle, OpsEvidenceBundle),
    (Benchmark, BenchmarkBaseline),
    (MockReport, CertificationReport),
    (MatrixReport, CertificationReport),
)
"""dpone's artifact, and ours of the same name."""

ELSEWHERE: Mapping[tuple[type[Dpone], str], tuple[str, str]] = MappingProxyType(
    {
        (MatrixReport, "results[].source"): ("results[].key.source", "a cell is named by its key"),
        (MatrixReport, "results[].sink"): ("results[].key.sink", "a cell is named by its key"),
        (MatrixReport, "results[].strategy"): ("results[].key.strategy", "a cell is named by its key"),
        (MatrixReport, "results[].preflight_present"): (
            "plan_sha256",
            "every row was planned, and the plan is sealed by digest",
        ),
        (MatrixReport, "results[].behavior_present"): (
            "results[].sha256",
            "the digest of the cell's file; null when there is none",
        ),
        (MatrixReport, "results[].quality_checks"): (
            "results[].artifact_path",
            "that file holds every judgement with what it expected and what it saw, not names",
        ),
        (MatrixReport, "results[].blockers"): (
            "results[].problems",
            "and `blockers`, by code `matrix_cell.<word>:<case_id>`",
        ),
    }
)
"""Fields of theirs that ours has under another name: which, and why."""


def field_paths(schema: JsonSchemaValue) -> frozenset[str]:
    """``items[].sha256`` and all the others of a JSON Schema; ``{}`` stands for any key of a mapping."""
    return frozenset(_paths(schema, schema.get("$defs", {}), ""))


def lacking(theirs: type[Dpone], ours: type[Artifact]) -> tuple[str, ...]:
    """Fields of theirs that ours has neither by name nor by :data:`ELSEWHERE`, sorted."""
    there = field_paths(ours.model_json_schema(mode="serialization"))
    wanted = field_paths(theirs.model_json_schema())
    moved = {path for (model, path), (at, _) in ELSEWHERE.items() if model is theirs and at in there}
    return tuple(sorted(wanted - there - moved))


def _paths(schema: JsonSchemaValue, defs: JsonSchemaValue, at: str) -> set[str]:
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]]
    found: set[str] = set()
    for branch in schema.get("anyOf", ()):
        found |= _paths(branch, defs, at)
    if isinstance(items := schema.get("items"), dict):
        found |= _paths(items, defs, f"{at}[]")
    if isinstance(values := schema.get("additionalProperties"), dict):
        found |= _paths(values, defs, f"{at}{{}}")
    for name, below in schema.get("properties", {}).items():
        path = f"{at}.{name}" if at else name
        found |= {path} | _paths(below, defs, path)
    return found
