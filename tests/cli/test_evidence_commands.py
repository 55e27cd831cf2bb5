from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    """Evidence a command may write to."""
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


@pytest.mark.parametrize(("release", "code"), [("green", 0), ("red", 1)])
def test_matrix_exits_as_the_verdict_says(certify: Certify, evidence: Path, release: str, code: int) -> None:
    answer = certify("show", "--release-id", release, "--evidence-dir", evidence)
    assert answer.code == code
    assert "incremental_merge" in answer.out


def test_what_another_version_judged_and_this_one_does_not_confirm_is_told(
    certify: Certify, copy: Path
) -> None:
    """All cells passed and the exit code is red: after an upgrade a reader must learn why."""
    plan = copy / "releases/green/reference/certification_automation_plan.json"
    made = json.loads(plan.read_text())
    made["producer"]["version"] = "0.0.1"
    assert "judged by" not in certify("show", "--release-id", "green", "--evidence-dir", copy).err
    plan.write_text(json.dumps(made))
    answer = certify("show", "--release-id", "green", "--evidence-dir", copy)
    assert answer.code == 1
    assert "reference: judged by certification_pipeline 0.0.1" in answer.err
    assert "Verify with the version that judged: pip install certification_pipeline==0.0.1" in answer.err


def test_matrix_shows_the_latest_by_default_and_takes_filters(certify: Certify, evidence: Path) -> None:
    answer = certify(
        "show",
        "--evidence-dir",
        evidence,
        "--by",
        "cell",
        "--route",
        "*_to_sqlite",
        "--scenario",
        "batch.*",
        "--format",
        "json",
    )
    rows = json.loads(answer.out)
    assert [(row["engine"], row["route"], row["scenario"], row["outcome"]) for row in rows] == [
        ("reference", "postgres_to_sqlite", "batch.empty", "✓ passed"),
        ("reference", "postgres_to_sqlite", "batch.wide", "✓ passed"),
    ]


def test_the_seeds_matrix_can_be_seen(certify: Certify, evidence: Path) -> None:
    rows = json.loads(certify("show", "--evidence-dir", evidence, "--by", "seeds", "--format", "json").out)
    assert [row["source"] for row in rows] == ["postgres", "mssql", "mysql", "clickhouse", "api", "kafka"]
    assert rows[1]["kafka"] == "– 6"


def test_a_filter_that_hides_the_reds_does_not_hide_the_verdict(certify: Certify, evidence: Path) -> None:
    answer = certify("show", "--release-id", "red", "--evidence-dir", evidence, "--scenario", "batch.empty")
    assert answer.code == 1


def test_an_edited_cell_turns_matrix_and_summary_red(certify: Certify, copy: Path) -> None:
    cell = next((copy / "releases/green/reference/cells").glob("*types.matrix.json"))
    cell.write_text(
        cell.read_text().replace('"corrupt"', '"lost"').replace('"rows": 10000', '"rows": 9999', 1)
    )
    assert certify("show", "--evidence-dir", copy).code == 1
    answer = certify("release-summary", "--evidence-dir", copy)
    assert answer.code == 1
    assert "✗ failed release_summary of reference" in answer.out
    assert "→ certify " in answer.out


def test_release_summary_decides_again_from_the_files(certify: Certify, copy: Path) -> None:
    summary = copy / "releases/green/reference/release_summary.json"
    summary.unlink()
    assert certify("show", "--evidence-dir", copy).code == 1, "absence is never a pass"
    answer = certify("release-summary", "--evidence-dir", copy, "--format", "json", "--suite-id", "s-7")
    assert answer.code == 0
    assert json.loads(answer.out)[0]["passed"] is True
    assert json.loads((summary.parent / "certification_suite.json").read_text())["suite_id"] == "s-7"


BUNDLES = [
    ("--require-strategy-certification", "strategy_certification_bundle"),
    ("--require-evidence", "evidence_bundle"),
]


@pytest.mark.parametrize("command", ["suite", "release-summary"])
@pytest.mark.parametrize(
    ("switch", "item"),
    [
        ("--require-benchmark", "benchmark_baseline"),
        ("--require-lineage", "lineage_report"),
        ("--require-dbt-lineage", "dbt_lineage_report"),
    ],
)
def test_what_is_required_and_missing_is_red(
    certify: Certify, copy: Path, command: str, switch: str, item: str
) -> None:
    answer = certify(command, "--evidence-dir", copy, switch)
    assert answer.code == 1
    assert f"{item}.missing" in answer.out


@pytest.mark.parametrize(("switch", "item"), BUNDLES)
def test_a_bundle_is_missed_by_the_suite_and_made_by_the_release(
    certify: Certify, copy: Path, switch: str, item: str
) -> None:
    directory = copy / "releases/green/reference"
    for name in ("strategy_certification_bundle", "ops_evidence_bundle"):
        (directory / f"{name}.json").unlink()
    answer = certify("suite", "--evidence-dir", copy, switch)
    assert answer.code == 1
    assert f"{item}.missing" in answer.out
    assert certify("release-summary", "--evidence-dir", copy, switch).code == 0


def test_a_required_item_may_come_from_the_environment(
    certify: Certify, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_REQUIRE_BENCHMARK", "1")
    assert certify("suite", "--evidence-dir", copy).code == 1


def test_a_named_artifact_must_be_there_and_inside(certify: Certify, copy: Path, tmp_path: Path) -> None:
    inside = copy / "releases/green/reference/bench.json"
    answer = certify("suite", "--evidence-dir", copy, "--benchmark-baseline", inside)
    assert answer.code == 1
    assert "benchmark_baseline.missing" in answer.out
    answer = certify("suite", "--evidence-dir", copy, "--benchmark-baseline", tmp_path / "else.json")
    assert answer.code == 1
    assert "lies outside" in answer.err


def test_copies_go_where_they_are_wanted(certify: Certify, copy: Path, tmp_path: Path) -> None:
    assert certify("suite", "--evidence-dir", copy, "--output-dir", tmp_path / "out").code == 0
    names = {path.name for path in (tmp_path / "out" / "reference").iterdir()}
    assert names >= {"certification_suite.json", "certification_suite.md", "certification_suite_index.json"}


def test_report_is_rebuilt_from_evidence(certify: Certify, copy: Path) -> None:
    answer = certify("report", "--release-id", "red", "--evidence-dir", copy)
    assert answer.code == 0
    assert "not certified" in Path(answer.out.strip()).read_text()


@pytest.mark.parametrize("command", ["show", "report", "suite", "release-summary"])
def test_no_evidence_says_what_to_do(certify: Certify, tmp_path: Path, evidence: Path, command: str) -> None:
    answer = certify(command, "--evidence-dir", tmp_path / "none")
    assert answer.code == 2
    assert "certify run" in answer.err
    answer = certify(command, "--evidence-dir", evidence, "--release-id", "gren")
    assert answer.code == 2
    assert "green" in answer.err


@pytest.mark.parametrize("damage", [b"{", b"", b'{"schema_version": 1}', b"\xff\xfe"])
def test_a_damaged_plan_is_named(certify: Certify, copy: Path, damage: bytes) -> None:
    plan = copy / "releases/green/reference/certification_automation_plan.json"
    plan.write_bytes(damage)
    answer = certify("show", "--evidence-dir", copy)
    assert answer.code == 1
    assert "certification_automation_plan.json" in answer.err
    assert "Traceback" not in answer.err
