"""Seed 003: required and optional evidence, its blockers, and the false greens of dpone 0.88."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.decision import EvidenceStatus
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex, ItemName
from certification_pipeline.gates.certification_suite import suite_index
from certification_pipeline.gates.decide import decide, write_suite
from certification_pipeline.gates.families import FAMILIES, VERIFIERS
from certification_pipeline.gates.verification import Verification
from tests.evidence.builders import ENGINE, RELEASE, SMALL, cell, provenance, release, row_judgement
from tests.gates.releases import codes, report, suite, write_json

LATER = (ItemName.LINEAGE_REPORT, ItemName.DBT_LINEAGE_REPORT)
OLDER = {
    version: verify
    for version, verify in VERIFIERS.items()
    if version not in {FAMILIES[name].schema_version for name in LATER}
}
"""The verifiers of a certify that does not know these families yet."""
TYPED = {"passed": True, "evidence_status": "PASS", "release_id": RELEASE}


@pytest.fixture
def reported(tmp_path: Path) -> SubjectDir:
    directory, _ = release(tmp_path)
    report(directory)
    return directory


def claim(directory: SubjectDir, name: ItemName, **changes: Any) -> dict[str, Any]:
    """A later family's artifact that says the best of itself, written where the family puts it."""
    value = {
        "schema_version": FAMILIES[name].schema_version,
        "release_id": RELEASE,
        "created_at": provenance(50).created_at.isoformat(),
        "passed": True,
        "outcome": "passed",
        "blockers": [],
    } | changes
    value = {key: item for key, item in value.items() if item is not ...}
    write_json(directory.path / FAMILIES[name].path, value)
    return value


def item_of(judged: CertificationSuite, name: ItemName) -> Any:
    return next(item for item in judged.items if item.name is name)


# --- required and optional -------------------------------------------------------------------------


def test_an_honest_release_is_green(reported: SubjectDir) -> None:
    judged = suite(reported)
    assert judged.passed
    assert judged.blockers == ()
    assert (judged.case_count, judged.evidence_count) == (4, 1)
    item = item_of(judged, ItemName.CERTIFICATION_REPORT)
    assert (item.identity_status, item.path) == ("verified", "certification_report.json")
    assert item.sha256 is not None


@pytest.mark.parametrize("name", list(ItemName))
def test_a_required_item_that_is_missing_is_red(tmp_path: Path, name: ItemName) -> None:
    directory, _ = release(tmp_path)
    if name is not ItemName.CERTIFICATION_REPORT:
        report(directory)
    judged = suite(directory, require={name})
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == [f"{name.value}.missing"]
    assert judged.blockers[0].next_step.startswith("certify ")
    assert f"--release-id {RELEASE}" in judged.blockers[0].next_step


def test_what_the_plan_was_sealed_to_require_is_required_without_the_switch(tmp_path: Path) -> None:
    directory, plan = release(tmp_path)
    directory.write(plan.model_copy(update={"required": (ItemName.LINEAGE_REPORT,)}))
    report(directory)
    assert "lineage_report.missing" in codes(suite(directory))


def test_an_artifact_that_is_named_must_be_there(reported: SubjectDir) -> None:
    judged = suite(reported, paths={ItemName.LINEAGE_REPORT: "lineage/run_01__openlineage_report.json"})
    assert codes(judged) == ["lineage_report.missing"]


def test_a_red_matrix_is_red(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path)
    directory.write(cell(sealed, SMALL[0], (row_judgement(lost=1),), minutes=20))
    report(directory)
    judged = suite(directory)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["certification_report.not_passed"]
    assert SMALL[0].key.cell_id in judged.blockers[0].message
    assert "--scenario batch.full_refresh" in judged.blockers[0].next_step


def test_nothing_at_all_is_red(tmp_path: Path) -> None:
    judged = suite(EvidenceStore(tmp_path).release(RELEASE, ENGINE))
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["certification_automation_plan.missing", "certification_report.missing"]


# --- later families --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize("required", [True, False])
def test_without_a_verifier_the_best_claim_is_never_green(
    reported: SubjectDir, name: ItemName, required: bool
) -> None:
    claim(reported, name)
    judged = suite(reported, verifiers=OLDER, require={name} if required else ())
    assert not judged.passed
    assert judged.outcome is Outcome.UNTESTED
    assert codes(judged) == [f"{name.value}.not_verified"]
    assert item_of(judged, name).evidence_status == "UNVERIFIED"


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize(
    "changes", [{"passed": False}, {"passed": ...}, {"passed": "true"}, {"passed": 1}, {"blockers": ["x"]}]
)
def test_bad_news_is_believed_without_a_verifier(
    reported: SubjectDir, name: ItemName, changes: dict[str, Any]
) -> None:
    claim(reported, name, **changes)
    judged = suite(reported, verifiers=OLDER)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == [f"{name.value}.not_verified", f"{name.value}.not_passed"]


