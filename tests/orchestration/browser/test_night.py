"""A stranger with a browser and nothing else: why is last night red, and what makes it green."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from tests.orchestration.browser.chromium import CHROMIUM, IN_A_BROWSER
from tests.orchestration.stacks.size import SIZE
from tests.orchestration.stacks.stack import LOCATION, PATIENCE, Stack, eventually

playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs Playwright")
pytestmark = IN_A_BROWSER
expect = playwright.expect
NIGHT = "night"
ONE_ROUTE = {**SIZE, "routes": ["postgres_to_duckdb"]}
PICTURES = os.environ.get("CERTIFY_TEST_PICTURES")
"""A directory for a picture of every step."""


@pytest.fixture(scope="module")
def night(stack: Stack) -> Stack:
    """Dagster after a night in which the machine killed the run in the midst of its cells."""
    run = stack.launch(NIGHT, config=ONE_ROUTE)
    stack.midway(NIGHT, run)
    stack.kill_worker(run)
    assert stack.ended(run) == "FAILURE"
    stack.verdict_run(NIGHT, run)
    assert stack.summary(NIGHT).outcome is Outcome.FAILED
    return stack


@pytest.fixture
def page(night: Stack) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1500, "height": 1000}, base_url=night.url)
        page.set_default_timeout(PATIENCE * 1000)
        expect.set_options(timeout=PATIENCE * 1000)
        yield page
        browser.close()


def test_why_is_it_red_rerun_the_route_see_it_green_download_the_summary(
    night: Stack, page: Any, tmp_path: Path
) -> None:
    # Why is last night red?
    page.goto("/runs")
    expect(page.get_by_text("full_certification").first).to_be_visible()
    picture(page, "runs")
    page.goto("/assets/verdict/reference/release_summary")
    expect(page.get_by_text("Planned, but nothing was recorded").first).to_be_visible()
    picture(page, "why-red")
    # The route that it names: once more.
    page.goto("/assets/matrix/reference/postgres/duckdb")
    materialize(night, page)
    picture(page, "route")
    # Decide again.
    page.goto(f"/locations/{LOCATION}/jobs/verdict")
    materialize(night, page)
    page.goto("/assets/verdict/reference/certification_suite")
    expect(page.get_by_text("passed").first).to_be_visible()
    picture(page, "suite")
    assert night.summary(NIGHT).outcome is Outcome.PASSED, night.summary(NIGHT).blockers
    # And take the summary home.
    page.goto("/assets/verdict/reference/release_summary")
    link = page.locator(f"a[href*='/evidence/releases/{NIGHT}']").first
    with page.expect_popup() as opened:
        link.click()
    evidence = opened.value
    evidence.goto(f"/evidence/releases/{NIGHT}/")
    picture(evidence, "evidence")
    with evidence.expect_download() as download:
        evidence.locator("a[href*='release_summary.json?download=1']").first.click()
    taken = tmp_path / "release_summary.json"
    download.value.save_as(taken)
    directory = night.store.release(NIGHT, "reference")
    assert taken.read_bytes() == directory.summary_path.read_bytes()
    assert json.loads(taken.read_text())["outcome"] == "passed"


def materialize(stack: Stack, page: Any) -> None:
    """Press the button, and wait for the run that it starts."""
    before = stack.runs_of_people()
    page.get_by_role("button", name="Materialize", exact=False).first.click()
    [run] = eventually("a run was started", lambda: stack.runs_of_people() - before)
    assert stack.ended(run) == "SUCCESS", stack.messages(run)


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))
