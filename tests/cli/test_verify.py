from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify
from tests.verify.builders import decided, make_evidence
from tests.verify.forging import cut_tail


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_evidence(tmp_path_factory.mktemp("verify") / "evidence")


@pytest.fixture
def copy(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "somewhere else"))


@pytest.mark.nightly
def test_green_says_what_it_does_not_prove(certify: Certify, copy: Path) -> None:
    answer = certify("verify", copy, "--part")
    assert answer.code == 0, answer.out + answer.err
    assert answer.out.startswith("✓ VERIFIED, AND GREEN: reference 0.1.0 in r2")
    assert "who made this evidence is not proved" in answer.out
    assert "no anchor was given" in answer.out


def test_a_narrowed_release_is_no_green_unless_it_will_do(certify: Certify, copy: Path) -> None:
    answer = certify("verify", copy)
    assert answer.code == 3
    assert "? CANNOT TELL" in answer.out
    assert "narrowed to routes: postgres_to_sqlite" in answer.out
    assert "certify verify --part" in answer.out


def test_an_edit_is_told_by_file_field_and_both_values(certify: Certify, copy: Path) -> None:
    suite = copy / "releases/r2/reference/certification_suite.json"
    value = json.loads(suite.read_text())
    value["items"][0]["sha256"] = None
    suite.write_text(json.dumps(value, indent=2, sort_keys=True) + "\n")
    answer = certify("verify", copy, "--part", "--format", "json")
    assert answer.code == 1
    found = json.loads(answer.out)
    assert found["verified"] == "failed"
    about = [one for one in found["findings"] if one["path"].endswith("certification_suite.json")]
    assert {one["kind"] for one in about} == {"edited"}
    assert any(one["field"] == "content_digest" for one in about)
    screen = certify("verify", copy, "--part").out
    assert screen.startswith("✗ TAMPERED WITH")
    assert "releases/r2/reference/certification_suite.json" in screen


@pytest.mark.nightly
def test_red_and_untouched_is_not_called_tampering(certify: Certify, tmp_path: Path) -> None:
    decided(tmp_path / "red", "r1", lost=3)
    answer = certify("verify", tmp_path / "red", "--part")
    assert answer.code == 1
    assert answer.out.startswith("✗ VERIFIED, AND RED")
    assert "certification_suite.not_passed" in answer.out


@pytest.mark.nightly
def test_an_anchor_finds_a_tail_cut_off_with_its_head(certify: Certify, copy: Path) -> None:
    chain = copy / "chain/reference"
    anchor = copy.parent / "kept.json"
    anchor.write_bytes((chain / "head.json").read_bytes())
    assert certify("verify", copy, "--part", "--anchor", anchor).code == 0
    cut_tail(copy, "reference", 2)
    shutil.rmtree(copy / "releases/r2")
    shutil.rmtree(copy / "published")
    (copy / "latest").write_text("r1\n")
    assert certify("verify", copy, "--part").code == 0, "in principle: nothing here remembers r2"
    answer = certify("verify", copy, "--part", "--anchor", anchor)
    assert answer.code == 1
    assert "unanchored" in answer.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nowhere",), "holds no evidence"),
        (("{}", "--release-id", "r9"), "There are: r1, r2"),
        (("{}", "--engine", "dlt"), "There are: reference"),
        (("{}", "--anchor", "xyz"), "Produce it first"),
    ],
)
def test_wrong_usage_names_what_there_is(
    certify: Certify, copy: Path, words: tuple[str, ...], said: str
) -> None:
    answer = certify("verify", *(word.format(copy) for word in words))
    assert answer.code == 2
    assert said in answer.err


@pytest.mark.nightly
def test_one_release_counts_when_it_is_named(certify: Certify, copy: Path) -> None:
    answer = certify(
        "verify", copy, "--part", "--release-id", "r1", "--engine", "reference", "--format", "json"
    )
    assert answer.code == 0, answer.out
    (release,) = json.loads(answer.out)["releases"]
    assert (release["release_id"], release["counts"], release["outcome"]) == ("r1", True, "passed")
