"""The matrix as a page: everything a record says, nothing it does not, and nothing fetched."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.published import PublishedGuarantee, PublishedRecord
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.matrix_html import matrix_html
from certification_pipeline.report.matrix_rows import good_until, route_rows, strategies, system_rows
from certification_pipeline.report.published import read_published
from tests.evidence.builders import ENGINE, RELEASE, provenance
from tests.exports.sample import every_outcome


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> PublishedRecord:
    store = EvidenceStore.holding(every_outcome(tmp_path_factory.mktemp("matrix")))
    return read_published(store, RELEASE, ENGINE, provenance(80))


def with_cells(record: PublishedRecord, **changes: object) -> PublishedRecord:
    """The first red cell, changed."""
    cells = [
        cell.model_copy(update=changes) if cell.outcome is Outcome.FAILED else cell for cell in record.cells
    ]
    return record.model_copy(update={"cells": tuple(cells)})


class Page(HTMLParser):
    """Links, ids and what stands in the rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.links += [given["href"] or ""] if tag == "a" else []
        self.ids += [given["id"] or ""] if "id" in given else []
        self.loaded += [tag] if "src" in given or tag in {"link", "img", "iframe", "object"} else []


def test_red_cells_lead_to_their_finding_and_their_evidence(record: PublishedRecord) -> None:
    found = with_cells(record, findings=("dlt-13", "dlt_sql-02"), seen="3 rows lost")
    text, red = matrix_html([found]), next(c for c in found.cells if c.outcome is Outcome.FAILED)
    page = Page(text)
    assert {"findings/dlt.md", "findings/dlt_sql.md"} <= set(page.links)
    name = f"{red.route}__{red.strategy.value}__{red.scenario}.json"
    assert f"releases/{RELEASE}/{ENGINE}/cells/{name}" in text
    assert red.sha256 is not None
    assert red.sha256 in text
    assert "3 rows lost" in text
    assert f"#r-{ENGINE}-{red.route}-{red.strategy.value}" in page.links, "its field leads to its row"
    assert {link[1:] for link in page.links if link.startswith("#")} <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_it_says_since_when_and_until_when(record: PublishedRecord) -> None:
    until = good_until(record)
    assert until is not None
    text = matrix_html([record])
    assert f'data-until="{until.isoformat()}"' in text
    assert f"good until {until.date()}" in text
    assert str(record.evidence_from and record.evidence_from.date()) in text
    assert "proves no author" in text
    assert "✗ not certified" in text


def test_a_field_is_as_red_as_its_worst_route_and_no_profile_makes_it_grey(record: PublishedRecord) -> None:
    columns = strategies([record])
    rows = list(route_rows(record))
    assert {row.tally.outcome for row in rows} >= {Outcome.FAILED}
    assert [row.rank for row in rows] == sorted(row.rank for row in rows)
    for system in system_rows(record, columns):
        mine = [row for row in rows if system.system in row.route.split("_to_")]
        assert system.tally.outcome == Outcome.worst(row.tally.outcome for row in mine if row.tally.outcome)
    passed = next(cell for cell in record.cells if cell.outcome is Outcome.PASSED)
    gone = passed.model_copy(
        update={
            "scenario": "rec.kill",
            "outcome": Outcome.UNTESTED,
            "reason": ReasonCode.NOT_IN_PROFILE,
            "required": False,
            "sha256": None,
        }
    )
    only = record.model_copy(update={"cells": (passed, gone), "gaps": ()})
    (row,) = route_rows(only)
    assert (row.tally.outcome, row.left_out) == (Outcome.PASSED, 1)
    missing = gone.model_copy(update={"reason": ReasonCode.SERVICE_UNAVAILABLE})
    (row,) = route_rows(record.model_copy(update={"cells": (passed, missing), "gaps": ()}))
    assert (row.tally.outcome, row.left_out) == (Outcome.UNTESTED, 0)


def guarantee(outcome: Outcome, observed: Guarantee, route: str, kills: int) -> PublishedGuarantee:
    return PublishedGuarantee(
        route=route,
        strategy=Strategy.FULL_REFRESH,
        declared=Guarantee.EXACTLY_ONCE,
        observed=observed,
        verdict="upheld" if outcome is Outcome.PASSED else "disproved" if kills else "not shown",
        outcome=outcome,
        kills=kills,
        lost=2 if outcome is Outcome.FAILED else 0,
        repeated=0,
        at_most=None,
    )


def test_a_guarantee_is_said_to_be_observed_only_where_loads_were_broken(record: PublishedRecord) -> None:
    cell = next(cell for cell in record.cells if cell.strategy is Strategy.FULL_REFRESH)
    for outcome, observed, kills, told in (
        (Outcome.PASSED, Guarantee.EXACTLY_ONCE, 60, "✓ exactly-once"),
        (Outcome.FAILED, Guarantee.BEST_EFFORT, 60, "✗ best-effort"),
        (Outcome.CANT_TELL, Guarantee.EXACTLY_ONCE, 0, "? not shown"),
    ):
        shown = guarantee(outcome, observed, cell.route, kills)
        text = matrix_html([record.model_copy(update={"guarantees": (shown,)})])
        assert f">{told}</span>" in text
        assert ("? exactly-once" in text) is False


def test_nothing_is_fetched_and_nothing_a_row_brings_along_runs(record: PublishedRecord) -> None:
    hostile = "<script>alert(1)</script><img src=x onerror=alert(1)>\u202egreen"
    text = matrix_html([with_cells(record, seen=hostile)])
    page = Page(text)
    assert page.loaded == []
    assert "&lt;script&gt;alert(1)" in text
    assert "\u202e" not in text
    assert text.count("<script") == 1
    assert not [link for link in page.links if "://" in link or link.startswith("//")]
    script = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in text
    assert "url(" not in text


def test_links_of_this_repositorys_page_lead_somewhere() -> None:
    docs = Path(__file__).parents[2] / "docs"
    for link in set(Page((docs / "matrix.html").read_text()).links):
        assert link.startswith("#") or (docs / link).exists(), link


def test_nothing_published_says_so() -> None:
    assert "No release has been published yet." in matrix_html([])
