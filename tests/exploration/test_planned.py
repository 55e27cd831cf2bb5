"""Which cells are explored: a reader is asked about promises only; what takes long waits to be asked for."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import ReasonCode, Strategy
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.families.obstacles import Obstacles
from certification_pipeline.harness.services.provider import Availability
from tests.exploration import EXPLORED


def reason(engine: str, strategy: Strategy, scenario: str, *, sink: str = "postgres", asked: str = "") -> str:
    """Why the cell does not run in the embedded profile; empty when it does."""
    catalog = load_catalog()
    there = {name: Availability(ok=True, detail="there") for name in catalog.systems}
    profile = catalog.profiles["embedded"]
    obstacles = Obstacles(catalog, catalog.engine(engine), profile, there, (asked,) if asked else ())
    key = CellKey(engine=engine, source="postgres", sink=sink, strategy=strategy, scenario=scenario)
    found = obstacles.of(key)
    return found.reason if found else ""


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        ("reference", ""),
        ("dlt", ""),
        ("dlt_truncate", ReasonCode.NOT_DECLARED),
        ("sling", ReasonCode.NOT_DECLARED),
    ],
)
def test_a_reader_is_only_asked_about_a_promise(engine: str, expected: str) -> None:
    assert reason(engine, Strategy.FULL_REFRESH, "rec.partial_replace", asked="rec.*") == expected


def test_files_have_no_reader_beside_them_and_no_commits_on_a_wire() -> None:
    told = reason("reference", Strategy.FULL_REFRESH, "rec.partial_replace", sink="duckdb", asked="rec.*")
    assert told == ReasonCode.SINK_LACKS
    assert reason("reference", Strategy.FULL_REFRESH, "rec.crash_points", sink="duckdb") == ""


@pytest.mark.parametrize("scenario", [name for name in EXPLORED if name != "rec.partial_replace"])
def test_other_engines_are_explored_when_asked(scenario: str) -> None:
    append = Strategy.INCREMENTAL_APPEND
    assert reason("dlt", append, scenario) == ReasonCode.NOT_IN_PROFILE
    assert reason("dlt", append, scenario, asked=scenario) == ""
