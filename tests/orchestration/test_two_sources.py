"""Routes of two sources: one step and one crew for all that is asked of an engine, and no more than that."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import dagster as dg
import pytest

from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.orchestration.names import route_key
from certification_pipeline.orchestration.parts import LEFT_OUT
from tests.orchestration.conftest import SIZE, House, failures, small_catalog

pytestmark = pytest.mark.integration

PAIRS = (("postgres", "duckdb"), ("postgres", "postgres"), ("api", "postgres"))
"""PostgreSQL is a source and a sink, and the sink of both sources."""
POSTGRES_DUCKDB, POSTGRES_POSTGRES, API_POSTGRES = (route_key("reference", *pair) for pair in PAIRS)
STEP = "matrix_reference"
WHOLE, NARROW = "whole", "narrow"


@pytest.fixture(scope="module")
def mixed(house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """Two sources in one code location; ``house`` for the families of this package."""
    made = House(tmp_path_factory.mktemp("mixed"), small_catalog(PAIRS))
    yield made
    made.instance.dispose()


@pytest.fixture(scope="module")
def whole(mixed: House) -> dg.ExecuteInProcessResult:
    """Every route of the engine and what follows."""
    return mixed.job("full_certification", WHOLE, SIZE)


@pytest.fixture(scope="module")
def narrow(mixed: House) -> dg.ExecuteInProcessResult:
    """A release of one route of three."""
    return mixed.job("full_certification", NARROW, {**SIZE, "routes": ["postgres_to_postgres"]})


def routes(result: dg.ExecuteInProcessResult) -> set[dg.AssetKey]:
    made = {e.asset_key for e in result.get_asset_materialization_events() if e.asset_key}
    return {key for key in made if key.path[0] == "matrix"}


def evaluated(result: dg.ExecuteInProcessResult) -> set[tuple[dg.AssetKey, str]]:
    return {
        (check.asset_key, check.check_name)
        for check in result.get_asset_check_evaluations()
        if check.asset_key.path[0] == "matrix"
    }


def services(house: House, run_id: str) -> list[str]:
    """Each that was started, as often as it was."""
    said = [entry.user_message for entry in house.instance.all_logs(run_id)]
    return sorted(found[1] for line in said if (found := re.match(r"(\w+) \S+ \(.+\) is up in ", line)))


def rerun(house: House, result: dg.ExecuteInProcessResult, release: str) -> set[str]:
    """Route and strategy of each cell that this run has made."""
    made = {name for name, cell in house.cells(release).items() if cell.run_id == result.run_id}
    return {"__".join(name.split("__")[:2]) for name in made}


def test_one_step_runs_them_all_and_starts_each_service_once(
    mixed: House, whole: dg.ExecuteInProcessResult
) -> None:
    assert whole.success, [failures(whole), mixed.blockers(WHOLE)]
    begun = [e.step_key for e in whole.all_events if e.is_step_start]
    assert [step for step in begun if step and step.startswith("matrix")] == [STEP]
    assert services(mixed, whole.run_id) == ["api", "duckdb", "postgres"]
    assert routes(whole) == {POSTGRES_DUCKDB, POSTGRES_POSTGRES, API_POSTGRES}
    assert len(evaluated(whole)) == 2 * len(PAIRS)


def test_each_route_shows_its_own_cells(mixed: House, whole: dg.ExecuteInProcessResult) -> None:
    shown = {
        e.asset_key: e.materialization.metadata["cells"].value
        for e in whole.get_asset_materialization_events()
        if e.asset_key in routes(whole)
    }
    directory = mixed.directory(WHOLE)
    planned = [cell.key for cell in directory.read(directory.plan_path, CertificationPlan).cells]
    claimed = [key for key in planned if (key.source, key.sink) in PAIRS]
    assert shown == Counter(route_key("reference", key.source, key.sink) for key in claimed)


def test_routes_of_two_sources_run_again_and_no_other(mixed: House, whole: dg.ExecuteInProcessResult) -> None:
    assert whole.success
    again = mixed.only(POSTGRES_DUCKDB, API_POSTGRES, release=WHOLE)
    assert again.success, failures(again)
    assert routes(again) == {POSTGRES_DUCKDB, API_POSTGRES}
    assert {key for key, _ in evaluated(again)} == {POSTGRES_DUCKDB, API_POSTGRES}
    assert rerun(mixed, again, WHOLE) == {
        f"{route}__{strategy}"
        for route in ("postgres_to_duckdb", "api_to_postgres")
        for strategy in ("full_refresh", "snapshot_diff")
    }


def test_checks_of_two_sources_run_again_and_no_other(mixed: House, whole: dg.ExecuteInProcessResult) -> None:
    """The same sink and the same strategy are there twice: neither alone says which cells are meant."""
    assert whole.success
    asked = {(POSTGRES_POSTGRES, "full_refresh"), (API_POSTGRES, "snapshot_diff")}
    again = mixed.only(checks=tuple(dg.AssetCheckKey(*check) for check in asked), release=WHOLE)
    assert again.success, failures(again)
    assert not routes(again)
    assert evaluated(again) == asked
    assert rerun(mixed, again, WHOLE) == {
        "postgres_to_postgres__full_refresh",
        "api_to_postgres__snapshot_diff",
    }
    assert services(mixed, again.run_id) == ["api", "postgres"]


def test_what_a_plan_leaves_out_is_told_by_source_and_sink(
    mixed: House, narrow: dg.ExecuteInProcessResult
) -> None:
    assert narrow.success, [failures(narrow), mixed.blockers(NARROW)]
    notes = {
        e.asset_key: str(e.materialization.metadata[LEFT_OUT].value)
        for e in narrow.get_asset_materialization_events()
        if e.asset_key in routes(narrow) and LEFT_OUT in e.materialization.metadata
    }
    assert set(notes) == {API_POSTGRES, POSTGRES_DUCKDB}
    assert "leaves out api to postgres: it was narrowed to routes postgres_to_postgres" in notes[API_POSTGRES]
    assert "leaves out postgres to duckdb: it was narrowed to" in notes[POSTGRES_DUCKDB]
    amber = {
        (e.asset_key, e.check_name): e.severity
        for e in narrow.get_asset_check_evaluations()
        if e.asset_key in notes
    }
    assert set(amber.values()) == {dg.AssetCheckSeverity.WARN}
    assert len(amber) == 2 * len(notes)
    assert rerun(mixed, narrow, NARROW) == {
        "postgres_to_postgres__full_refresh",
        "postgres_to_postgres__snapshot_diff",
    }


def test_who_asks_for_routes_of_two_sources_is_told_which_are_not_there(
    mixed: House, narrow: dg.ExecuteInProcessResult
) -> None:
    assert narrow.success
    asked = mixed.only(POSTGRES_DUCKDB, POSTGRES_POSTGRES, API_POSTGRES, release=NARROW)
    assert set(failures(asked)) == {STEP}
    assert "leaves out api to postgres; postgres to duckdb: it was narrowed to" in failures(asked)[STEP]
    assert not rerun(mixed, asked, NARROW), "told before anything runs"
