"""OpenLineage of loads that really ran, through ``certify``."""

from __future__ import annotations

import json

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.run_registry import RunRegistry
from certification_pipeline.evidence.suite import ItemName, SuiteItem
from certification_pipeline.families.openlineage.export import export_lineage
from tests.pipeline.conftest import Release, Run

pytestmark = pytest.mark.integration

OPTIONS = {
    "scenarios": ("strategy.*",),
    "strategies": ("incremental_merge", "scd2"),
    "families": ("openlineage",),
}


def report(release: Release) -> OpenLineageReport:
    return release.directory.read("openlineage_report.json", OpenLineageReport)


def item(release: Release) -> SuiteItem:
    return next(i for i in release.decided.suite.items if i.name is ItemName.LINEAGE_REPORT)


def test_a_release_exports_its_loads_and_the_suite_verifies_them(run: Run) -> None:
    release = run(**OPTIONS)
    made = report(release)
    assert (made.outcome, made.blockers) == (Outcome.PASSED, ())
    assert made.run_count == made.judged_runs == 8
    assert (item(release).required, item(release).identity_status) == (True, "verified")
    lines = (release.directory.path / made.events_path).read_text().splitlines()
    scd2 = [e for e in map(json.loads, lines) if e["job"]["name"].endswith("scd2")]
    facets = scd2[2]["outputs"][0]["facets"]
    names = {field["name"] for field in facets["schema"]["fields"]}
    assert names - set(facets["columnLineage"]["fields"]) == {"valid_from", "valid_to"}
    # Rerunning one cell makes the export again: its runs are others now.
    again = run(scenarios=("strategy.scd2",))
    assert item(again).identity_status == "verified"
    assert report(again).events_sha256 != made.events_sha256


@pytest.mark.nightly
def test_rows_an_engine_lost_are_lost_in_the_events_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_PLANTED_DEFECT", "drop_last_batch")
    made = report(run(**{**OPTIONS, "strategies": ("incremental_merge",)}))
    assert all(run.failed_assertions for run in made.items[:1])
    assert all(run.rows == run.oracle_rows for run in made.items)


@pytest.mark.nightly
def test_loads_that_a_scenario_makes_fail_are_runs_of_their_own_and_not_red(run: Run) -> None:
    release = run(
        scenarios=("strategy.*", "obs.taxonomy"), strategies=("full_refresh",), families=("openlineage",)
    )
    registry = release.directory.read("run_registry.json", RunRegistry)
    assert (registry.outcome, registry.run_count) == (Outcome.PASSED, 9)
    wider = export_lineage(release.directory, release.plan, "run-2", scenarios=("obs.*",))
    assert (wider.outcome, wider.run_count) == (Outcome.PASSED, 9)
    assert sum("FAIL" in item.events for item in wider.items) == 3
