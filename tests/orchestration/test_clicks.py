"""Every next step that a click can do names its click, and the click names what there is."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import unquote

import dagster as dg
import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family, Strategy
from certification_pipeline.evidence import next_step
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.clicks import (
    Click,
    click_for,
    connector_again,
    decide_again,
    family_again,
    route_again,
)
from certification_pipeline.orchestration.render import breakable, plainly

CELL = CellKey(
    engine="reference",
    source="postgres",
    sink="duckdb",
    strategy=Strategy.SCD2,
    scenario="strategy.scd2",
)
STEPS = {
    next_step.rerun_cell(CELL, "r1"): "matrix/reference/postgres/duckdb › Checks › scd2 › Execute",
    next_step.rerun_release("reference", "r1"): "every route of reference › Materialize all",
    next_step.make_family(Family.BENCHMARK, "reference", "r1"): (
        "evidence/reference/benchmark_baseline › Materialize all"
    ),
    next_step.decide_again("replay execute", "reference", "r1"): (
        "evidence/reference/replay_evidence › Materialize all"
    ),
    next_step.decide_release_again("reference", "r1"): (
        "verdict/reference/release_summary and what is before it › Materialize all"
    ),
    next_step.mend_chain("reference", "r1"): None,  # first look at it
    next_step.sign_release("r1"): "verdict/dlt/release_summary and what is before it › Materialize all",
    next_step.benchmark_again("reference", "r1", 0.1): None,  # a person's files
    "certify run --engine dlt --route 'postgres_to_*' --scenario 'rec.*'": (
        "plan › Open launchpad › engines: [dlt] › routes: [postgres_to_*] › scenarios: [rec.*]"
    ),
    "certify run --profile live --engine dlt --route postgres_to_bigquery": None,  # another code location
    "Materialize `evidence/calibration` (or run `certify calibrate`), then this": (
        "evidence/calibration › Materialize"
    ),
    "Set it, don't guess": None,
    "certify": None,
}


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return build_defs().resolve_asset_graph()


@pytest.mark.parametrize("step", STEPS)
def test_a_next_step_has_its_click(step: str) -> None:
    found = click_for(step, "dlt", "embedded")
    assert (found.says if found else None) == STEPS[step]


@pytest.mark.parametrize("step", [step for step, says in STEPS.items() if says])
def test_a_click_leads_to_what_there_is(step: str, graph: dg.AssetGraph) -> None:
    found = click_for(step, "dlt")
    assert found is not None
    leads_somewhere(found, graph)


@pytest.mark.parametrize(
    "url",
    [
        route_again("reference", "postgres", "duckdb"),
        connector_again("dlt", "postgres"),
        family_again("reference", Family.REPLAY),
        decide_again("dlt"),
    ],
)
def test_a_rerun_decides_again(url: str, graph: dg.AssetGraph) -> None:
    leads_somewhere(Click("", url), graph)
    assert "verdict/" in unquote(url), "a rerun that does not decide leaves the suite as it was"
    assert "publish" not in url


def leads_somewhere(click: Click, graph: dg.AssetGraph) -> None:
    """To a page of an asset or check, or to a selection that holds something."""
    there = {key.to_user_string() for key in graph.get_all_asset_keys()}
    address = unquote(click.url)
    if address.startswith("/assets/"):
        key, _, check = address.removeprefix("/assets/").partition("?view=checks&checkDetail=")
        assert key in there
        checks = {found.name for found in graph.asset_check_keys if found.asset_key.to_user_string() == key}
        assert not check or check in checks
        return
    patterns = re.findall(r'key:"([^"]+)"', address)
    matches: Callable[[str], list[str]] = lambda pattern: [  # noqa: E731
        key for key in there if re.fullmatch(re.escape(pattern).replace(r"\*", "[^/]*"), key)
    ]
    assert matches(patterns[0])
    assert sum(bool(matches(pattern)) for pattern in patterns) >= 3


def test_what_follows_is_named_by_what_it_comes_from() -> None:
    quoted = (
        "its outcome is failed: certification_report.not_passed: its outcome is failed: "
        "matrix_cell.not_passed:postgres_to_duckdb__scd2__types.matrix: after load 1: 2 corrupt"
    )
    assert plainly(quoted) == "postgres → duckdb, scd2, types.matrix: after load 1: 2 corrupt"
    assert plainly("benchmark_baseline.json is required and is not there") == (
        "benchmark_baseline.json is required and is not there"
    )


def test_long_names_may_break_and_short_ones_stay_as_they_are() -> None:
    assert breakable("strategy_certification_bundle") == "strategy_\u200bcertification_\u200bbundle"
    assert breakable("postgres duckdb scd2 /a/b 1.2") == "postgres duckdb scd2 /a/b 1.2"


def test_every_strategy_of_every_route_is_one_click(graph: dg.AssetGraph) -> None:
    catalog = load_catalog()
    profile = catalog.profiles["embedded"]
    engine = catalog.engines["reference"]
    for route in engine.routes:
        if {route.source, route.sink} <= set(profile.systems):
            key = CELL.model_copy(update={"source": route.source, "sink": route.sink})
            for strategy, claim in route.strategies.items():
                if claim.support in ("Full", "Partial"):
                    rerun = next_step.rerun_cell(key.model_copy(update={"strategy": strategy}), "r")
                    found = click_for(rerun, "reference")
                    assert found is not None
                    leads_somewhere(found, graph)
