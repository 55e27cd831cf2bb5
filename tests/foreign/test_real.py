"""What is made of dpone 0.88's real artifacts, claim by claim.

``UPDATE_GOLDEN=1 pytest tests/foreign/test_real.py`` rewrites the list.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import jsonschema
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.claims import ForeignReport
from certification_pipeline.evidence.schema import schema_of
from certification_pipeline.gates.foreign.dpone.examine import EXAMINERS, dpone_claims
from certification_pipeline.harness.engines.environment import prepare
from tests.foreign.conftest import REAL, Spoilt
from tests.foreign.producing import produce

LIST = REAL.parent / "claims.json"


def listed(report: ForeignReport) -> dict[str, dict[str, str]]:
    return {
        artifact.path: {claim.claim: f"{claim.outcome.value}: {claim.why}" for claim in artifact.claims}
        for artifact in report.artifacts
    }


def test_every_claim_gets_the_answer_it_got_before() -> None:
    made = listed(dpone_claims(REAL))
    if os.environ.get("UPDATE_GOLDEN"):
        LIST.write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n")
    assert made == json.loads(LIST.read_text())


def test_the_answer_obeys_its_published_schema() -> None:
    value = dpone_claims(REAL).model_dump(mode="json")
    schema = schema_of(ForeignReport)
    jsonschema.validate(value, schema)
    for wrong in ({**value, "surprise": 1}, {**value, "schema_version": "v0"}, {**value, "outcome": "green"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, schema)


def test_nothing_that_says_it_passed_is_passed() -> None:
    report = dpone_claims(REAL)
    assert report.outcome is Outcome.FAILED
    said = [artifact for artifact in report.artifacts if artifact.says == "passed"]
    assert len(said) >= 6
    assert {artifact.outcome for artifact in said} <= {Outcome.UNTESTED, Outcome.CANT_TELL, Outcome.FAILED}


def test_every_kind_of_artifact_is_among_them() -> None:
    kinds = {artifact.kind for artifact in dpone_claims(REAL).artifacts}
    assert len(kinds) == len(EXAMINERS) - 1, "shape A and shape B are one kind"


def test_the_simulations_checksum_is_shown_to_be_of_no_row(real: Spoilt) -> None:
    at = "matrix/postgres_to_postgres__full_refresh__behavior.json"
    for rows in ("actual_rows", "expected_rows", "source_rows", "target_before"):
        real.edit(at, lambda case, rows=rows: case.update({rows: []}))
    claim = real.claims(at)["actual_checksum"]
    assert claim.outcome is Outcome.UNTESTED
    assert "would be the same whatever was loaded" in claim.why


def test_from_within_and_from_above(real: Spoilt) -> None:
    """Paths are relative to a working directory nobody knows: some of it is found all the same."""
    from_above = dpone_claims(real.root.parent)
    behaviour = {claim.claim: claim for one in from_above.artifacts for claim in one.claims}[
        "behaviour files"
    ]
    assert behaviour.outcome is Outcome.PASSED
    within = dpone_claims(real.root / "matrix")
    [report] = [one for one in within.artifacts if one.kind == "certification_report"]
    assert {claim.claim: claim.outcome for claim in report.claims}["behaviour files"] is Outcome.PASSED


@pytest.mark.nightly
def test_made_anew_they_get_the_same_answers(tmp_path: Path) -> None:
    engine = prepare("dpone", load_catalog().engines["dpone"].driver)
    produce(Path(engine.command[0]).parent / "dpone", tmp_path / "made")
    assert listed(dpone_claims(tmp_path / "made")) == json.loads(LIST.read_text())
