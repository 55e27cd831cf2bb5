"""``certify keys``, and what every command says about who signed."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path

import pytest

from certification_pipeline.evidence.seal.keys import read_public_key
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.seal_check import check_decisions, check_pages, check_seal
from tests.cli.conftest import Certify
from tests.seal import canary

UNSIGNED = "unsigned: proves no author; whoever may write here can forge it"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "certify" / "signing.pem"


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


def test_a_new_key_lies_outside_the_evidence_and_stays(certify: Certify, home: Path) -> None:
    made = json.loads(certify("keys", "new", "--format", "json").out)
    assert Path(made["private_key_file"]) == home
    assert stat.S_IMODE(home.stat().st_mode) == 0o600
    assert not made["encrypted"]
    key = read_public_key(made["public_key_file"])
    assert (key.key_id, key.pem, key.raw.hex()) == (made["key_id"], made["public_key"], made["raw"])
    before = home.read_bytes()
    again = certify("keys", "new")
    assert again.code == 2
    assert "is there already" in again.err
    assert home.read_bytes() == before
    assert certify("keys", "export").out == key.pem
    assert json.loads(certify("keys", "export", "--format", "json").out)["key_id"] == key.key_id
    for file in (home, made["public_key_file"]):
        shown = certify("keys", "show", file)
        assert key.key_id in shown.out
        assert home.read_text().splitlines()[1] not in shown.out + shown.err


def test_a_key_belongs_neither_into_the_evidence_nor_to_everybody(
    certify: Certify, home: Path, tmp_path: Path
) -> None:
    answer = certify("keys", "new", tmp_path / ".certification" / "key.pem")
    assert answer.code == 2
    assert "lies inside the evidence" in answer.err
    assert not (tmp_path / ".certification").exists()
    certify("keys", "new")
    home.chmod(0o644)
    answer = certify("keys", "show", home)
    assert answer.code == 2
    assert "chmod 600" in answer.err
    answer = certify("keys", "show", tmp_path / "nowhere")
    assert answer.code == 2
    assert "cannot be read" in answer.err


def test_a_passphrase_encrypts_and_is_needed_to_sign_not_to_show(
    certify: Certify, home: Path, monkeypatch: pytest.MonkeyPatch, copy: Path
) -> None:
    monkeypatch.setenv("CERTIFY_SIGNING_KEY_PASSPHRASE", "correct horse")
    assert "encrypted         yes" in certify("keys", "new").out
    monkeypatch.setenv("CERTIFY_SIGNING_KEY_FILE", str(home))
    assert certify("keys", "show").code == 0
    monkeypatch.delenv("CERTIFY_SIGNING_KEY_PASSPHRASE")
    assert certify("keys", "show", home).code == 0
    answer = certify("release-summary", "--evidence-dir", copy)
    assert answer.code == 2
    assert "Set its passphrase in CERTIFY_SIGNING_KEY_PASSPHRASE" in answer.err


def test_unsigned_is_said_wherever_a_release_is_shown(certify: Certify, copy: Path) -> None:
    screen = certify("release-summary", "--evidence-dir", copy)
    assert screen.code == 0
    assert UNSIGNED in screen.out
    assert "CERTIFY_SIGNING_KEY_FILE=FILE certify release-summary --release-id green" in screen.out
    [summary] = json.loads(certify("release-summary", "--evidence-dir", copy, "--format", "json").out)
    assert summary["signed_by"] is None
    page = copy / "releases/green/reference/release_summary.md"
    assert UNSIGNED.replace("`", "") in page.read_text()
    report = Path(certify("report", "--evidence-dir", copy).out.strip())
    assert UNSIGNED in report.read_text()
    assert "certify keys new" in report.read_text()


def test_with_a_key_all_is_signed_and_the_key_shows_nowhere(
    certify: Certify, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_SIGNING_KEY", canary.PEM)
    key = canary.SIGNER.public_key
    answers = [
        certify("release-summary", "--evidence-dir", copy),
        certify("release-summary", "--evidence-dir", copy, "--format", "json"),
        certify("report", "--evidence-dir", copy),
        certify("chain", "append", "--evidence-dir", copy),
        certify("keys", "show"),
    ]
    assert [answer.code for answer in answers] == [0] * 5
    canary.shows_nothing(answers)
    canary.holds_nothing(copy)
    assert f"signed: says key {key.key_id}; certify verify --key proves it" in answers[0].out
    assert json.loads(answers[1].out)[0]["signed_by"] == key.key_id
    assert UNSIGNED not in Path(answers[2].out.strip()).read_text()
    assert key.key_id in answers[4].out
    store = EvidenceStore(copy)
    assert check_seal(store.release("green", "reference"), [key]) == ()
    assert check_decisions(store.release("green", "reference"), [key]) == ()
    assert check_pages(ReleaseDir.of(store, "green"), [key]) == ()


@pytest.mark.parametrize(
    ("variable", "value", "told"),
    [
        ("CERTIFY_SIGNING_KEY", canary.PEM[:-40], "CERTIFY_SIGNING_KEY: is no private key as PEM"),
        ("CERTIFY_SIGNING_KEY_FILE", "/nowhere/key.pem", "/nowhere/key.pem: cannot be read"),
        ("CERTIFY_SIGNING_KEY_FILE", canary.PEM, "the private key's file: cannot be read"),
    ],
    ids=["damaged", "nowhere", "in-the-wrong-variable"],
)
def test_a_key_that_cannot_be_used_leaves_nothing_unsigned(  # noqa: PLR0917
    certify: Certify, copy: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, told: str
) -> None:
    monkeypatch.setenv(variable, value)
    before = {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}
    for command in ("release-summary", "report"):
        answer = certify(command, "--evidence-dir", copy)
        assert answer.code == 2
        assert told in answer.err
        canary.shows_nothing(answer)
    assert before == {path: path.read_bytes() for path in copy.rglob("*") if path.is_file()}


def test_an_empty_variable_is_an_unset_one(
    certify: Certify, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CERTIFY_SIGNING_KEY", "CERTIFY_SIGNING_KEY_FILE", "CERTIFY_SIGNING_KEY_PASSPHRASE"):
        monkeypatch.setenv(name, "")
    answer = certify("release-summary", "--evidence-dir", copy)
    assert answer.code == 0
    assert UNSIGNED in answer.out
