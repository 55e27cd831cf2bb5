"""Documents beside evidence, as a table and as the published page."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.catalog.findings import load_findings
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.stated import VendorStatements
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.gates.stated import ClaimVerdict, claims_outcome
from certification_pipeline.report import claims as report_claims
from certification_pipeline.report.claims import (
    claims_page,
    judged,
    seen_in_record,
)
from certification_pipeline.report.published_pages import read_records

ROOT = Path(__file__).parents[2]


def vendor(scenario: str = "batch.*") -> VendorStatements:
    return VendorStatements.model_validate(
        {
            "id": "ours",
            "title": "Ours",
            "engines": ["reference"],
            "documents": {"page": {"title": "A page", "source": "nowhere"}},
            "claims": [{"id": "one", "document": "page", "text": "It | loads.", "scenarios": [scenario]}],
        }
    )


def test_no_evidence_tests_nothing() -> None:
    [found] = judged(vendor(), {}, load_catalog(), ())
    assert found.verdict is ClaimVerdict.NOT_TESTED
    assert claims_outcome([]) is Outcome.UNTESTED


def test_a_published_record_speaks_as_its_release_does() -> None:
    catalog = load_catalog()
    findings = load_findings(catalog)
    [record] = [one for one in read_records(ROOT) if one.subject.engine == "reference"]
    shown = seen_in_record(record, findings)
    assert len(shown.cells) == len(tuple(record.planned()))
    [found] = judged(vendor("strategy.full_refresh"), {"reference": shown}, catalog, findings)
    assert found.verdict is ClaimVerdict.SUPPORTED
    assert shown.records is None


def test_the_page_changes_with_the_evidence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Published equals computed: without the record the same line says something else."""
    monkeypatch.setattr(report_claims, "load_stated", lambda _: (vendor("strategy.full_refresh"),))
    with_record, without = claims_page(read_records(ROOT)), claims_page(())
    assert "| supported |" in with_record
    assert "| not tested here |" in without
    assert "It \\| loads." in without
