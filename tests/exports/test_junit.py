from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.exports.junit import junit_xml
from certification_pipeline.evidence.exports.release import ExportedSubject
from certification_pipeline.evidence.junit import parse_junit
from tests.exports.sample import ODD, sample, saying
from tests.golden import golden

GOLDEN = Path(__file__).parent / "golden" / "release.junit.xml"
CHILDREN = {
    "testsuites": {"testsuite"},
    "testsuite": {"properties", "testcase"},
    "properties": {"property"},
    "testcase": {"failure", "error", "skipped", "flakyFailure", "system-out"},
}
"""What junit-10.xsd of Jenkins' xUnit plugin lets stand where, as far as we use it."""
ATTRIBUTES = {
    "testsuites": {"tests", "failures", "errors", "time"},
    "testsuite": {"name", "tests", "failures", "errors", "time", "skipped"},
    "testcase": {"name", "classname", "time"},
    "property": {"name", "value"},
    "flakyFailure": {"type", "message"},
}


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> ExportedSubject:
    return sample(tmp_path_factory.mktemp("junit"))


def test_the_document_is_as_it_was(subject: ExportedSubject) -> None:
    golden(GOLDEN, junit_xml([subject]))


def test_every_outcome_has_its_own_mark(subject: ExportedSubject) -> None:
    routes = list(ET.fromstring(junit_xml([subject])))[1:]
    marks = [
        (case.get("name"), [(child.tag, child.get("type")) for child in case if child.tag != "system-out"])
        for case in (case for suite in routes for case in suite.iter("testcase"))
    ]
    assert marks == [
        ("full_refresh/batch.full_refresh", []),
        ("incremental_merge/incr.cursor_ties", [("failure", "failed")]),
        ("scd2/obs.counts", [("error", "cantTell")]),
        ("backfill/strategy.backfill", [("error", "flaky"), ("flakyFailure", "failed")]),
        ("cdc/strategy.cdc", [("skipped", "inapplicable")]),
        ("full_refresh/batch.full_refresh", [("skipped", "untested")]),
    ]


def test_a_reader_of_ours_finds_the_same_outcomes(subject: ExportedSubject) -> None:
    """Totals add up, too: the reader refuses a file whose do not."""
    report = parse_junit(junit_xml([subject]), "export.xml")
    cells = [case for case in report.cases if "/" in case.name]
    shown = {Outcome.INAPPLICABLE: Outcome.UNTESTED}
    assert [case.outcome for case in cells] == [
        shown.get(row.outcome, row.outcome) for row in subject.report.results
    ]
    gate = [case for case in report.cases if case.name == "release_summary"]
    assert [case.outcome for case in gate] == [subject.summary.outcome]


def test_a_release_whose_cells_are_green_and_whose_gate_is_not_is_red(subject: ExportedSubject) -> None:
    """Nobody who reads tests alone sees green: the decision is a test."""
    rows = tuple(row for row in subject.report.results if row.passed)
    green = ExportedSubject(subject.report.model_copy(update={"results": rows}), subject.summary)
    assert parse_junit(junit_xml([green]), "export.xml").failures > 0
    none = ExportedSubject(subject.report.model_copy(update={"results": ()}), subject.summary)
    assert parse_junit(junit_xml([none]), "export.xml").failures > 0


def test_the_evidence_of_a_test_is_named(subject: ExportedSubject) -> None:
    text = junit_xml([subject]).decode()
    for row in subject.report.results:
        if row.sha256:
            assert f"[[PROPERTY|sha256={row.sha256}]]" in text


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_gives_a_document_that_is_read_back(subject: ExportedSubject, text: str) -> None:
    _well_formed(junit_xml([saying(subject, text)]))


def test_what_xml_cannot_hold_is_spelt(subject: ExportedSubject) -> None:
    data = junit_xml([saying(subject, ODD)])
    _well_formed(data)
    (failure, *_) = ET.fromstring(data).iter("failure")
    assert '\\x00\\x1b[31m <row> & "quote" ]]> \\ud800 \\ufffe' in str(failure.text or failure.get("message"))


def _well_formed(data: bytes) -> None:
    root = ET.fromstring(data)
    for element in root.iter():
        assert {child.tag for child in element} <= CHILDREN.get(element.tag, set())
        if element.tag in ATTRIBUTES:
            assert set(element.attrib) <= ATTRIBUTES[element.tag]
    parse_junit(data, "export.xml")
