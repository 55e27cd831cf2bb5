"""False green 1: ``{"passed": true, "evidence_status": "PASS", "release_id": "v1"}``, typed by hand and used
three times, made dpone's release summary green with 0 cases.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Certify

TYPED = json.dumps({"passed": True, "evidence_status": "PASS", "release_id": "green"})
DECISIONS = (
    "certification_report",
    "strategy_certification_bundle",
    "ops_evidence_bundle",
    "certification_suite",
    "artifact_index",
    "release_summary",
)
BY_DAY = ("certification_suite", "release_summary")
FAMILIES = (
    "benchmark_baseline",
    "openlineage_report",
    "dbt_lineage",
    "replay_evidence",
    "connector_certification",
)


def test_used_everywhere_it_is_red_and_says_why(certify: Certify, tmp_path: Path) -> None:
    place = tmp_path / "typed/releases/green/reference"
    place.mkdir(parents=True)
    for name in ("certification_automation_plan", *DECISIONS, *FAMILIES):
        (place / f"{name}.json").write_text(TYPED)
    answer = certify("release-summary", "--evidence-dir", tmp_path / "typed", "--release-id", "green")
    assert answer.code == 1
    assert "certification_automation_plan.json: schema_version: is missing" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize(
    "name",
    [name if name in BY_DAY else pytest.param(name, marks=pytest.mark.nightly) for name in DECISIONS],
)
def test_as_a_decision_it_is_red_says_why_and_is_replaced(
    certify: Certify, root: Path, place: Path, name: str
) -> None:
    (place / f"{name}.json").write_text(TYPED)
    assert certify("report", "--evidence-dir", root).code == 0
    assert "not certified" in (root / "releases/green/report.html").read_text()
    answer = certify("release-summary", "--evidence-dir", root)
    assert answer.code == 1
    assert f"{name}.json: schema_version: is missing" in answer.err
    assert certify("release-summary", "--evidence-dir", root).code == 0, (
        "what the cells prove, and nothing else"
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_as_a_familys_artifact_it_is_not_green(certify: Certify, root: Path, place: Path, name: str) -> None:
    (place / f"{name}.json").write_text(TYPED)
    answer = certify("release-summary", "--evidence-dir", root, "--format", "json")
    assert answer.code in {1, 3}
    [made] = json.loads(answer.out)
    assert "not_verified" in json.dumps(made["blockers"])


@pytest.mark.parametrize(
    "switch",
    [
        "--certification-report",
        "--benchmark-baseline",
        "--lineage-report",
        "--dbt-lineage-report",
        "--strategy-certification-bundle",
        "--evidence-bundle",
    ],
)
@pytest.mark.parametrize("command", [pytest.param("suite", marks=pytest.mark.nightly), "release-summary"])
def test_named_by_any_switch_it_is_red(
    certify: Certify, root: Path, place: Path, switch: str, command: str
) -> None:
    (place / "typed.json").write_text(TYPED)
    answer = certify(command, "--evidence-dir", root, switch, place / "typed.json")
    assert answer.code == 1
    assert "not_verified" in answer.out
    assert "schema_version" in answer.out


@pytest.mark.parametrize("name", ["head.json", "000001__green.json"])
def test_in_the_chain_it_is_red(certify: Certify, root: Path, name: str) -> None:
    (root / "chain/reference" / name).write_text(TYPED)
    answer = certify("release-summary", "--evidence-dir", root)
    assert answer.code == 1
    assert "matrix_evidence_chain.not_verified" in answer.out
    assert "certify chain verify --engine reference" in answer.out
