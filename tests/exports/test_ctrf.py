from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.evidence.exports.ctrf import ctrf_json
from certification_pipeline.evidence.exports.release import ExportedSubject
from tests.evidence.builders import provenance
from tests.exports.sample import ODD, sample, saying
from tests.golden import golden

GOLDEN = Path(__file__).parent / "golden" / "release.ctrf.json"

STATUSES = {"enum": ["passed", "failed", "skipped", "pending", "other"]}
TEXT, WHOLE, ANYTHING = {"type": "string"}, {"type": "integer"}, {"type": "object"}
ID = {"type": "string", "format": "uuid", "pattern": "^[0-9a-f-]{36}$"}


def closed(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required.split(),
        "properties": properties,
        "additionalProperties": False,
    }


COUNTS = "tests passed failed skipped pending other start stop"
SCHEMA = closed(
    "results reportFormat specVersion",
    reportFormat={"const": "CTRF"},
    specVersion={"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
    reportId=ID,
    timestamp={"type": "string", "format": "date-time"},
    generatedBy=TEXT,
    results=closed(
        "tool summary tests",
        tool=closed("name", name={"type": "string", "minLength": 1}, version=TEXT),
        summary=closed(COUNTS, **dict.fromkeys([*COUNTS.split(), "flaky", "suites", "duration"], WHOLE)),
        tests={
            "type": "array",
            "items": closed(
                "name status duration",
                id=ID,
                name={"type": "string", "minLength": 1},
                status=STATUSES,
                duration=WHOLE,
                suite={"type": "array", "minItems": 1, "items": TEXT},
                message=TEXT,
                rawStatus=TEXT,
                tags={"type": "array", "items": TEXT},
                type=TEXT,
                filePath=TEXT,
                retries=WHOLE,
                retryAttempts={
                    "type": "array",
                    "items": closed(
                        "attempt status",
                        attempt={"type": "integer", "minimum": 1},
                        status=STATUSES,
                        stop=WHOLE,
                        extra=ANYTHING,
                    ),
                },
                flaky={"type": "boolean"},
                extra=ANYTHING,
            ),
        },
        environment=closed(
            "",
            appName=TEXT,
            appVersion=TEXT,
            buildName=TEXT,
            commit=TEXT,
            osPlatform=TEXT,
            testEnvironment=TEXT,
            healthy={"type": "boolean"},
            extra=ANYTHING,
        ),
    ),
)
"""What CTRF's published schema asks of the fields we write, and no other field."""
VALID = jsonschema.Draft202012Validator(SCHEMA)
MADE = provenance(75)


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> ExportedSubject:
    return sample(tmp_path_factory.mktemp("ctrf"))


def read(*subjects: ExportedSubject) -> dict[str, Any]:
    document = json.loads(ctrf_json(subjects, MADE))
    VALID.validate(document)
    return dict(document["results"])


def test_the_document_is_as_it_was(subject: ExportedSubject) -> None:
    golden(GOLDEN, ctrf_json([subject], MADE))


def test_every_outcome_has_a_status_and_keeps_its_own_name(subject: ExportedSubject) -> None:
    results = read(subject)
    cells = [test for test in results["tests"] if test["suite"][-1] != "release gate"]
    assert [(test["status"], test["rawStatus"]) for test in cells] == [
        ("passed", "passed"),
        ("failed", "failed"),
        ("other", "cantTell"),
        ("other", "cantTell"),
        ("skipped", "inapplicable"),
        ("skipped", "untested"),
    ]
    flaky = cells[3]
    assert flaky["flaky"] is True
    assert flaky["retryAttempts"][0]["status"] == "failed"
    assert all(test["message"] for test in cells[1:])
    assert cells[5]["message"].startswith("service_unavailable: ")


def test_the_summary_counts_what_is_there(subject: ExportedSubject) -> None:
    results = read(subject, subject)
    for status in STATUSES["enum"]:
        assert results["summary"][status] == sum(t["status"] == status for t in results["tests"])
    assert results["summary"]["tests"] == len(results["tests"])
    assert results["summary"]["flaky"] == 2


def test_a_release_whose_cells_are_green_and_whose_gate_is_not_is_unhealthy(subject: ExportedSubject) -> None:
    rows = tuple(row for row in subject.report.results if row.passed)
    results = read(ExportedSubject(subject.report.model_copy(update={"results": rows}), subject.summary))
    assert results["environment"]["healthy"] is False
    assert results["summary"]["failed"] > 0
    assert read()["environment"]["healthy"] is False  # no subject at all


def test_ids_stay_and_reports_differ(subject: ExportedSubject) -> None:
    first, second = (json.loads(ctrf_json([subject], provenance(at))) for at in (75, 76))
    assert first["reportId"] != second["reportId"]
    assert [t["id"] for t in first["results"]["tests"]] == [t["id"] for t in second["results"]["tests"]]


@settings(max_examples=20, deadline=None)
@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_gives_a_document_that_is_read_back(subject: ExportedSubject, text: str) -> None:
    read(saying(subject, text))


def test_lone_surrogates_are_spelt(subject: ExportedSubject) -> None:
    assert "\\ud800" in read(saying(subject, ODD))["tests"][-1]["message"]
