"""The families on page and screen: what the gates find, all of it, and nothing the release does not hold."""

from __future__ import annotations

import html
import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import JsonValue
from rich.console import Console

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.report.release import ReleaseView
from certification_pipeline.report.sections.page import MOST_BLOCKERS, counted
from certification_pipeline.report.steps import split_step
from certification_pipeline.report.tables import families_table, next_steps
from certification_pipeline.report.terminal import final_screen
from tests.evidence.builders import RELEASE
from tests.gates.releases import write_json
from tests.report.sample import make_release
from tests.report.test_html import HOSTILE, Page
from tests.report.with_families import certified, family, loaded, page, view_of, written

RIGHT_TO_LEFT = "gnp.\u202egro.exe\x1b[31m\r\n"


def screen(release: ReleaseView) -> str:
    out = io.StringIO()
    final_screen(Console(file=out, width=100), release, None)
    return out.getvalue()


def words(text: str) -> str:
    return " ".join(" ".join(Page(text).words).split())


def commands(text: str) -> list[str]:
    return [html.unescape(found) for found in re.findall(r'<code class="cmd">(.*?)</code>', text, re.DOTALL)]


# --- only what the release holds -------------------------------------------------------------------


def test_a_release_about_the_matrix_alone_shows_no_families(tmp_path: Path) -> None:
    certified(tmp_path, (), None)
    release = loaded(tmp_path)
    assert release.subjects[0].families == ()
    assert "Evidence families" not in page(release)
    assert "evidence families" not in screen(release)
    assert 'class="families"' not in page(release)


def test_a_family_nobody_planned_counts_as_soon_as_it_is_there(tmp_path: Path) -> None:
    certified(tmp_path, ())
    assert family(loaded(tmp_path), "benchmark").outcome is Outcome.PASSED


def test_every_family_of_the_plan_has_its_line(tmp_path: Path) -> None:
    certified(tmp_path)
    release = loaded(tmp_path)
    assert [view.name for view in release.subjects[0].families] == [
        "matrix",
        "benchmark",
        "strategy_bundle",
        "evidence_bundle",
        "chain",
    ]
    text = page(release)
    for view in release.subjects[0].families:
        assert f'href="#f-reference-{view.name}"' in text
        assert f'id="f-reference-{view.name}"' in text
        assert view.title in screen(release)


# --- outcomes are the gates' -----------------------------------------------------------------------


def test_a_green_family_shows_its_figures_and_links_to_its_file(tmp_path: Path) -> None:
    directory = certified(tmp_path)
    report = tmp_path / "releases" / RELEASE / "report.html"
    text = written(tmp_path, report)
    assert "1 of 1 given metrics within 10% of theirs" in words(text)
    assert 'href="reference/benchmark_baseline.json"' in text
    assert (report.parent / "reference/benchmark_baseline.json").samefile(
        directory.path / "benchmark_baseline.json"
    )


def test_links_lead_from_wherever_the_page_is_written(tmp_path: Path) -> None:
    certified(tmp_path / "some evidence")
    elsewhere = tmp_path / "pages" / "deep"
    elsewhere.mkdir(parents=True)
    text = written(tmp_path / "some evidence", elsewhere / "page.html")
    links = [attrs["href"] or "" for _, attrs in Page(text).tags if attrs.get("href")]
    files = [link for link in links if not link.startswith("#")]
    assert files
    for link in files:
        assert link.startswith("../../some%20evidence/")
        assert (elsewhere / link.replace("%20", " ")).is_file()


def test_a_planned_family_that_is_not_there_is_no_pass_and_says_how_to_make_it(tmp_path: Path) -> None:
    certified(tmp_path, seconds=None)
    release = loaded(tmp_path)
    view = family(release, "benchmark")
    assert (view.present, view.outcome) == (False, Outcome.UNTESTED)
    again = f"certify run --engine reference --family benchmark --release-id {RELEASE}"
    assert again in commands(page(release))
    assert "benchmark.missing:benchmark_baseline.json" in words(page(release))
    assert "not there" in words(page(release))
    assert f"→ {again}" in screen(release)


