from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import CellEvidence, LoadEvidence, RowSample
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.report.html import DETAILED_CELLS, render_html, write_html
from certification_pipeline.report.release import ReleaseView
from tests.report.sample import (
    RELEASE,
    changed,
    judge,
    make_catalog,
    make_cell,
    make_cells,
    make_plan,
    make_release,
    rows_judged,
)

HOSTILE = "</td><script>alert(1)</script><img src=http://evil.example/x onerror=alert(2)>'\"&{{7*7}}"
FETCHING = {"src", "srcset", "poster", "data", "action", "formaction", "background", "ping", "xlink:href"}


class Page(HTMLParser):
    """Every tag with its attributes, and the text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def text() -> str:
    return render_html(make_release(), make_catalog())


@pytest.fixture(scope="module")
def page(text: str) -> Page:
    return Page(text)


def test_nothing_is_fetched_from_outside(page: Page, text: str) -> None:
    assert {tag for tag, _ in page.tags}.isdisjoint(
        {"link", "iframe", "object", "embed", "img", "base", "form"}
    )
    assert not [a for _, attrs in page.tags for a in attrs if a in FETCHING]
    assert all((attrs.get("href") or "#").startswith("#") for _, attrs in page.tags)
    style = text[text.index("<style>") : text.index("</style>")]
    assert "@import" not in style
    assert "url(" not in style
    assert "http" not in style


def test_the_policy_allows_the_one_script_by_its_hash(text: str) -> None:
    script = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert script
    digest = base64.b64encode(hashlib.sha256(script[1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "default-src 'none'" in text


def test_every_link_leads_somewhere_and_ids_are_unique(page: Page) -> None:
    ids = Counter(attrs["id"] for _, attrs in page.tags if "id" in attrs)
    assert max(ids.values()) == 1
    targets = {attrs["href"][1:] for _, attrs in page.tags if attrs.get("href")}
    assert targets <= set(ids)


def test_tables_have_headers_and_controls_have_names(page: Page) -> None:
    assert all(attrs.get("scope") for tag, attrs in page.tags if tag == "th")
    assert all(attrs.get("aria-label") for tag, attrs in page.tags if tag in ("input", "select", "svg"))
    assert ("html", {"lang": "en"}) in page.tags


def test_it_says_what_it_must(page: Page) -> None:
    words = " ".join(" ".join(page.words).split())
    for needed in (
        "not certified",
        "1.20.0",
        "sha256:9d9d9d",
        "postgres 18.1 (real)",
        RELEASE,
        "seed 20260605",
        "rows corrupt in amount, payload",
        "237 cases in all",
        "certify run --engine dlt",
        "the oracle could not open the sink: database is locked",
        "Passes when",
        "What the engine reports",
    ):
        assert needed in words, needed


def test_outcomes_are_said_in_words_not_by_colour_alone(page: Page) -> None:
    fields = [attrs for tag, attrs in page.tags if tag == "td" and attrs.get("class") == "failed"]
    assert fields
    assert all("failed" in (attrs.get("title") or "") for attrs in fields)


def test_the_filter_finds_rows_by_outcome(page: Page) -> None:
    rows = Counter(attrs.get("class") for tag, attrs in page.tags if tag == "tr")
    assert rows["failed"] == 14
    assert rows["canttell"] == 1


def poisoned() -> ReleaseView:
    plan = make_plan("reference").model_copy(update={"release_id": HOSTILE})
    cells = {cell.key.cell_id: cell for cell in make_cells(plan)}
    victim = next(iter(cells.values()))
    bad = rows_judged(
        HOSTILE,
        {Anomaly.CORRUPT: 1},
        {HOSTILE: 1},
        RowSample(
            anomaly=Anomaly.CORRUPT,
            key={HOSTILE: HOSTILE},
            column=HOSTILE,
            expected=HOSTILE,
            actual=HOSTILE + "x",
        ),
        RowSample(anomaly=Anomaly.LOST, key={"id": HOSTILE}),
    )
    load = LoadEvidence(
        step=HOSTILE,
        run_id=HOSTILE,
        ended="error",
        message=HOSTILE,
        record={"final_rows": HOSTILE},
        seconds=0,
    )
    cells[victim.key.cell_id] = changed(
        victim, judgements=(bad,), loads=(load,), detail=HOSTILE, remedy=HOSTILE, release_id=HOSTILE
    )
    return ReleaseView(HOSTILE, (judge(plan, cells),))


def test_hostile_rows_stay_text() -> None:
    text = render_html(poisoned(), make_catalog())
    page = Page(text)
    assert len([tag for tag, _ in page.tags if tag == "script"]) == 1
    assert "img" not in {tag for tag, _ in page.tags}
    assert not [a for _, attrs in page.tags for a in attrs if a.startswith("on")]
    assert "&lt;script&gt;alert(1)" in text
    assert "{{7*7}}" in " ".join(page.words), "templates are not evaluated twice"


def large_release(cells: int) -> ReleaseView:
    """Every cell failed, each for a reason of its own, with the longest values: the worst case for size."""
    plan = make_plan("dlt")
    first = next(cell for cell in plan.cells if cell.disposition == "run")
    planned = tuple(
        first.model_copy(update={"key": first.key.model_copy(update={"scenario": f"s.{n:05}"})})
        for n in range(cells)
    )
    digest = CertificationPlan.digest_of(plan.catalog_digest, plan.profile, "dlt", planned)
    plan = plan.model_copy(update={"cells": planned, "plan_digest": digest})
    value = "<\0" * 2_000
    samples = tuple(
        RowSample(
            anomaly=Anomaly.CORRUPT, key={"id": value}, column="note", expected=value, actual=value[::-1]
        )
        for _ in range(20)
    )
    made: dict[str, CellEvidence] = {}
    for number, one in enumerate(planned):
        cell = make_cell(plan, one)
        judgement = rows_judged(f"after load 1 {value}", {Anomaly.CORRUPT: 1}, {f"c{number}": 1}, *samples)
        made[one.key.cell_id] = cell.model_copy(update={"judgements": (judgement,) * 3, "detail": value})
    return ReleaseView(RELEASE, (judge(plan, made),))


@pytest.mark.nightly
def test_ten_thousand_failures_stay_under_ten_megabytes() -> None:
    text = render_html(large_release(10_000), make_catalog())
    assert len(text.encode()) < 10_000_000
    assert text.count("<details><summary>postgres_to_postgres__") <= DETAILED_CELLS


def test_a_release_without_subjects_says_that_nothing_is_certified() -> None:
    assert "nothing is certified" in render_html(ReleaseView("empty", ()), make_catalog())


def test_the_file_is_written_whole(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "report.html"
    write_html(ReleaseView("empty", ()), make_catalog(), path)
    assert path.read_text(encoding="utf-8").endswith("</html>")
    assert [p.name for p in path.parent.iterdir()] == ["report.html"]