@pytest.mark.parametrize("name", LATER)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"release_id": "v0"}, "release_id_mismatch"),
        ({"release_id": ...}, "release_id_mismatch"),
        ({"schema_version": "dpone.certification_suite.v1"}, "not_verified"),
        ({"schema_version": ...}, "not_verified"),
    ],
)
def test_identity_of_a_claim(
    reported: SubjectDir, name: ItemName, changes: dict[str, Any], code: str
) -> None:
    claim(reported, name, **changes)
    judged = suite(reported, verifiers=OLDER)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == [f"{name.value}.{code}"]


@pytest.mark.parametrize(
    "created_at", [..., "yesterday", "2024-11-19T04:00:00", provenance(-1).created_at.isoformat()]
)
def test_a_claim_without_a_time_or_older_than_the_plan_says_so(reported: SubjectDir, created_at: Any) -> None:
    claim(reported, ItemName.DBT_LINEAGE_REPORT, created_at=created_at)
    [blocker] = suite(reported, verifiers=OLDER).blockers
    assert blocker.code == "dbt_lineage_report.not_verified"
    assert "created_at" in blocker.message or "before the plan" in blocker.message


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "null", '{"passed": NaN}', '{"passed": false, "passed": true}']
)
def test_a_malformed_item_is_red_even_when_optional(reported: SubjectDir, text: str) -> None:
    (reported.path / "benchmark_baseline.json").write_text(text)
    judged = suite(reported)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["benchmark_baseline.not_verified"]


@pytest.mark.parametrize(
    "found", [Verification(Outcome.PASSED, RELEASE), Verification(Outcome.FAILED, RELEASE)]
)
def test_a_registered_verifier_decides(reported: SubjectDir, found: Verification) -> None:
    claim(reported, ItemName.BENCHMARK_BASELINE)
    schema = FAMILIES[ItemName.BENCHMARK_BASELINE].schema_version
    judged = suite(reported, verifiers={**VERIFIERS, schema: lambda *_: found})
    assert judged.outcome is found.outcome
    expected = [] if found.outcome is Outcome.PASSED else ["benchmark_baseline.not_passed"]
    assert codes(judged) == expected


def test_a_present_item_found_inapplicable_proves_nothing(reported: SubjectDir) -> None:
    claim(reported, ItemName.BENCHMARK_BASELINE)
    schema = FAMILIES[ItemName.BENCHMARK_BASELINE].schema_version
    found = Verification(Outcome.INAPPLICABLE, RELEASE)
    assert suite(reported, verifiers={**VERIFIERS, schema: lambda *_: found}).outcome is Outcome.UNTESTED


# --- false greens of dpone 0.88 --------------------------------------------------------------------


@pytest.mark.parametrize("name", list(ItemName))
def test_three_typed_fields_are_red(tmp_path: Path, name: ItemName) -> None:
    directory, _ = release(tmp_path)
    report(directory)
    write_json(directory.path / FAMILIES[name].path, TYPED)
    judged = suite(directory)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == [f"{name.value}.not_verified"]
    assert "schema_version" in judged.blockers[0].message


