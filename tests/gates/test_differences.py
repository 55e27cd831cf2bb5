"""Rows that are surely the same are not written out to be compared; whatever is not, is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

import pytest

from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.gates.verification import differences
from tests.evidence.builders import release
from tests.gates.releases import report, suite

A = TypeVar("A", bound=Artifact)


@pytest.fixture
def made(tmp_path: Path) -> CertificationReport:
    directory, _ = release(tmp_path)
    return report(directory)


def read_back(artifact: A) -> A:
    """As from a file, which gives every field."""
    return type(artifact).model_validate_json(artifact.model_dump_json())


def with_row(report: CertificationReport, **changes: object) -> CertificationReport:
    first, *rest = report.results
    return report.model_copy(update={"results": (first.model_copy(update=changes), *rest)})


def test_the_same_is_no_difference(made: CertificationReport) -> None:
    assert differences(read_back(made), made) == ()


def test_an_edited_row_is_told(made: CertificationReport) -> None:
    assert differences(read_back(with_row(made, seconds=9.0)), made) == (
        "results[0].seconds: says 9.0, is 2.0",
    )
    fewer = made.model_copy(update={"results": made.results[:-1]})
    assert differences(read_back(fewer), made) == ("results: says 3 entries, is 4 entries",)


def test_a_field_left_to_its_default_is_told_in_a_row_too(made: CertificationReport) -> None:
    value = made.model_dump(mode="json")
    del value["results"][0]["problems"]
    left_out = CertificationReport.model_validate_json(json.dumps(value))
    assert differences(left_out, made) == ("results[0].problems: says nothing, is 0 entries",)


def test_true_is_not_one_however_deep(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    report(directory)
    made = suite(directory)
    first, *rest = made.items
    forged = first.model_copy(update={"summary": {**first.summary, "required": True}})
    said = made.model_copy(update={"items": (forged, *rest)})
    honest = made.model_copy(
        update={"items": (first.model_copy(update={"summary": {**first.summary, "required": 1}}), *rest)}
    )
    assert differences(read_back(said), honest) == ("items[0].summary.required: says True, is 1",)
