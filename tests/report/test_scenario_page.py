"""The page of scenarios is the catalogue's, to the letter (law 10)."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.report.scenario_page import scenarios_page

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"


def test_the_page_is_what_the_catalogue_says() -> None:
    published = PAGE.read_text()
    assert published == scenarios_page(load_catalog()), (
        "write it anew: python -m certification_pipeline.report.scenario_page docs/scenarios.md"
    )


def test_a_release_note_is_told_under_its_scenario() -> None:
    catalog = load_catalog()
    scenario = catalog.scenarios["incr.noop"].model_copy(
        update={
            "version": 2,
            "history": {2: "An idle load may not write."},
            "limits": {"silence_seconds": 60},
        }
    )
    page = scenarios_page(catalog.model_copy(update={"scenarios": {scenario.id: scenario}}))
    assert "(version 2, proves beta)" in page
    assert "- Version 2: An idle load may not write.\n- Version 1:" in page
    assert "`silence_seconds`: 60" in page
