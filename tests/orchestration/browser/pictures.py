"""The pictures of docs/dagster.md, taken from an installation that is running.

    python -m tests.orchestration.browser.pictures http://127.0.0.1:3000 docs/images

Best after two releases: a green one and one with ``CERTIFY_PLANTED_DEFECT=ignore_deletes``. Needs Playwright
(``uv pip install --group browser``) and a Chromium. A picture of a page that says something else than it is
taken for is not taken.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tests.orchestration.browser.chromium import CHROMIUM

WIDTH = 1400
MOST_BYTES = 200_000
LOCATION = "certification_pipeline.definitions:defs"
"""As Dagster calls the one of the shipped workspace.yaml."""
PATIENCE = 120_000
"""Milliseconds for a page to say what it is taken for."""


class Picture(NamedTuple):
    """One page: what it must say before it is taken, and how much of it."""

    name: str
    path: str
    says: str
    height: int = 900
    click: str | None = None
    """A button or link to press first."""
    width: int = WIDTH


def pictures(engine: str, source: str, sink: str, check: str) -> tuple[Picture, ...]:
    """In the order of the page that shows them."""
    route = f"/assets/matrix/{engine}/{source}/{sink}"
    decided = f"/assets/verdict/{engine}/release_summary"
    return (
        Picture(
            "graph",
            f"/assets/publish/{engine}?view=lineage&lineageScope=upstream&lineageDepth=9",
            "Graph depth",
            1640,
            width=2100,  # Dagster draws all of it, however small it gets
        ),
        Picture("summary", decided, "2_what_to_do", 1150),
        Picture("red-check", f"{route}?view=checks&checkDetail={check}", "3_row_samples", 950),
        Picture("route", route, "4_cells", 1100),
        Picture("rerun", route, "Materialize all", 500, "Run this route again and decide"),
        Picture("plots", decided, "pass_rate", 1400, "Plots"),
        Picture("dossier", f"/assets/connectors/{engine}/{source}", "1_missing", 1100),
        Picture("launchpad", f"/locations/{LOCATION}/jobs/full_certification/playground", "No errors", 760),
        Picture("evidence", "/evidence/", "reference", 600),
    )


def main(argv: Sequence[str] | None = None) -> int:
    """0; 1 when one of them could not be taken, which is named."""
    parser = argparse.ArgumentParser(prog="pictures", description=__doc__)
    parser.add_argument("url", help="where `certify ui` listens")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--engine", default="reference")
    parser.add_argument("--route", nargs=2, metavar=("SOURCE", "SINK"), default=("postgres", "duckdb"))
    parser.add_argument("--check", default="snapshot_diff", help="a strategy that is red")
    parser.add_argument("--only", nargs="*", default=(), help="names of pictures")
    asked = parser.parse_args(argv)
    if CHROMIUM is None:
        parser.error("no Chromium here: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    failed = []
    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": WIDTH, "height": 900}, base_url=asked.url)
        page.set_default_timeout(PATIENCE)
        page.goto("/overview")
        page.get_by_text("Hide navigation").click()  # the browser's storage remembers it
        for one in pictures(asked.engine, *asked.route, asked.check):
            if not asked.only or one.name in asked.only:
                failed += [] if _taken(page, one, asked.directory) else [one.name]
        browser.close()
    if failed:
        sys.stderr.write(f"not taken: {', '.join(failed)}\n")
    return 1 if failed else 0


_SETTLED = """() => {
  const now = document.body.innerText.replace(/\\d+/g, '') + document.querySelectorAll('svg, a').length;
  const same = now === window.seen; window.seen = now;
  return same && (window.times = (window.times || 0) + 1) > 150 || !same && (window.times = 0);
}"""
"""Nothing but a figure has changed for a hundred and fifty frames: Dagster fills its parts in one by one, and
a countdown to its next look at the server ticks for ever."""


def _taken(page: Any, one: Picture, directory: Path) -> bool:
    page.set_viewport_size({"width": one.width, "height": one.height})
    page.goto(one.path)
    try:
        if one.click:
            page.get_by_text(one.click, exact=True).first.click()
        page.get_by_text(one.says).first.wait_for()
        page.wait_for_load_state("networkidle")
        page.wait_for_function(_SETTLED)
    except Exception as error:
        sys.stderr.write(f"{one.name}: {error}\n")
        return False
    path = directory / f"dagster-{one.name}.png"
    page.screenshot(path=str(path))
    size = path.stat().st_size
    sys.stderr.write(f"{path} {size:,} bytes\n")
    return size <= MOST_BYTES


if __name__ == "__main__":
    sys.exit(main())
