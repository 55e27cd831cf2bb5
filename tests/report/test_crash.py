"""The crash line on the page, on the screen and as Markdown: every trial is told, and red ones with a row."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.report import ReportRow
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.trials import TrialVerdict
from certification_pipeline.report.crash import SIGN, crash_table, crash_views, delivery_views, trials_table
from certification_pipeline.report.crash_svg import PER_ROW, crash_svg
from certification_pipeline.report.crash_text import crash_markdown, print_crash_lines, write_crash_lines
from certification_pipeline.report.html import render_html
from certification_pipeline.report.release import CellLine, ReleaseView
from tests.evidence import builders
from tests.evidence.crash import POINTS, crashed
from tests.evidence.test_trials import killed
from tests.report.sample import make_catalog, make_release

V = TrialVerdict
SEEN = {1: V.LOST, 3: V.DUPLICATE, 6: V.STUCK, 8: V.REPEATS, 9: V.UNWITNESSED}


def line(cell: CellEvidence) -> CellLine:
    outcome = cell.recompute()
    row = ReportRow(
        case_id=cell.key.cell_id,
        key=cell.key,
        scenario_version=1,
        outcome=outcome,
        passed=outcome is Outcome.PASSED,
        required=True,
        verified=True,
        flaky=False,
        artifact_path=None,
        sha256=None,
    )
    return CellLine(builders.planned(cell.key), row, cell)


def test_each_boundary_is_a_row_and_each_trial_a_sign() -> None:
    frame = crash_table(crash_views([line(crashed(SEEN))]))
    assert list(frame["boundary"]) == [point.address for point in POINTS]
    assert list(frame["kill before"]) == ["L✓", "✓r", "✓✓"]
    assert list(frame["kill after"]) == ["D✓", "?✓", "✓✓"]
    assert list(frame["cut after"]) == ["✓S", "✓✓", "✓✓"]
    assert list(frame["worst"]) == ["lost", "unwitnessed", "safe"]


def test_a_program_reads_a_row_a_trial() -> None:
    frame = trials_table(crash_views([line(crashed(SEEN, missing=1))]))
    assert len(frame) == 18
    first = frame.iloc[0]
    assert (first["verdict"], first["rows"], bool(first["healed"])) == ("lost", "3 lost", True)
    assert frame.iloc[17]["verdict"] == "untested"


def test_the_sentence_counts_worst_first() -> None:
    (view,) = crash_views([line(crashed(SEEN))])
    assert view.sentence == (
        "3 boundaries, 18 trials: 1 lost rows, 1 duplicate rows, 1 stuck: every rerun fails, "
        "1 the fault did not fire, 1 repeats rows, as declared, 13 safe"
    )


def test_the_drawing_tells_every_trial_in_words() -> None:
    (view,) = crash_views([line(crashed(SEEN))])
    drawing = str(crash_svg(view.points, view.sentence))
    titles = re.findall(r'class="mark \w+"><title>([^<]+)</title>', drawing)
    assert len(titles) == 18
    assert titles[0] == (
        "sink INSERT staging.orders #1: kill before, folder kept: lost rows "
        "(3 lost, right again after the next load)"
    )
    assert drawing.count("<circle") == 18
    assert f">{SIGN[V.STUCK]}<" in drawing


def test_a_long_line_goes_on_below() -> None:
    (view,) = crash_views([line(crashed({}))])
    many = [view.points[0]] * (PER_ROW + 1)
    assert str(crash_svg(many, "")).count('class="line"') == 2
    assert str(crash_svg(many, "")).count('class="head"') == 1
    assert str(crash_svg([], "")) == ""


def test_names_from_outside_cannot_become_markup() -> None:
    (view,) = crash_views([line(crashed({}))])
    point = view.points[0].point.model_copy(update={"object": "</title><script>alert(1)</script>"})
    hostile = [type(view.points[0])(point, view.points[0].marks)]
    assert "<script" not in str(crash_svg(hostile, "<b>"))


def test_the_screen_names_the_crash_point_of_each_red() -> None:
    out = io.StringIO()
    console = Console(file=out, width=160)
    print_crash_lines(
        console, crash_views([line(crashed(SEEN))]), delivery_views([line(killed(60, {2: V.LOST}))])
    )
    text = out.getvalue()
    assert "sink INSERT staging.orders #1: lost id=17" in text
    assert "1 (≤ 7.7%)" in text
    assert "0 (≤ 5.0%)" in text


def test_nothing_explored_says_what_explores() -> None:
    out = io.StringIO()
    print_crash_lines(Console(file=out), (), ())
    assert "rec.crash_points" in out.getvalue()


@pytest.mark.parametrize("missing", [0, 18])
def test_a_line_is_shown_however_far_it_came(missing: int) -> None:
    (view,) = crash_views([line(crashed({}, missing=missing))])
    assert len(view.points) == 3
    assert view.line.outcome is (Outcome.CANT_TELL if missing else Outcome.PASSED)


def release(*cells: CellEvidence) -> ReleaseView:
    """The sample release with these cells in its first subject."""
    made = make_release()
    first, *others = made.subjects
    return replace(made, subjects=(replace(first, lines=(*map(line, cells), *first.lines)), *others))


def test_the_page_draws_the_line_and_shows_a_row_of_each_red() -> None:
    text = render_html(release(crashed(SEEN), killed(60, {2: V.LOST})), make_catalog())
    section = text[text.index("Where a crash is safe") :]
    assert section.count('class="mark ') == 18
    assert "trial 3 of 18, sink INSERT staging.orders #1: after load 4 (recovered)" in section
    assert "1 (≤ 7.7%)" in section
    assert "S stuck" in section


def test_a_page_without_explored_cells_says_nothing_of_it() -> None:
    assert "Where a crash is safe" not in render_html(make_release(), make_catalog())
    assert crash_markdown(make_release()) is None


def test_the_markdown_page_holds_every_line(tmp_path: Path) -> None:
    made = release(crashed(SEEN), killed(60, {}))
    text = crash_markdown(made)
    assert text is not None
    assert re.search(r"\| 1 \| sink INSERT staging\.orders \\?#1 \| L✓ \| D✓ \| ✓S \|", text), text
    assert "lost id=17" in text
    store = EvidenceStore(tmp_path)
    store.release_path(made.release_id).mkdir(parents=True)
    write_crash_lines(made, store)
    assert (store.release_path(made.release_id) / "crash_points.md").read_text() == text