def test_a_mock_report_with_its_flag_edited_is_red(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    results = [{"case_id": "a", "passed": True, "expected_row_count": 1, "actual_row_count": 1}]
    mock = TYPED | {"profile": "mock_contract", "case_count": 1, "results": results}
    write_json(directory.report_path, mock)
    assert codes(suite(directory)) == ["certification_report.not_verified"]


def test_a_failed_lineage_event_a_failed_dbt_run_and_an_empty_bundle_are_red(reported: SubjectDir) -> None:
    write_json(reported.path / "openlineage_report.json", {"eventType": "FAIL", "run": {"runId": "x"}})
    dbt = {"run_id": "x", "nodes": {"m": {"status": "error"}}, "edges": []}
    write_json(reported.path / "dbt_lineage.json", dbt)
    bundle = {
        "schema_version": "dpone.strategy.certification_bundle.v1",
        "passed": True,
        "evidence_status": "PASS",
    }
    write_json(
        reported.path / "strategy_certification_bundle.json", bundle | {"evidence_items": [], "blockers": []}
    )
    judged = suite(reported)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == [
        "lineage_report.not_verified",
        "dbt_lineage_report.not_verified",
        "strategy_certification_bundle.not_verified",
    ]


@pytest.mark.parametrize("items", ['[{"metric": "p99", "actual": -Infinity, "passed": true}]', "[]"])
def test_a_benchmark_with_a_missing_metric_or_no_metric_is_not_green(
    reported: SubjectDir, items: str
) -> None:
    head = f'"schema_version": "certification_pipeline.benchmark_baseline.v1", "release_id": "{RELEASE}"'
    (reported.path / "benchmark_baseline.json").write_text(f'{{{head}, "passed": true, "items": {items}}}')
    assert not suite(reported).passed


def test_an_edited_checksum_with_emptied_rows_is_red(reported: SubjectDir) -> None:
    path = reported.cell_path(SMALL[0].key.cell_id)
    value = json.loads(path.read_text())
    value["judgements"][0]["actual"] = {"rows": 100, "digest": "garbage"}
    write_json(path, value)
    assert "certification_report.not_verified" in codes(suite(reported))
    report(reported)  # … and reporting it anew does not help
    assert codes(suite(reported)) == ["certification_report.not_passed"]


def test_an_edited_report_whose_rows_disagree_with_the_cells_is_red(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path)
    directory.write(cell(sealed, SMALL[0], (row_judgement(lost=1),), minutes=20))
    made = report(directory)
    green = made.results[0].model_copy(update={"outcome": Outcome.PASSED, "passed": True})
    fields: dict[str, Any] = {
        "results": (green, *made.results[1:]),
        "outcome": Outcome.PASSED,
        "passed": True,
    }
    directory.write(
        made.model_copy(update={**fields, "evidence_status": EvidenceStatus.PASS, "blockers": ()})
    )
    judged = suite(directory)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["certification_report.not_verified", "certification_report.not_passed"]
    assert "says 'passed', is 'failed'" in judged.blockers[0].message


# --- staleness -------------------------------------------------------------------------------------


def test_a_cell_rerun_after_the_report_makes_the_report_stale(reported: SubjectDir) -> None:
    sealed = reported.read(reported.plan_path, type(release(reported.path / "x")[1]))
    reported.write(cell(sealed, SMALL[0], minutes=60.5, run_id="run-9"))
    assert "certification_report.not_verified" in codes(suite(reported))


def test_a_report_made_before_the_plan_was_sealed_is_red(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    report(directory, minutes=-1)
    judged = suite(directory)
    assert "certification_report.not_verified" in codes(judged)
    assert "before the plan was sealed" in judged.blockers[0].message


def test_a_report_from_the_future_is_red(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    report(directory, minutes=90)
    judged = suite(directory)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["certification_report.not_verified"]


def test_a_report_of_another_release_is_a_mismatch(reported: SubjectDir, tmp_path: Path) -> None:
    other = EvidenceStore(tmp_path).release("other", ENGINE)
    made = reported.read(reported.report_path, CertificationReport).model_copy(update={"release_id": "other"})
    other.write(made)
    reported.report_path.write_bytes(other.report_path.read_bytes())
    assert codes(suite(reported)) == ["certification_report.release_id_mismatch"]


def test_a_report_without_its_plan_is_red(reported: SubjectDir) -> None:
    reported.plan_path.unlink()
    judged = suite(reported)
    assert judged.outcome is Outcome.FAILED
    assert codes(judged) == ["certification_automation_plan.missing", "certification_report.not_verified"]


def test_evidence_outside_the_release_is_red(reported: SubjectDir, tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(reported.report_path.read_bytes())
    for path in (str(tmp_path / "report.json"), "../report.json"):
        judged = suite(reported, paths={ItemName.CERTIFICATION_REPORT: path})
        assert codes(judged) == ["certification_report.not_verified"]
        assert "lies outside" in judged.blockers[0].message


# --- the index accumulates -------------------------------------------------------------------------


def test_the_index_keeps_every_evaluation(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    for run in ("run-2", "run-3"):
        decide(directory, run, suite_id="nightly")
    write_suite(directory, "run-4", suite_id="manual")
    index = directory.read(directory.suite_index_path, CertificationSuiteIndex)
    assert [(entry.suite_id, entry.run_id) for entry in index.suites] == [
        ("nightly", "run-2"),
        ("nightly", "run-3"),
        ("manual", "run-4"),
    ]
    assert index.suite_count == 3
    newest = directory.read_with_digest(directory.suite_path, CertificationSuite)[1]
    assert index.suites[-1].sha256 == newest


def test_the_same_evaluation_again_replaces_itself(reported: SubjectDir) -> None:
    judged = suite(reported)
    once = suite_index(None, judged, "sha256:" + "00" * 32, provenance(61))
    assert suite_index(once, judged, "sha256:" + "00" * 32, provenance(62)).suite_count == 1


def test_a_damaged_index_is_on_record(reported: SubjectDir) -> None:
    reported.suite_index_path.write_text("{")
    write_suite(reported, "run-2")
    index = reported.read(reported.suite_index_path, CertificationSuiteIndex)
    assert not index.passed
    assert [blocker.code for blocker in index.blockers] == ["certification_suite_index.not_verified"]
