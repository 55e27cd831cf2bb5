"""One edit of one field, and the claim that must then be contradicted (law 1: each check can fail)."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.gates.foreign.dpone.examine import dpone_claims
from tests.foreign.conftest import REAL, Spoilt

REPORT = "matrix/certification_report.json"
MATRIX = "matrix_report/certification_report.json"
CASE = "matrix/postgres_to_postgres__full_refresh__behavior.json"
REGISTRY = "registry/run_01__run_registry.json"
SUITE = "suite/certification_suite.json"
BUNDLE = "strategy/strategy_certification_bundle.json"
SUMMARY = "summary/release_summary.json"
INDEX = "index/artifact_index.json"
CONNECTORS = "connectors/connector-certification.json"
GRAPH = "dbt/dbt_lineage.json"


def setting(*path: str | int, to: object) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return change


def twice(*path: str | int) -> Callable[[dict[str, Any]], None]:
    def change(value: Any) -> None:
        for step in path:
            value = value[step]
        value.append(copy.deepcopy(value[0]))

    return change


EDITS: list[tuple[str, Callable[[dict[str, Any]], None], str]] = [
    (REPORT, setting("case_count", to=2), "case_count"),
    (REPORT, setting("results", to=[]), "passed"),
    (REPORT, twice("results"), "results"),
    (REPORT, setting("profile", to="vendor_live"), "profile"),
    (REPORT, setting("passed", to=False), "passed"),
    (REPORT, setting("results", 0, "actual_row_count", to=-42), "results"),
    (REPORT, setting("results", 0, "actual_checksum", to="garbage"), "results"),
    (REPORT, setting("results", 0, "passed", to=False), "passed"),
    (MATRIX, setting("passed_cases", to=2), "passed_cases"),
    (MATRIX, setting("failed_cases", to=1), "failed_cases"),
    (MATRIX, setting("total_cases", to=237), "total_cases"),
    (MATRIX, setting("blockers", to=["matrix_rows.mismatch:x"]), "blockers"),
    (MATRIX, setting("results", 0, "actual_row_count", to=7), "results[postgres_to_postgres__full_refresh]"),
    (CASE, setting("actual_checksum", to="garbage"), "expected / actual checksum"),
    (CASE, setting("actual_rows", to=[]), "row samples"),
    (CASE, setting("actual_row_count", to=3), "actual_row_count"),
    (CASE, setting("deleted_row_count", to=0), "row counts"),
    ("benchmark/benchmark_baseline.json", setting("items", 0, "allowed_threshold", to=1.0),
     "items[throughput_rows_per_second].allowed_threshold"),
    ("benchmark/benchmark_baseline.json", setting("items", 0, "actual", to=89999.0),
     "items[throughput_rows_per_second].passed"),
    ("benchmark/benchmark_baseline.json", setting("items", 0, "allowed_regression_ratio", to=0.2),
     "items[throughput_rows_per_second].allowed_regression_ratio"),
    ("benchmark/benchmark_baseline.json", setting("passed", to=False), "passed"),
    ("benchmark/benchmark_baseline.json", twice("items"), "items"),
    (REGISTRY, setting("artifact_count", to=0), "artifact_count"),
    (REGISTRY, setting("run_result_sha256", to="1" * 64), "run_result.sha256"),
    (REGISTRY, setting("artifacts", 0, "sha256", to="1" * 64), "artifacts[certification_report].sha256"),
    (REGISTRY, setting("artifacts", 0, "sha256", to="0" * 64), "artifacts[certification_report].sha256"),
    (REGISTRY, setting("blockers", to=["run_result.not_passed"]), "passed"),
    ("registry/run_registry_index.json", setting("run_count", to=3), "run_count"),
    ("registry/run_registry_index.json", setting("runs", 0, "process", to="other"), "runs[run_01]"),
    ("lineage/run_01__openlineage.json", setting("run", "facets", "dpone_run", "passed", to=False),
     "eventType"),
    ("dbt/dbt_openlineage.json", setting("events", 0, "run", "facets", "dbt", "status", to="skipped"),
     "events[0].eventType"),
    (GRAPH, setting("edges", to=[]), "edges"),
    (GRAPH, setting("nodes", "model.shop.orders", "unique_id", to="x"), "nodes"),
    ("replay/resync_run_02_evidence.json", setting("run_id", to="another"), "artifact_path"),
    (CONNECTORS, setting("passed", to=True), "passed"),
    (CONNECTORS, setting("missing_required", to=["no.such"]), "missing_required"),
    (CONNECTORS, setting("connectors", "rest", "auth", "status", to="passed"), "missing_required"),
    ("evidence/ops_evidence_bundle.json", setting("passed", to=True), "passed"),
    ("evidence/ops_evidence_bundle.json", setting("items", 2, "sha256", to="1" * 64),
     "items[marketplace].sha256"),
    (BUNDLE, setting("summary", "passed_items", to=4), "summary"),
    (BUNDLE, setting("blockers", to=[]), "blockers"),
    (BUNDLE, setting("evidence_status", to="PASS"), "evidence_status"),
    (BUNDLE, setting("passed", to=True), "passed"),
    (SUITE, setting("evidence_count", to=7), "evidence_count"),
    (SUITE, setting("case_count", to=237), "case_count"),
    (SUITE, setting("blockers", to=[]), "blockers"),
    (SUITE, setting("passed", to=True), "passed"),
    (SUITE, setting("items", 0, "release_id", to="v1"), "items[certification_report].release_id"),
    (SUITE, setting("items", 0, "required", to=False), "items"),
    ("suite/certification_suite_index.json", setting("suite_count", to=12), "suite_count"),
    ("suite/certification_suite_index.json", setting("suites", 0, "passed", to=True), "suites[0]"),
    (INDEX, setting("total_artifacts", to=1), "total_artifacts"),
    (INDEX, setting("total_bytes", to=1), "total_bytes"),
    (INDEX, setting("passed", to=True), "passed"),
    (INDEX, twice("items"), "items"),
    ("chain/evidence_chain_index.json", setting("entry_count", to=0), "entry_count"),
    ("chain/evidence_chain_index.json", setting("latest_chain_hash", to="1" * 64), "latest_chain_hash"),
    (SUMMARY, setting("blockers", to=[]), "blockers"),
    (SUMMARY, setting("passed", to=True), "passed"),
    (SUMMARY, lambda summary: summary["items"].pop(), "items"),
    (SUMMARY, setting("items", 1, "sha256", to="1" * 64), "items[matrix_certification_suite].sha256"),
    ("plan/certification_automation_plan.json", setting("step_count", to=12), "step_count"),
]  # fmt: skip


HONEST = {artifact.path: artifact for artifact in dpone_claims(REAL).artifacts}


@pytest.mark.parametrize(("path", "change", "claim"), EDITS, ids=[f"{e[0]}-{e[2]}" for e in EDITS])
def test_an_edit_is_contradicted(
    real: Spoilt, path: str, change: Callable[[dict[str, Any]], None], claim: str
) -> None:
    assert claim not in {each.claim for each in HONEST[path].claims if each.outcome is Outcome.FAILED}
    real.edit(path, change)
    assert claim in real.contradicted(path)


@pytest.mark.parametrize(("passed", "stated", "outcome"), [
    (True, True, Outcome.UNTESTED), (False, True, Outcome.FAILED), (False, False, Outcome.PASSED),
])  # fmt: skip
def test_a_data_contract_with_a_check(real: Spoilt, passed: bool, stated: bool, outcome: Outcome) -> None:
    def checked(contract: dict[str, Any]) -> None:
        contract["results"][0].update(code="contract.unique", passed=passed)
        contract["passed"] = stated

    real.edit("evidence/data_contract_report.json", checked)
    assert real.claims("evidence/data_contract_report.json")["passed"].outcome is outcome


FILES = sorted(str(path.relative_to(REAL)) for path in REAL.rglob("*.json"))
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
VALUES = st.recursive(
    LEAVES,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(st.text(max_size=8), below, max_size=3),
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(FILES), st.data())
def test_whatever_is_put_anywhere_nothing_crashes_and_no_claim_of_success_is_passed(
    real: Spoilt, path: str, data: st.DataObject
) -> None:
    honest = (REAL / path).read_text()
    try:
        value = json.loads(honest)
        place = value
        while isinstance(place, dict | list) and place:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            key = data.draw(st.sampled_from(keys))
            if not isinstance(place[key], dict | list) or data.draw(st.booleans()):
                place[key] = data.draw(VALUES)
                break
            place = place[key]
        real.write_text(path, json.dumps(value))
        report = real.report()
    finally:
        real.write_text(path, honest)
    assert report.outcome is not Outcome.PASSED
    for artifact in report.artifacts:
        if artifact.says == "passed":
            assert artifact.outcome is not Outcome.PASSED, artifact


@pytest.mark.parametrize(
    "change",
    [setting("actual_rows", to=[]), setting("actual_checksum", to="garbage"), setting("passed", to=False)],
)
@pytest.mark.parametrize("report", [REPORT, MATRIX])
def test_a_case_that_contradicts_itself_contradicts_both_reports(
    real: Spoilt, change: Callable[[dict[str, Any]], None], report: str
) -> None:
    """dpone's own report compares counts only: two of these stay green there."""
    real.edit(CASE, change)
    (real.root / CASE.replace("matrix/", "evidence/")).unlink()
    assert any(name.startswith("results[postgres_to_postgres") for name in real.contradicted(report))


def test_of_two_files_that_differ_nobody_can_say_which_was_meant(real: Spoilt) -> None:
    real.edit(CASE, setting("actual_rows", to=[]))
    claim = real.claims(MATRIX)["behaviour files"]
    assert claim.outcome is Outcome.CANT_TELL
    assert "nobody says which is meant" in claim.why
