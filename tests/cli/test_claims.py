"""``certify claims``: a release on disk beside what documents say."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from certification_pipeline.catalog.findings import load_findings
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.stated import ClaimVerdict, claims_outcome
from certification_pipeline.report.claims import (
    claims_frame,
    judged,
    ledger_levels,
    newest,
    seen_in_view,
)
from tests.cli.conftest import Certify
from tests.report.test_claims import vendor


@pytest.mark.parametrize(
    ("release", "engine", "verdict"),
    [
        ("green", "reference", ClaimVerdict.SUPPORTED),
        ("red", "dlt", ClaimVerdict.DISPROVED),
    ],
)
def test_a_release_on_disk_speaks(evidence: Path, release: str, engine: str, verdict: ClaimVerdict) -> None:
    catalog = load_catalog()
    view = newest(EvidenceStore(evidence), engine)
    assert view is not None
    assert view.plan.release_id == release
    shown = seen_in_view(view)
    tested = {cell.scenario for cell in shown.cells if cell.outcome in (Outcome.PASSED, Outcome.FAILED)}
    wanted = vendor("*").model_copy(update={"engines": (engine,)})
    assert tested
    [found] = judged(wanted, {engine: shown}, catalog, load_findings(catalog))
    assert found.verdict is verdict
    assert claims_outcome([found]) is verdict.outcome
    frame = claims_frame([found])
    assert release in frame.loc[0, "evidence"]
    if verdict is ClaimVerdict.DISPROVED:
        assert frame.loc[0, "counter-example"]


def test_levels_come_from_the_ledger(evidence: Path) -> None:
    store = EvidenceStore(evidence)
    view = newest(store, "reference")
    assert view is not None
    levels = ledger_levels(store, view)
    assert {one.unit for one in levels} >= {"postgres", "postgres_to_duckdb"}
    assert {one.policy for one in levels} == {"dpone", "krishiv"}
    assert all("/" not in one.unit for one in levels)
    assert seen_in_view(view, levels).levels == levels


def test_a_ledger_that_does_not_hold_grants_nothing(evidence: Path, tmp_path: Path) -> None:
    root = Path(shutil.copytree(evidence, tmp_path / "evidence"))
    for entry in (root / "chain/reference").glob("*__*.json"):
        entry.write_text(entry.read_text().replace("embedded", "embeded"))
    store = EvidenceStore(root)
    view = newest(store, "reference")
    assert view is not None
    assert ledger_levels(store, view) == ()


def test_no_release_is_no_evidence(evidence: Path) -> None:
    assert newest(EvidenceStore(evidence), "krishiv") is None


def test_the_command(certify: Certify, evidence: Path) -> None:
    answer = certify("claims", "--evidence-dir", evidence)
    assert answer.code == 1
    assert "findings only" in answer.out
    rows = json.loads(certify("claims", "--engine", "krishiv*", "--format", "json").out)
    assert len(rows) == 18 * 2
    assert {row["engine"] for row in rows} == {"krishiv", "krishiv_durable"}
    unknown = certify("claims", "--engine", "nobody")
    assert unknown.code == 2
    assert "choose from" in unknown.err
