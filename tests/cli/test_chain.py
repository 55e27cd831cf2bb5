from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


@pytest.fixture
def chained(copy: Path) -> Path:
    """Deciding chains: nothing is left to do."""
    return copy


def test_a_chain_that_was_lost_is_begun_anew_and_decided_on_again(certify: Certify, copy: Path) -> None:
    shutil.rmtree(copy / "chain")
    one = ("--evidence-dir", copy, "--release-id", "green")
    answer = certify("chain", "append", *one)
    assert answer.code == 0, answer.err
    assert "appended as entry 1" in answer.out
    assert "certify release-summary --engine reference --release-id green" in answer.err
    stale = certify("chain", "verify", "--evidence-dir", copy, "--engine", "reference")
    assert stale.code == 1
    assert "release_summary.json was edited: it rests on entry 1, the newest is entry 1" in stale.out
    assert certify("release-summary", *one).code == 0
    assert certify("chain", "verify", "--evidence-dir", copy, "--engine", "reference").code == 0


def test_what_was_appended_verifies_and_is_shown(certify: Certify, chained: Path) -> None:
    answer = certify("chain", "verify", "--evidence-dir", chained)
    assert answer.code == 0
    assert "✓ passed evidence chain of dlt: 1 entries" in answer.out
    rows = json.loads(certify("chain", "show", "--evidence-dir", chained, "--format", "json").out)
    assert [(row["engine"], row["sequence"], row["release_id"], row["outcome"]) for row in rows] == [
        ("dlt", 1, "red", "failed"),
        ("reference", 1, "green", "passed"),
    ]
    assert "green" in certify("chain", "show", "--evidence-dir", chained, "--engine", "reference").out


def test_the_same_again_says_so(certify: Certify, chained: Path) -> None:
    answer = certify("chain", "append", "--evidence-dir", chained, "--format", "json")
    assert answer.code == 0
    (row,) = json.loads(answer.out)
    assert (row["appended"], row["sequence"], row["release_id"]) == (False, 1, "green")
    assert "unchanged since entry 1" in certify("chain", "append", "--evidence-dir", chained).out


def test_an_edited_artifact_is_red_and_named(certify: Certify, chained: Path) -> None:
    """dpone's chain hashes an index only, and stays green here."""
    cell = next((chained / "releases/green/reference/cells").iterdir())
    cell.write_bytes(cell.read_bytes() + b" ")
    answer = certify("chain", "verify", "--evidence-dir", chained)
    assert answer.code == 1
    assert f"releases/green/reference/cells/{cell.name} was edited" in answer.out
    rows = json.loads(certify("chain", "verify", "--evidence-dir", chained, "--format", "json").out)
    assert [(row["engine"], row["passed"]) for row in rows] == [("dlt", True), ("reference", False)]
    assert rows[1]["problems"][0]["kind"] == "edited"
    refused = certify("chain", "append", "--evidence-dir", chained, "--engine", "reference")
    assert refused.code == 1
    assert "certify release-summary" in refused.err


def test_a_broken_chain_is_shown_red(certify: Certify, chained: Path) -> None:
    (chained / "chain/reference/head.json").unlink()
    answer = certify("chain", "show", "--evidence-dir", chained)
    assert answer.code == 1
    assert "head.json was deleted" in answer.err


def test_a_chain_that_is_gone_is_not_passed_over(certify: Certify, chained: Path) -> None:
    shutil.rmtree(chained / "chain/reference")
    answer = certify("chain", "verify", "--evidence-dir", chained)
    assert answer.code == 2
    assert "certify chain append --engine reference" in answer.err
    assert certify("chain", "verify", "--evidence-dir", chained, "--engine", "dlt").code == 0


def test_an_anchor_is_compared(certify: Certify, chained: Path, tmp_path: Path) -> None:
    head = tmp_path / "head.json"
    shutil.copy(chained / "chain/reference/head.json", head)
    one = ("chain", "verify", "--evidence-dir", chained, "--engine", "reference", "--anchor")
    assert certify(*one, head).code == 0
    assert certify(*one, json.loads(head.read_text())["chain_hash"]).code == 0
    answer = certify(*one, "0" * 64)
    assert answer.code == 1
    assert "unanchored" in answer.out
    assert certify(*one, tmp_path / "none").code == 2
    assert certify("chain", "verify", "--evidence-dir", chained, "--anchor", head).code == 2


@pytest.mark.parametrize("command", ["append", "verify", "show"])
def test_no_evidence_says_what_to_do(certify: Certify, tmp_path: Path, command: str) -> None:
    answer = certify("chain", command, "--evidence-dir", tmp_path / "none")
    assert answer.code == 2
    assert "certify run" in answer.err
    assert "Traceback" not in answer.err


@pytest.mark.parametrize("engine", ["nobody", "../x"])
def test_an_engine_that_is_not_there_is_told(certify: Certify, chained: Path, engine: str) -> None:
    answer = certify("chain", "verify", "--evidence-dir", chained, "--engine", engine)
    assert answer.code == 2
    assert "Choose from: dlt, reference" in answer.err


def test_what_is_kept_elsewhere_shows_a_chain_put_back(
    certify: Certify, chained: Path, tmp_path: Path
) -> None:
    old = shutil.copytree(chained, tmp_path / "old")
    mine = ("--evidence-dir", chained, "--engine", "reference")
    for path in (chained / "releases/green/reference").glob("release_summary.*"):
        path.unlink()
    assert certify("release-summary", *mine).code == 0
    kept = tmp_path / "kept" / "reference"
    answer = certify("chain", "anchor", "--to", kept, *mine)
    assert answer.code == 0, answer.err
    assert "entries anchored in" in answer.out
    assert "not signed" in answer.out
    assert certify("chain", "verify", *mine, "--anchor", kept).code == 0
    shown = json.loads(certify("chain", "anchor", "--to", kept, *mine, "--format", "json").out)
    assert (shown["written"], shown["signed"], shown["size"]) == (False, False, 2)
    late = certify("chain", "verify", "--evidence-dir", old, "--engine", "reference", "--anchor", kept)
    assert late.code == 1
    assert "an old copy was put back" in late.out


def test_a_release_is_proved_to_somebody_without_evidence(
    certify: Certify, chained: Path, tmp_path: Path
) -> None:
    answer = certify("chain", "prove", "green", "--evidence-dir", chained, "--engine", "reference")
    assert answer.code == 0, answer.err
    proof = tmp_path / "proof.json"
    proof.write_text(answer.out)
    shutil.rmtree(chained)
    checked = certify("chain", "check-proof", proof)
    assert checked.code == 0, checked.err
    assert "✓ release green of reference is entry 1 of 1" in checked.out
    assert "not signed" in checked.out
    proof.write_text(answer.out.replace('"leaf_index": 0', '"leaf_index": 1'))
    wrong = certify("chain", "check-proof", proof, "--format", "json")
    assert wrong.code == 1
    assert json.loads(wrong.out)["problems"]
    assert certify("chain", "check-proof", tmp_path / "none").code == 2


def test_anchor_and_prove_ask_what_they_cannot_know(certify: Certify, chained: Path) -> None:
    answer = certify("chain", "prove", "green", "--evidence-dir", chained)
    assert answer.code == 2
    assert "chains of dlt, reference" in answer.err
    assert certify("chain", "anchor", "--evidence-dir", chained, "--engine", "dlt").code == 2
    answer = certify("chain", "prove", "nothing", "--evidence-dir", chained, "--engine", "dlt")
    assert answer.code == 2
    assert "certify chain append" in answer.err
