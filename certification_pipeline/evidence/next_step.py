"""The exact command that goes on from a blocker."""

from __future__ import annotations

import shlex
from collections.abc import Collection

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.suite import ItemName


def rerun_cell(key: CellKey, release_id: str) -> str:
    """Run this one cell again, in the same release."""
    which = ["--engine", key.engine, "--route", key.route_id, "--strategy", key.strategy.value]
    return shlex.join(["certify", "run", *which, "--scenario", key.scenario, "--release-id", release_id])


def rerun_release(engine: str, release_id: str) -> str:
    """Plan and run everything for this engine again."""
    return shlex.join(["certify", "run", "--engine", engine, "--release-id", release_id])


def make_family(family: Family, engine: str, release_id: str) -> str:
    """Do one evidence family's work again, in the same release, and decide."""
    which = ["--engine", engine, "--family", family.value, "--release-id", release_id]
    return shlex.join(["certify", "run", *which])


def decide_again(command: str, engine: str, release_id: str, *arguments: str) -> str:
    """Have that command look at the release again: ``suite``, ``lineage``, ``replay execute`` …"""
    return shlex.join(
        ["certify", *command.split(), "--engine", engine, "--release-id", release_id, *arguments]
    )


_SWITCHES = {
    ItemName.BENCHMARK_BASELINE: "--require-benchmark",
    ItemName.LINEAGE_REPORT: "--require-lineage",
    ItemName.DBT_LINEAGE_REPORT: "--require-dbt-lineage",
    ItemName.STRATEGY_CERTIFICATION_BUNDLE: "--require-strategy-certification",
    ItemName.EVIDENCE_BUNDLE: "--require-evidence",
}


def decide_release_again(engine: str, release_id: str, require: Collection[ItemName] = ()) -> str:
    """Recompute every decision of a release, holding it to the same requirements."""
    switches = [switch for item, switch in _SWITCHES.items() if item in require]
    return decide_again("release-summary", engine, release_id, *switches)


def sign_release(release_id: str) -> str:
    """Decide again with a key; how to make one."""
    again = shlex.join(["certify", "release-summary", "--release-id", release_id])
    return f"CERTIFY_SIGNING_KEY_FILE=FILE {again}; to make a key: certify keys new"


def mend_chain(engine: str, release_id: str) -> str:
    """No command can put back what a chain has lost."""
    look = shlex.join(["certify", "chain", "verify", "--engine", engine])
    again = decide_again("release-summary", engine, release_id)
    return f"See what was touched: {look}; restore it from a copy; then: {again}"


BENCHMARK_INPUT = ("--metrics-json", "@metrics.json", "--baseline-json", "@baseline.json")
"""Files a person keeps; the command cannot know the figures."""


def benchmark_again(engine: str, release_id: str, ratio: float) -> str:
    """Hold new figures against the baseline."""
    which = ["--engine", engine, "--release-id", release_id, *BENCHMARK_INPUT]
    return shlex.join(["certify", "benchmark", *which, "--allowed-regression-ratio", repr(ratio)])
