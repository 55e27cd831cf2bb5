from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


def test_evidence_goes_to_a_store_and_to_another_machine(
    certify: Certify, copy: Path, tmp_path: Path
) -> None:
    shared, away = tmp_path / "shared", tmp_path / "away"
    before = certify("store", "status", shared, "--evidence-dir", copy, "--probe")
    assert before.code == 0, before.err
    assert "honours create-only writes" in before.out
    assert "reference: ahead; 1 entries here, 0 there" in before.out
    answer = certify("push", shared, "--evidence-dir", copy)
    assert answer.code == 0, answer.err
    assert "✓ dlt: 1 entries" in answer.out
    assert "nothing new" in certify("push", shared, "--evidence-dir", copy).out
    answer = certify("pull", shared, away, "--engine", "reference")
    assert answer.code == 0, answer.err
    assert "(1 entries, 1 releases pulled)" in answer.out
    assert certify("chain", "verify", "--evidence-dir", away).code == 0
    rows = json.loads(certify("pull", shared, away, "--format", "json").out)["chains"]
    assert [(row["engine"], row["entries"]) for row in rows] == [("dlt", 1), ("reference", 0)]
    shown = json.loads(certify("store", "status", shared, "--evidence-dir", away, "--format", "json").out)
    assert {row["standing"] for row in shown["chains"]} == {"same"}


def test_what_is_not_there_and_what_is_no_store_are_told(
    certify: Certify, copy: Path, tmp_path: Path
) -> None:
    nothing = certify("pull", tmp_path / "none", tmp_path / "away")
    assert nothing.code == 2
    assert "certify push" in nothing.err
    assert certify("push", "ftp://user:canary@host/x", "--evidence-dir", copy).code == 2
    assert certify("push", "s3:/bucket", "--evidence-dir", copy).code == 2
    assert certify("push", copy, "--evidence-dir", copy).code == 2
    shared = tmp_path / "shared"
    assert certify("push", shared, "--evidence-dir", copy).code == 0
    unknown = certify("pull", shared, tmp_path / "away", "--engine", "nobody")
    assert unknown.code == 2
    assert "dlt, reference" in unknown.err


@pytest.mark.nightly
def test_a_fork_is_red_and_says_how_to_go_on(certify: Certify, copy: Path, tmp_path: Path) -> None:
    shared, other = tmp_path / "shared", shutil.copytree(copy, tmp_path / "other")
    for root in (copy, other):
        again = ("release-summary", "--evidence-dir", root, "--engine", "reference", "--release-id", "green")
        assert certify(*again).code == 0
    one = ("--engine", "reference")
    assert certify("push", shared, "--evidence-dir", copy, *one).code == 0
    answer = certify("push", shared, "--evidence-dir", other, *one)
    assert answer.code == 1
    assert "another entry 2 than the chain here" in answer.err
    assert "certify pull --set-aside" in answer.err
    assert certify("store", "status", shared, "--evidence-dir", other, *one).code == 1
