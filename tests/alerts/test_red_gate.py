"""Decisions on disk: red, inconclusive, unreadable and green again, each told once and with its reasons."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest

from certification_pipeline.alerts.red_gate import gate_notices
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.cell import RowJudgement, RowSample
from certification_pipeline.evidence.plan import Selection, Trigger
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.decide import decide
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from tests.evidence.builders import ENGINE, SMALL, cell, row_judgement
from tests.gates.releases import read_plan
from tests.levels.ledgers import released

LOOKBACK = timedelta(days=3)
LINK = "https://dagster.example"


def told(root: Path, later: timedelta = timedelta(0)) -> list[Notice]:
    found = gate_notices(EvidenceStore(root), utc_now() + timedelta(seconds=1) + later, LOOKBACK, LINK)
    return sorted(found, key=lambda one: one.at)


def decided_again(directory: SubjectDir, judgement: RowJudgement | None) -> None:
    sealed = read_plan(directory).plan
    judgements = None if judgement is None else (judgement,)
    directory.write(cell(sealed, SMALL[0], judgements, minutes=20, run_id="run-2"))
    decide(directory, "run-2")


def lost() -> RowJudgement:
    sample = RowSample(
        anomaly=Anomaly.LOST, key={"id": "17"}, column=None, expected="<!channel> 'x'", actual=None
    )
    return row_judgement(lost=3).model_copy(update={"samples": (sample,)})


def test_a_red_release_is_told_with_its_reasons(tmp_path: Path) -> None:
    directory = released(tmp_path, 0, trigger=Trigger.SCHEDULE)
    decided_again(directory, lost())
    (notice,) = told(tmp_path)
    assert (notice.kind, notice.severity) == (NoticeKind.RED_GATE, Severity.CRITICAL)
    assert notice.title == "RED: reference 0.1.0, release release-00 may not go out"
    whole = "\n".join(notice.text)
    assert "begun by a schedule" in whole
    assert "certification_suite.not_passed" in whole
    assert "postgres → duckdb: 1 cell failed in full_refresh" in whole
    assert "lost id=17: expected <!channel> 'x', found ‹no row›" in whole
    assert notice.what_to_do[0].startswith("certify run --engine reference --route postgres_to_duckdb")
    assert notice.link == f"{LINK}/assets/verdict/reference/release_summary"


def test_a_green_release_is_no_news(tmp_path: Path) -> None:
    released(tmp_path, 0)
    assert told(tmp_path) == []
    assert told(tmp_path / "nothing") == []


@pytest.mark.nightly
def test_still_red_for_the_same_reasons_is_no_news_and_another_verdict_is(tmp_path: Path) -> None:
    directory = released(tmp_path, 0, red=True)
    (first,) = told(tmp_path)
    decide(directory, "run-2")
    (again,) = told(tmp_path)
    assert again.key == first.key
    decided_again(directory, None)  # flaky now: inconclusive instead of red
    (other,) = told(tmp_path)
    assert other.key != first.key


def test_inconclusive_is_a_warning(tmp_path: Path) -> None:
    directory = released(tmp_path, 0, red=True)
    decided_again(directory, None)  # failed, then passed with nothing changed: flaky
    (notice,) = told(tmp_path)
    assert notice.severity is Severity.WARNING
    assert notice.title.startswith("INCONCLUSIVE: reference 0.1.0")


@pytest.mark.parametrize("damage", [b"", b"{}", b"not json"])
def test_a_summary_that_cannot_be_read_is_told_and_never_taken_for_green(
    tmp_path: Path, damage: bytes
) -> None:
    directory = released(tmp_path, 0)
    directory.summary_path.write_bytes(damage)
    (notice,) = told(tmp_path)
    assert notice.kind is NoticeKind.RED_GATE
    assert notice.title == "INCONCLUSIVE: reference, release release-00 cannot be read"
    assert "release_summary.json" in notice.text[0]


def test_an_edited_summary_is_told(tmp_path: Path) -> None:
    directory = released(tmp_path, 0, red=True)
    text = directory.summary_path.read_text()
    directory.summary_path.write_text(text.replace('"outcome": "failed"', '"outcome": "passed"'))
    (notice,) = told(tmp_path)
    assert "cannot be read" in notice.title


def test_green_after_red_is_told_once_in_the_same_thread(tmp_path: Path) -> None:
    released(tmp_path, 0, red=True)
    released(tmp_path, 1)
    released(tmp_path, 2)
    red, green = told(tmp_path)
    assert (green.kind, green.severity) == (NoticeKind.GREEN_AGAIN, Severity.INFO)
    assert green.title == "Green again: reference 0.1.0, release release-01"
    assert "release-00" in green.text[0]
    assert red.thread == green.thread


@pytest.mark.nightly
def test_green_of_a_part_does_not_make_the_whole_green_again(tmp_path: Path) -> None:
    released(tmp_path, 0, red=True)
    released(tmp_path, 1, selection=Selection(scenarios=("batch.*",)))
    assert [one.kind for one in told(tmp_path)] == [NoticeKind.RED_GATE]


def test_what_was_mended_in_the_same_release_is_green_again(tmp_path: Path) -> None:
    directory = released(tmp_path, 0)
    directory.cell_path(SMALL[1].key.cell_id).unlink()
    decide(directory, "run-2")
    assert [one.kind for one in told(tmp_path)] == [NoticeKind.RED_GATE]
    sealed = read_plan(directory).plan
    directory.write(cell(sealed, SMALL[1], minutes=20, run_id="run-3"))
    assert decide(directory, "run-3").outcome is Outcome.PASSED
    (notice,) = told(tmp_path)
    assert notice.kind is NoticeKind.GREEN_AGAIN
    assert "decided before" in notice.text[0]


@pytest.mark.nightly
def test_what_is_older_than_the_lookback_is_no_news(tmp_path: Path) -> None:
    released(tmp_path, 0, red=True)
    assert told(tmp_path, later=LOOKBACK) == []


@pytest.mark.nightly
def test_a_copy_with_newer_files_is_as_old_as_what_it_says(tmp_path: Path) -> None:
    directory = released(tmp_path, 0, red=True)
    ahead = (utc_now() + LOOKBACK).timestamp()
    os.utime(directory.summary_path, (ahead, ahead))
    assert told(tmp_path, later=LOOKBACK) == []
    assert [one.subject for one in told(tmp_path)] == [f"{ENGINE} 0.1.0"]