def test_a_red_family_shows_red_with_every_blocker_and_its_next_step(tmp_path: Path) -> None:
    directory = certified(tmp_path, seconds=12)
    release = loaded(tmp_path)
    view = family(release, "benchmark")
    stored = json.loads((directory.path / "benchmark_baseline.json").read_text())
    assert view.outcome is Outcome.FAILED
    assert [blocker.model_dump() for blocker in view.blockers] == stored["blockers"]
    text = page(release)
    row = text[text.index('<tr id="f-reference-benchmark">') :]
    row = row[: row.index("</tr>")]
    assert "✗ failed" in row
    for blocker in view.blockers:
        assert blocker.code in row
        assert html.escape(blocker.message, quote=False) in html.unescape(row)
        step = split_step(blocker.next_step)
        assert (step.command or step.words) in html.unescape(row)
    assert view.blockers[0].next_step in screen(release)


def test_an_edited_file_shows_what_the_gates_find_not_what_it_says(tmp_path: Path) -> None:
    directory = certified(tmp_path, seconds=12)
    path = directory.path / "benchmark_baseline.json"
    value = json.loads(path.read_text())
    forged = {"outcome": "passed", "passed": True, "blockers": [], "evidence_status": "PASS"}
    write_json(path, value | forged, resealed=True)
    release = loaded(tmp_path)
    view = family(release, "benchmark")
    assert view.outcome is Outcome.FAILED
    assert not view.verified
    assert any("not_verified" in blocker.code for blocker in view.blockers)
    assert view.artifact is not None, "it can be read, and so it is shown"
    assert "✗ not verified What follows is what the file says" in words(page(release))
    assert release.outcome is Outcome.FAILED


def test_the_gates_items_are_shown_with_what_was_counted(tmp_path: Path) -> None:
    directory = certified(tmp_path)
    text = words(page(loaded(tmp_path)))
    summary = json.loads((directory.path / "release_summary.json").read_text())
    for item in summary["items"]:
        assert item["path"] in text
        assert (item["sha256"] or "–")[:26] in text
        for name, value in item["summary"].items():
            assert f"{name.replace('_', ' ')} {counted(value)}" in text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (9_267_315, "9,267,315"),
        (True, "True"),
        (["unit", "integration"], "unit, integration"),
        ("sha256:" + "ab" * 32, "sha256:" + "ab" * 9 + "a…"),
        ("nightly", "nightly"),
        (None, "None"),
    ],
)
def test_what_was_counted_is_readable(value: JsonValue, text: str) -> None:
    assert counted(value) == text


# --- the chain -------------------------------------------------------------------------------------


def test_the_chain_that_holds_the_release_is_shown_and_an_edit_turns_it_red(tmp_path: Path) -> None:
    directory = certified(tmp_path)
    chained = family(loaded(tmp_path), "chain")
    assert chained.outcome is Outcome.PASSED
    assert f"entries 1, files {chained.figures['files']}" in words(page(loaded(tmp_path)))
    (directory.path / "benchmark_baseline.md").write_text("all is well")
    red = family(loaded(tmp_path), "chain")
    assert red.outcome is Outcome.FAILED
    assert "benchmark_baseline.md was edited" in words(page(loaded(tmp_path)))
    assert "certify chain verify --engine reference" in commands(page(loaded(tmp_path)))


def test_a_release_that_no_chain_holds_shows_none(tmp_path: Path) -> None:
    certified(tmp_path)
    for path in (tmp_path / "chain" / "reference").iterdir():
        path.unlink()
    assert not any(view.name == "chain" for view in loaded(tmp_path).subjects[0].families)
    assert loaded(tmp_path).outcome is Outcome.FAILED


