"""Where every artifact lies: the seeds' file names (DESIGN section 10), and nothing else.

``<root>/releases/<release_id>/<engine>/`` holds one subject's evidence of one release;
``<root>/chain/<engine>/`` the chain over all its releases.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from certification_pipeline.catalog.vocabulary import Family

RELEASES = "releases"
LATEST = "latest"
QUIET_GATE, QUIET_ROOM = ".quiet.gate", ".quiet.room"
"""Locks beside ``releases/``: who works there, and who measures alone. They hold nothing."""
CELLS = "cells"
SUPERSEDED = "superseded"
COMPARISON = "comparison.json"
"""Beside the engines of a release, about all of them."""
PUBLISHED = "published"
"""The newest green release of each engine, for badges and deployments to read."""
BASELINES = "baselines"
"""What each engine's benchmark is held against."""
ATTESTED = "attestations"
"""What people stated about an engine in production, signed."""
CALIBRATIONS = "calibration"
"""Of the bench, for all engines."""
CHAIN = "chain"
CHAIN_HEAD = "head.json"
CHAIN_CHECKPOINT = "checkpoint"

PLAN = "certification_automation_plan.json"
CATALOG = "catalog.json"
"""The parts of the catalogue that plan, gates and levels rest on; the plan holds its digest."""
REPORT = "certification_report.json"
SUITE = "certification_suite.json"
SUITE_INDEX = "certification_suite_index.json"
ARTIFACT_INDEX = "artifact_index.json"
RELEASE_SUMMARY = "release_summary.json"

ATTESTATIONS = "attestations.intoto.jsonl"
"""One statement a planned cell, evidence family and the plan itself, in signed envelopes."""
DECISIONS = "decisions.intoto.jsonl"
"""One statement a decision: suite, release, levels; and over the files that nothing else covers."""
PAGES = "pages.intoto.jsonl"
"""Beside the engines of a release: one statement over the pages that lie there for people."""
CONNECTOR_LEVELS = "connector_levels.json"

DECISION = frozenset({RELEASE_SUMMARY, "release_summary.md"})
LEFT_OUT_OF_CHAIN = DECISION | {DECISIONS, CONNECTOR_LEVELS, "connector_levels.md"}
"""The decision rests on the chain's newest entry, which cannot hold it, nor what follows from it."""

FAMILY_ARTIFACTS: Mapping[Family, str] = MappingProxyType(
    {
        Family.MATRIX: REPORT,
        Family.BENCHMARK: "benchmark_baseline.json",
        Family.OPENLINEAGE: "openlineage_report.json",
        Family.DBT_LINEAGE: "dbt_lineage.json",
        Family.REPLAY: "replay_evidence.json",
        Family.CONNECTOR_LIVE: "connector_certification.json",
        Family.CALIBRATION: "calibration.json",
    }
)
RUN_REGISTRY = "run_registry.json"
OPENLINEAGE_EVENTS = "openlineage_events.jsonl"
STRATEGY_BUNDLE = "strategy_certification_bundle.json"
EVIDENCE_BUNDLE = "ops_evidence_bundle.json"

LARGEST_CELL = 16 << 20
LARGEST_ARTIFACT = 256 << 20
"""Bytes. A report over 10 000 cells takes about 15 MB; more than this is an accident or an attack."""


def schema_name(path: str) -> str:
    """The ``schema_version`` of the artifact that lies there by rule: the file's stem is its kind."""
    return f"certification_pipeline.{path.rpartition('/')[2].removesuffix('.json')}.v1"


def cell_path(cell_id: str) -> str:
    """Relative path of one cell's file."""
    return f"{CELLS}/{cell_id}.json"
