"""Files nobody can trust: links, sizes, depth, duplicate keys, rings; and whose files they are."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.foreign import folder
from certification_pipeline.evidence.foreign.folder import Folder
from certification_pipeline.gates.foreign.dpone.examine import dpone_claims
from tests.cli.conftest import Certify
from tests.foreign.conftest import REAL, Spoilt

REPORT = "matrix/certification_report.json"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not well-formed"),
        ('{"passed": true, "passed": false}', "is there twice"),
        ("[" * 5000 + "]" * 5000, "not well-formed"),
        ('{"passed": ' + "9" * 5000 + "}", "not well-formed"),
        ("[]", "valid dictionary"),
        ('{"passed": "yes"}', "Field required"),
        ("", "not well-formed"),
        ("\ufeff{}", "not well-formed"),
    ],
)
def test_a_file_that_is_none_is_told_by_name(real: Spoilt, text: str, said: str) -> None:
    real.write_text(REPORT, text)
    [claim] = real.artifact(REPORT).claims
    assert claim.outcome is Outcome.FAILED
    assert said in claim.why


def test_numbers_that_are_no_json_are_taken_only_where_dpone_writes_them(real: Spoilt) -> None:
    at = "connectors/connector-certification.json"
    real.edit(at, lambda matrix: matrix.update(more=float("nan")))
    assert "the file" in real.contradicted(at)
    real.edit(REPORT, lambda report: report["results"][0].update(actual_row_count=1e999))
    assert real.artifact(REPORT).outcome is Outcome.FAILED


def test_no_link_is_followed_and_it_is_said(real: Spoilt, tmp_path: Path) -> None:
    outside = tmp_path / "outside.json"
    outside.write_text((real.root / REPORT).read_text())
    (real.root / REPORT).unlink()
    (real.root / REPORT).symlink_to(outside)
    (real.root / "up").symlink_to(tmp_path, target_is_directory=True)
    report = real.report()
    assert REPORT not in {artifact.path for artifact in report.artifacts}
    assert {REPORT, "up"} <= report.left_out.keys()


def test_names_never_lead_outside(real: Spoilt, tmp_path: Path) -> None:
    (tmp_path / "secret.json").write_text('{"passed": true}')
    found = Folder(real.root)
    assert found.named("../secret.json", REPORT) is None
    assert found.named(str(tmp_path / "secret.json"), REPORT) is None
    assert found.named("", REPORT) is None
    assert found.named("a\0b", REPORT) is None
    named = found.named("/somewhere/else/run_result.json", REPORT)
    assert named is not None
    assert not named.sure


def test_a_copy_of_another_file_of_that_name_is_not_taken_for_the_one_that_was_meant(real: Spoilt) -> None:
    real.edit(
        "registry/run_01__run_registry.json",
        lambda entry: entry.update(run_result_path="/ci/run_result.json", run_result_sha256="1" * 64),
    )
    claim = real.claims("registry/run_01__run_registry.json")["run_result.sha256"]
    assert claim.outcome is Outcome.CANT_TELL


def test_what_is_too_large_too_deep_or_no_file(
    real: Spoilt, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.mkfifo(real.root / "pipe.json")
    deep = real.root.joinpath(*["d"] * (folder.DEEPEST + 2))
    deep.mkdir(parents=True)
    left = real.report().left_out
    assert left["pipe.json"] == "is no regular file"
    assert any("folders deep" in why for why in left.values())
    monkeypatch.setattr(folder, "LARGEST_FILE", 400)
    [claim] = real.artifact(REPORT).claims
    assert "more than the 400 allowed" in claim.why
    monkeypatch.setattr(folder, "MOST_FILES", 3)
    with pytest.raises(EvidenceError, match="more than 3 files"):
        real.report()


def test_rings_and_long_chains_of_names_end(empty: Spoilt) -> None:
    bundle = json.loads((REAL / "evidence/ops_evidence_bundle.json").read_text())
    for number in range(100):
        items = [dict(bundle["items"][0], path=f"{(number + 1) % 100}/ops_evidence_bundle.json", passed=True)]
        empty.write(f"{number}/ops_evidence_bundle.json", {**bundle, "items": items, "passed": True})
    report = empty.report()
    assert len(report.artifacts) == 100
    assert not any(artifact.outcome is Outcome.PASSED for artifact in report.artifacts)


def test_our_own_artifacts_are_not_dpones(real: Spoilt) -> None:
    golden = Path(__file__).parents[1] / "gates/golden/green"
    with pytest.raises(EvidenceError, match="none of dpone's artifacts"):
        dpone_claims(golden)


def test_it_is_told_by_its_schema_whatever_its_name(real: Spoilt) -> None:
    (real.root / "suite/certification_suite.json").rename(real.root / "mine.json")
    assert real.artifact("mine.json").kind == "certification_suite"


def test_connector_certification_has_two_spellings(real: Spoilt) -> None:
    at = real.root / "connectors/connector-certification.json"
    at.rename(at.with_name("connector_certification.json"))
    assert real.artifact("connectors/connector_certification.json").kind == "connector_certification"


def test_the_command(certify: Certify, real: Spoilt, tmp_path: Path) -> None:
    answer = certify("dpone", real.root)
    assert answer.code == 1
    assert "artifact-only" in answer.out
    assert "say themselves that they did not pass" in answer.out
    made = json.loads(certify("dpone", real.root, "--format", "json").out)
    assert made["schema_version"] == "certification_pipeline.foreign_claims.v1"
    assert made["outcome"] == "failed"
    (tmp_path / "nothing").mkdir()
    for place in ("nothing", "nowhere"):
        answer = certify("dpone", tmp_path / place)
        assert answer.code == 2
        assert "Name the folder" in answer.err


@pytest.mark.parametrize("form", ["table", "json"])
def test_neither_a_password_nor_a_control_character_gets_through(
    certify: Certify, real: Spoilt, form: str
) -> None:
    secret = "postgres://me:hunter2hunter2@db/x --partitions"
    real.edit("replay/resync_run_02.json", lambda replay: replay.update(commands=[secret]))
    real.edit("chain/v1__evidence_chain.json", lambda entry: entry.update(release="\x1b[2Jv2\x07"))
    real.edit(
        "registry/run_01__run_registry.json",
        lambda entry: entry["artifacts"][0].update(name="\x1b[31mred", sha256="1" * 64),
    )
    answer = certify("dpone", real.root, "--format", form)
    assert answer.code == 1
    assert "hunter2" not in answer.out
    assert "\x1b" not in answer.out
    assert "\x07" not in answer.out


def test_what_only_cannot_be_shown_is_inconclusive(certify: Certify, real: Spoilt, tmp_path: Path) -> None:
    (real.root / "matrix").rename(tmp_path / "matrix")
    answer = certify("dpone", tmp_path / "matrix")
    assert answer.code == 3
    assert "that nothing can show" in answer.out
