"""A stranger with a browser and nothing else: why is last night red, and what makes it green."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from tests.orchestration.robust.conftest import Stack, eventually

playwright = pytest.importorskip("playwright.sync_api", reason="make test-browser installs Playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [
    pytest.mark.integration_live,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here: apt-get install chromium"),
]
expect = playwright.expect
PATIENCE = 240_000
NIGHT = "night"
PICTURES = os.environ.get("CERTIFY_TEST_PICTURES")
"""A directory for a picture of every step."""


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Dagster after a night in which the machine killed the run in the midst of its cells."""
    location = Path(__file__).with_name("location.py")
    with Stack.installed(
        tmp_path_factory.mktemp("night"), "ui", "daemon", "code", location=location
    ) as stack:
        run = stack.launch(NIGHT)
        stack.midway(NIGHT, run)
        os.kill(stack.process_of(run), signal.SIGKILL)
        assert stack.ended(run) == "FAILURE"
        stack.verdict_run(NIGHT, run)
        assert stack.summary(NIGHT).outcome is Outcome.FAILED
        yield stack


@pytest.fixture
def page(night: Stack) -> Iterator[Any]:
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(
            viewport={"width": 1500, "height": 1000}, base_url=f"http://127.0.0.1:{night.web}"
        )
        page.set_default_timeout(PATIENCE)
        expect.set_options(timeout=PATIENCE)
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
    page.goto("/locations/robust/jobs/verdict")
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
    before = set(all_runs(stack))
    page.get_by_role("button", name="Materialize", exact=False).first.click()
    [run] = eventually("a run was started", lambda: set(all_runs(stack)) - before)
    assert stack.ended(run) == "SUCCESS", stack.messages(run)


def all_runs(stack: Stack) -> dict[str, str]:
    found = stack.ask("{ runsOrError { ... on Runs { results { runId status } } } }")
    return {run["runId"]: run["status"] for run in found["runsOrError"]["results"]}


def picture(page: Any, name: str) -> None:
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"))
