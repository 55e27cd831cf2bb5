"""Levels in the report: the ladder, the calendar, and nothing of a stranger's text as markup."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.levels import ConnectorLevels, Seen
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.html import render_html
from certification_pipeline.report.levels import DAYS, calendar, ladder_frame, requirement_frame
from certification_pipeline.report.loading import load_release
from certification_pipeline.report.sections.levels import levels_section
from tests.evidence.builders import ENGINE
from tests.levels.builders import day, history, ladder, said
from tests.levels.ledgers import released


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("levels")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CERTIFY_LEVELS_CACHE", "")
        released(made, 0, trigger=Trigger.SCHEDULE)
        released(made, 1, trigger=Trigger.SCHEDULE)
    return made


def test_the_report_shows_the_ladder(root: Path) -> None:
    release = load_release(EvidenceStore(root), "release-01")
    html = render_html(release, load_catalog())
    assert "<h3>Levels</h3>" in html
    assert "no green scheduled run since 2024-11-20 03:41" not in html  # years ago: no calendar to draw
    assert '<th scope="row">reference/duckdb</th><td>sink</td><td>dpone</td><td>none</td>' in html
    assert "certify connectors --engine reference" in html


def test_without_levels_it_shows_none(root: Path, tmp_path: Path) -> None:
    assert levels_section(None, "release-01", ENGINE) is None
    assert levels_section(EvidenceStore(tmp_path), "release-01", ENGINE) is None


def test_a_connectors_name_is_no_markup(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = EvidenceStore(root)
    levels = store.release("release-01", ENGINE).read(layout.CONNECTOR_LEVELS, ConnectorLevels)
    evil = ladder(history([said(0)]), 1).model_copy(update={"name": '"><script>alert(1)</script>'})
    forged = levels.model_copy(update={"connectors": (evil,), "created_at": day(1)})
    monkeypatch.setattr("certification_pipeline.evidence.subject_dir.SubjectDir.read", lambda *_: forged)
    page = levels_section(store, "release-01", ENGINE)
    assert page is not None
    assert page.calendar
    assert all("<script>" not in drawn for _, drawn in page.calendar)
    assert "2025-01-01: green</title>" in page.calendar[0][1]


def test_the_calendar_has_a_mark_a_day() -> None:
    runs = [said(0), said(1), said(3, trigger=Trigger.MANUAL)]
    (line, *_) = calendar([ladder(history(runs), 3.5, "krishiv")], day(3.5))
    assert len(line.days) == DAYS
    assert [seen for _, seen in line.days][-4:] == [Seen.GREEN, Seen.GREEN, None, Seen.UNSCHEDULED]
    assert line.marks.replace(" ", "").endswith("●●·○")
    assert line.told == "no streak: no green scheduled run since 2025-01-02 02:17"


def test_frames_say_why_and_what_next() -> None:
    one = ladder(history([said(0)]), 1)
    row = ladder_frame([one]).iloc[0]
    assert (row["level"], row["until"], row["type"]) == ("beta", "2025-01-31", "sink")
    lines = requirement_frame(one)
    soak = lines[lines["requirement"].str.startswith("Promote after")].iloc[0]
    assert "5 green scheduled runs over 14 days are needed; so far 1" in soak["lacks"]
