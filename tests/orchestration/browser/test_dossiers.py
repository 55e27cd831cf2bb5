"""A red night looked at in a real browser: no dead link, nothing cut off, and each rerun one click away."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.orchestration.names import route_key, summary_key
from tests.orchestration.browser.chromium import CHROMIUM, IN_A_BROWSER
from tests.orchestration.browser.pages import Said, said
from tests.orchestration.stacks.local import LocalStack
from tests.orchestration.stacks.size import NARROWED, SIZE
from tests.orchestration.stacks.stack import eventually

playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs Playwright")
pytestmark = IN_A_BROWSER
expect = playwright.expect
NIGHT = "last-night"
ONE_ROUTE = {**SIZE, "routes": ["postgres_to_sqlite"], "scenarios": ["strategy.*", "types.matrix"]}
ROUTE = route_key("reference", "postgres", "sqlite")
SUMMARY = "/assets/" + "/".join(summary_key("reference").path)
VALUES = ("3_row_samples",)
"""What was in a table: may look like anything."""
EXECUTE = re.compile(r"\bExecute$")
"""Of one check; its icon has a name, too, and *Execute all* is another."""
PICTURES = os.environ.get("CERTIFY_TEST_PICTURES")


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """Dagster after a night in which the engine ignored deletes."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(NARROWED, "CERTIFY_PLANTED_DEFECT", "ignore_deletes")
        with LocalStack.installed(tmp_path_factory.mktemp("night"), "webserver", "daemon", "code") as made:
            made.patience = 900.0  # seven cells, a family, every gate
            run = made.launch(NIGHT, config=ONE_ROUTE)
            assert made.ended(run) == "FAILURE"
            yield made


@pytest.fixture(scope="module")
def pages(night: LocalStack) -> list[Said]:
    return said(night)


@pytest.fixture
def page(night: LocalStack) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1000}, base_url=night.url)
        page.set_default_timeout(night.patience * 1000)
        expect.set_options(timeout=night.patience * 1000)
        yield page
        browser.close()


def test_no_link_is_dead(pages: list[Said], page: Any) -> None:
    addresses = sorted({address for one in pages for address in one.addresses()})
    assert any(address.startswith("/asset-groups~") for address in addresses)
    assert any("checkDetail" in address for address in addresses)
    for address in addresses:
        if address.startswith("/evidence"):
            answer = page.request.get(address)
            assert answer.ok, (address, answer.status)
            continue
        page.goto(address)
        button = {"checkDetail": EXECUTE, "/asset-groups": "Materialize all"}
        name = next((says for part, says in button.items() if part in address), "Materialize")
        expect(page.get_by_role("button", name=name).first).to_be_enabled()
        assert not page.get_by_text("Invalid selection").count(), address


def test_a_page_is_tables_figures_and_links_and_no_raw_json(pages: list[Said]) -> None:
    for one in pages:
        for entry in one.entries:
            assert entry["__typename"] != "JsonMetadataEntry", (one.name, entry["label"])
            assert not (entry.get("text") or "").startswith(("{", "[")), (one.name, entry["label"])
            for record in (entry.get("table") or {}).get("records", ()):
                if entry["label"] not in VALUES:
                    assert ': "{' not in record, (one.name, entry["label"], record)
                    assert ': "[' not in record, (one.name, entry["label"], record)


def test_why_is_it_red_stands_left_and_leads_to_execute(night: LocalStack, page: Any) -> None:
    page.goto(SUMMARY)
    why = page.get_by_role("columnheader", name="why").first
    expect(why).to_be_visible()
    picture(page, "why-red")
    click = page.locator("th", has_text="click").first
    scrolls = page.locator("td", has=why).last.locator("xpath=ancestor::div[1]")
    assert right(click) <= right(scrolls), "the click is cut off"
    page.get_by_role("link", name="Execute").first.click()
    expect(page.get_by_role("button", name=EXECUTE)).to_be_enabled()
    expect(page.get_by_text("resurrected_delete").first).to_be_visible()
    expect(page.get_by_text("pass_rate").first).to_be_visible()
    picture(page, "red-check")


def test_one_click_runs_a_connector_again_and_decides(night: LocalStack, page: Any) -> None:
    before = night.summary(NIGHT).run_id
    page.goto("/assets/connectors/reference/sqlite")
    page.get_by_role("link", name="Run every route of it again and decide").click()
    started = night.runs_of_people()
    button = page.get_by_role("button", name="Materialize all").first
    expect(button).to_be_enabled()
    picture(page, "connector-again")
    button.click()
    [run] = eventually("a run was started", lambda: night.runs_of_people() - started)
    assert night.ended(run) == "FAILURE", "the defect is still there"
    assert night.summary(NIGHT).run_id == run != before
    cells = night.cells(NIGHT).values()
    assert {cell.run_id for cell in cells} == {run}
    assert {attempt.run_id for cell in cells for attempt in cell.attempts}


def right(found: Any) -> float:
    """Of its box, in pixels."""
    box = found.bounding_box()
    assert box is not None
    return float(box["x"] + box["width"])


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))