# --- steps -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "words_", "command"),
    [
        ("certify run --engine dlt", "", "certify run --engine dlt"),
        ("Measure again: certify benchmark --rows 3", "Measure again:", "certify benchmark --rows 3"),
        (
            "Mend the model; then: certify dbt-lineage --engine x",
            "Mend the model; then:",
            "certify dbt-lineage --engine x",
        ),
        ("See `certify doctor` first", "See `certify doctor` first", ""),
        ("set CERTIFY_X_DSN", "set CERTIFY_X_DSN", ""),
        ("", "", ""),
    ],
)
def test_a_command_is_told_apart_from_the_words_before_it(text: str, words_: str, command: str) -> None:
    assert split_step(text) == (words_, command)


def test_the_screen_says_each_step_once(tmp_path: Path) -> None:
    certified(tmp_path, seconds=12)
    release = loaded(tmp_path)
    shown = screen(release)
    for view in release.subjects[0].families[1:]:
        for blocker in view.blockers[:1]:
            assert shown.count(f" {blocker.next_step}\n") == 1
    after = shown[shown.index("What to do next") :]
    assert family(release, "benchmark").blockers[0].next_step not in after
    assert "Nothing is open" not in after


def test_next_steps_of_the_page_name_the_family(tmp_path: Path) -> None:
    certified(tmp_path, seconds=12)
    steps = next_steps(loaded(tmp_path))
    assert any(str(why).startswith("Benchmark: ") for why in steps["why"])


def test_the_frame_has_a_row_a_family(tmp_path: Path) -> None:
    certified(tmp_path, seconds=12)
    subject = loaded(tmp_path).subjects[0]
    frame = families_table(subject)
    assert list(frame["family"]) == [view.title for view in subject.families]
    assert frame.loc[1, "outcome"] == "✗ failed"
    assert frame.loc[1, "do"] == family(loaded(tmp_path), "benchmark").blockers[0].next_step


# --- hostile content -------------------------------------------------------------------------------


@pytest.mark.parametrize("evil", [HOSTILE, RIGHT_TO_LEFT])
def test_hostile_text_of_a_family_stays_text(evil: str) -> None:
    release = make_release()
    views = (view_of(text=evil, step=f"certify {evil}"), view_of("replay", evil, evil))
    poisoned = replace(release, subjects=(replace(release.subjects[0], families=views),))
    text = page(poisoned)
    found = Page(text)
    assert len([tag for tag, _ in found.tags if tag == "script"]) == 1
    assert "img" not in {tag for tag, _ in found.tags}
    assert not [a for _, attrs in found.tags for a in attrs if a.startswith("on")]
    for char in "\u202e\x1b":
        assert char not in text
        assert char not in screen(poisoned)


def test_a_name_with_markup_in_it_is_quoted_in_links() -> None:
    release = make_release()
    view = replace(view_of(), path='a"b<c>#?.json')
    text = page(replace(release, subjects=(replace(release.subjects[0], families=(view,)),)), "x/")
    assert 'href="x/dlt/a%22b%3Cc%3E%23%3F.json"' in text


def test_many_blockers_are_counted_not_listed() -> None:
    release = make_release()
    one = view_of()
    many = replace(one, blockers=one.blockers * (MOST_BLOCKERS + 30))
    text = page(replace(release, subjects=(replace(release.subjects[0], families=(many,)),)))
    assert "… and 30 more, in the file" in words(text)


def test_blockers_of_the_matrix_are_folded_as_its_causes_are_told() -> None:
    release = make_release()
    for name, told in (("matrix", False), ("replay", True)):
        families = (view_of(name, step=f"certify {name} again"),)
        text = page(replace(release, subjects=(replace(release.subjects[0], families=families),)))
        row = text[text.index(f'<tr id="f-dlt-{name}">') :]
        row = row[: row.index("</tr>")]
        assert f"certify {name} again" in row
        assert ("<details>" not in row) == told
        assert ("told by what it holds" in row) != told


def test_families_survive_a_selection_of_cells(tmp_path: Path) -> None:
    from certification_pipeline.report.release import Selection

    certified(tmp_path)
    release = loaded(tmp_path)
    selected = release.select(Selection(strategies=("scd2",)))
    assert selected.subjects[0].families == release.subjects[0].families
    assert selected.store is release.store
    assert Family.BENCHMARK in release.subjects[0].plan.families
