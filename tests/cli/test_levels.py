"""``certify levels`` and ``certify attest``, on a ledger of four days whose third was red."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.evidence.seal.keys import Signer
from tests.cli.conftest import Certify
from tests.levels.ledgers import released


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ledger")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CERTIFY_LEVELS_CACHE", "")
        for number in range(3):
            released(root, number, trigger=Trigger.SCHEDULE, red=number == 1)
    return root


AS_OF = ("--as-of", "2024-11-22")


def test_the_ladder_the_reason_and_the_next_step(certify: Certify, made: Path) -> None:
    answer = certify("levels", "--evidence-dir", made, *AS_OF)
    assert answer.code == 0, answer.err
    assert "Levels of reference 0.1.0, 2024-11-22 23:59 UTC, from 3 releases" in answer.out
    line = next(text for text in answer.out.splitlines() if text.startswith("reference/clickhouse"))
    assert "none" in line
    assert "certify connectors --engine reference" in line
    days = [text for text in answer.out.splitlines() if "soak.recurring" in text and "duckdb" in text]
    assert "●✗●·" in days[0]


def test_one_connector_is_shown_line_by_line(certify: Certify, made: Path) -> None:
    words = ("--connector", "*/duckdb", "--policy", "krishiv")
    answer = certify("levels", "--evidence-dir", made, *AS_OF, *words)
    assert "Early-stage. May be incomplete. The API will" in answer.out
    assert "2024-11-20 preview → none: refuted by release release-01" in answer.out
    assert "28 green scheduled runs over 28 days are" in answer.out


def test_as_json(certify: Certify, made: Path) -> None:
    answer = certify("levels", "--evidence-dir", made, *AS_OF, "--format", "json", "--policy", "krishiv")
    (levels,) = json.loads(answer.out)
    assert levels["schema_version"] == "certification_pipeline.connector_levels.v1"
    found = {one["name"]: one["level"] for one in levels["connectors"]}
    assert found["reference/postgres_to_duckdb"] == "preview"


def test_a_date_to_come_shows_what_expires(certify: Certify, made: Path) -> None:
    words = ("--connector", "*/duckdb", "--policy", "krishiv")
    answer = certify("levels", "--evidence-dir", made, "--as-of", "2024-12-20", *words)
    assert "lost on 2024-12-26 unless proven again" in answer.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--connector", "nope"), "nope matches no connector"),
        (("--as-of", "yesterday"), "'yesterday' is no date; write it as 2026-12-31"),
        (("--policy", "krishif"), "did you mean 'krishiv'?"),
        (("--engine", "dtl"), "--engine 'dtl' matches nothing"),
        (("--key", "no-such-file"), "no-such-file"),
    ],
)
def test_wrong_words_are_told(certify: Certify, made: Path, words: tuple[str, ...], told: str) -> None:
    answer = certify("levels", "--evidence-dir", made, *words)
    assert answer.code == 2
    assert told in answer.err


def test_no_ledger_is_told(certify: Certify, tmp_path: Path) -> None:
    answer = certify("levels", "--evidence-dir", tmp_path / "nothing")
    assert answer.code == 2
    assert "holds no ledger" in answer.err


ATTEST = ("--engine", "reference", "--route", "postgres_to_duckdb", "--deployment", "dwh", "--owner", "team")


def test_a_deployment_is_attested_and_counts_under_its_key(
    certify: Certify, made: Path, tmp_path: Path
) -> None:
    root, key = Path(shutil.copytree(made, tmp_path / "e")), tmp_path / "owner.pem"
    Signer.generate().save(key)
    where = ("--evidence-dir", root)
    answer = certify("attest", "production", *ATTEST, *where, "--release-id", "release-02", "--key", key)
    assert answer.code == 0, answer.err
    assert "reference 0.1.0 on postgres_to_duckdb in dwh" in answer.out
    show = (
        "levels",
        *where,
        "--connector",
        "*/postgres_to_duckdb",
        "--policy",
        "krishiv",
        "--format",
        "json",
    )
    for keys, counted in (((), 0), (("--key", f"{key}.pub"), 1)):
        (levels,) = json.loads(certify(*show, *keys).out)
        assert len(levels["attestations"]) == counted


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"--route": "postgres_to_moon"}, "--route 'postgres_to_moon' matches nothing"),
        ({"--engine": "dlt"}, "has no evidence of engine 'dlt'"),
        ({}, "an unsigned statement counts for nothing"),
    ],
)
def test_what_cannot_be_attested(certify: Certify, made: Path, change: dict[str, str], told: str) -> None:
    words = dict(zip(ATTEST[::2], ATTEST[1::2], strict=True)) | change
    flat = [part for pair in words.items() for part in pair]
    answer = certify("attest", "production", *flat, "--evidence-dir", made, "--release-id", "release-02")
    assert answer.code == 2
    assert told in answer.err
    assert not (made / "attestations").exists()
