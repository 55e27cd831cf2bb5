"""``certify lineage`` as a user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certification_pipeline.evidence.exclusive import writing
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.cli.conftest import Certify
from tests.evidence import builders
from tests.openlineage.releases import SCD2, release
from tests.openlineage.test_emission import KEY, marquez


@pytest.fixture
def root(tmp_path: Path) -> Path:
    directory = tmp_path / "evidence"
    release(directory)
    EvidenceStore(directory).set_latest(builders.RELEASE)
    return directory


def subject(root: Path) -> SubjectDir:
    return EvidenceStore(root).release(builders.RELEASE, builders.ENGINE)


def test_it_exports_the_latest_release(certify: Certify, root: Path) -> None:
    answer = certify("lineage", "--evidence-dir", root, "--format", "json")
    assert answer.code == 0, answer.err
    (report,) = json.loads(answer.out)
    assert report == json.loads((subject(root).path / "openlineage_report.json").read_text())
    assert (report["event_count"], report["emission"]) == (12, None)
    for name in ("openlineage_events.jsonl", "run_registry.json", "openlineage_report.md"):
        assert (subject(root).path / name).exists()


def test_required_it_turns_the_suite_green(certify: Certify, root: Path) -> None:
    answer = certify("suite", "--require-lineage", "--evidence-dir", root)
    assert "lineage_report.missing" in answer.out
    assert "certify lineage --engine reference --release-id" in answer.out
    assert certify("lineage", "--evidence-dir", root).code == 0
    answer = certify("suite", "--require-lineage", "--evidence-dir", root)
    assert "lineage_report" not in answer.out


def test_red_says_why_and_what_to_do(certify: Certify, root: Path) -> None:
    subject(root).cell_path(SCD2.key.cell_id).unlink()
    answer = certify("lineage", "--evidence-dir", root)
    assert answer.code == 1
    assert f"openlineage_report.no_run:{SCD2.key.cell_id}" in answer.out
    assert "→ certify run --engine reference --route postgres_to_duckdb --strategy scd2" in answer.out


def test_a_receiver_takes_them_over_http(
    certify: Certify, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENLINEAGE_API_KEY", KEY)
    with marquez() as receiver:
        answer = certify("lineage", "--evidence-dir", root, "--transport", "http", "--url", receiver.url)
    assert answer.code == 0, answer.err
    assert len(receiver.taken) == 12
    assert "12 taken by the receiver" in answer.out
    assert KEY not in answer.out + answer.err


def test_a_receiver_that_refuses_is_inconclusive_with_a_remedy(certify: Certify, root: Path) -> None:
    with marquez(lambda _: 403) as receiver:
        answer = certify("lineage", "--evidence-dir", root, "--transport", "http", "--url", receiver.url)
    assert answer.code == 3
    assert "answered 403; it took 0 of 12 events" in answer.err
    assert "OPENLINEAGE_API_KEY" in answer.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--transport", "http"), "needs --url"),
        (("--url", "http://localhost:5000"), "needs --transport http"),
        (("--scenario", "strateg"), "scenario 'strateg' matches nothing"),
        (("--engine", "nobody"), "no evidence of engine 'nobody'"),
        (("--release-id", "none"), "none"),
    ],
)
def test_what_cannot_be_meant_is_a_usage_error(
    certify: Certify, root: Path, words: tuple[str, ...], said: str
) -> None:
    answer = certify("lineage", "--evidence-dir", root, *words)
    assert answer.code == 2
    assert said in answer.err
    assert not (subject(root).path / "openlineage_report.json").exists()


def test_it_does_not_write_into_a_run(certify: Certify, root: Path) -> None:
    with writing(EvidenceStore(root).release_path(builders.RELEASE)):
        answer = certify("lineage", "--evidence-dir", root)
    assert answer.code == 2
    assert "another run is writing release" in answer.err
