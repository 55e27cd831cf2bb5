"""False green 2: the flag edited into a report, a FAIL OpenLineage event, a failed dbt run and an *empty*
strategy bundle (PASS): dpone's suite was green.
"""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.conftest import Certify


def test_all_of_it_together_is_red(certify: Certify, root: Path, place: Path) -> None:
    head = {"release_id": "green", "passed": True, "evidence_status": "PASS", "blockers": []}
    fail = head | {"eventType": "FAIL", "run": {"runId": "x"}}
    dbt = head | {"nodes": {"model.x": {"status": "error"}}, "edges": []}
    empty = head | {"evidence_items": [], "schema_version": "dpone.strategy.certification_bundle.v1"}
    names = ("openlineage_report.json", "dbt_lineage.json", "strategy_certification_bundle.json")
    for name, value in zip(names, (fail, dbt, empty), strict=True):
        (place / name).write_text(json.dumps(value))
    switches = ("--lineage-report", "--dbt-lineage-report", "--strategy-certification-bundle")
    given = [word for pair in zip(switches, (place / n for n in names), strict=True) for word in pair]
    answer = certify("suite", "--evidence-dir", root, *given)
    assert answer.code == 1
    for item in ("lineage_report", "dbt_lineage_report"):
        assert f"{item}.not_verified" in answer.out


def test_an_empty_bundle_of_the_right_schema_is_red(certify: Certify, root: Path, place: Path) -> None:
    bundle = json.loads((place / "strategy_certification_bundle.json").read_text())
    (place / "empty.json").write_text(json.dumps(bundle | {"evidence_items": []}))
    answer = certify("suite", "--evidence-dir", root, "--strategy-certification-bundle", place / "empty.json")
    assert answer.code == 1
    assert "strategy_certification_bundle.not_verified" in answer.out


def test_a_red_reports_flag_turned_is_red(certify: Certify, root: Path) -> None:
    report = root / "releases/red/dlt/certification_report.json"
    report.write_text(report.read_text().replace('"passed": false', '"passed": true'))
    assert certify("suite", "--evidence-dir", root, "--release-id", "red").code == 1
    assert certify("release-summary", "--evidence-dir", root, "--release-id", "red").code == 1
