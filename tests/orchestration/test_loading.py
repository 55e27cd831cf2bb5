"""The code location loads, on nothing that Dagster calls preview, beta or superseded."""

from __future__ import annotations

import subprocess
import sys
import warnings
from pathlib import Path

import dagster as dg
import pytest
import yaml

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.layout import FAMILY_ARTIFACTS
from certification_pipeline.orchestration.assets.families import ABOUT
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import (
    CALIBRATION,
    FAMILY_ASSETS,
    PLAN,
    PUBLISHABLE,
    routes_of,
    summary_key,
)
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.shown import shown
from certification_pipeline.settings import SettingsError
from tests.orchestration.conftest import every_family

ROOT = Path(__file__).resolve().parents[2]


def test_loads_without_preview_beta_or_superseded_features() -> None:
    with warnings.catch_warnings():
        for category in (dg.PreviewWarning, dg.BetaWarning, dg.SupersessionWarning, DeprecationWarning):
            warnings.simplefilter("error", category)
        for catalog in (None, every_family()):
            defs = build_defs(CertificationResource(evidence_dir="unused"), catalog)
            dg.Definitions.validate_loadable(defs)


def test_every_engine_and_a_version_of_one_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_ENGINES", "all,dlt==1.30.0")
    defs = build_defs(CertificationResource(evidence_dir="unused"))
    dg.Definitions.validate_loadable(defs)
    keys = {tuple(key.path[:2]) for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert ("matrix", "dlt__1_30_0") in keys
    catalog = load_catalog()
    # An engine of which the profile can run nothing (no released package holds it) has no route to show.
    running = {e.id for e in catalog.engines.values() if any(routes_of(e, catalog.profiles["embedded"]))}
    assert {("matrix", engine) for engine in running} <= keys
    assert {"reference", "dlt", "krishiv"} <= running


@pytest.mark.nightly
def test_loads_as_the_workspace_file_says() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "dagster", "definitions", "validate", "-w", "workspace.yaml"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_route_of_the_profile_is_an_asset_and_every_claimed_strategy_its_check() -> None:
    catalog = load_catalog()
    graph = build_defs(CertificationResource()).resolve_asset_graph()
    profile = catalog.profiles["embedded"]
    routes = {
        ("matrix", engine, route.source, route.sink): {
            strategy.value
            for strategy, claim in route.strategies.items()
            if claim.support.value in ("Full", "Partial")
        }
        for engine in profile.engines
        for route in catalog.engines[engine].routes
        if {route.source, route.sink} <= set(profile.systems)
    }
    found = {
        tuple(key.path): {check.name for check in graph.asset_check_keys if check.asset_key == key}
        for key in graph.get_all_asset_keys()
        if key.path[0] == "matrix"
    }
    # A route of which nothing is claimed has nothing to check: its cells stand in the plan alone.
    assert found == {route: strategies for route, strategies in routes.items() if strategies}
    assert all(0 < len(checks) <= 30 for checks in found.values())


def test_each_asset_and_check_says_what_it_is_and_whose() -> None:
    graph = build_defs(CertificationResource(), every_family()).resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.owners, key
        assert node.description, key
        assert node.kinds, key
        assert any(name.startswith("certification/") for name in node.tags) or key == CALIBRATION, key
        assert node.group_name != "default", key
        assert node.partitions_def is None, key
    for key in graph.asset_check_keys:
        assert graph.get_check_spec(key).description, key


def test_the_graph_reads_as_the_seed_draws_it() -> None:
    """Seed 003, evidence model: six kinds of evidence, one suite, and the release summary over it."""
    graph = build_defs(CertificationResource(), every_family()).resolve_asset_graph()
    for engine in load_catalog().profiles["embedded"].engines:
        edges = {
            key.path[-1]: {parent.path[-1] for parent in graph.get(key).parent_keys}
            for key in graph.get_all_asset_keys()
            if key.path[0] in ("evidence", "verdict") and key.path[1] == engine
        }
        routes = {
            key.path[-1] for key in graph.get_all_asset_keys() if tuple(key.path[:2]) == ("matrix", engine)
        }
        assert edges == {
            "certification_report": routes,
            "benchmark_baseline": {"plan"},
            "openlineage_export": routes,
            "dbt_lineage": {"plan"},
            "replay_evidence": routes,
            "connector_live_tests": {"plan"},
            "calibration": {"plan", "calibration"},
            "strategy_certification_bundle": {
                "certification_report",
                "benchmark_baseline",
                "replay_evidence",
                "connector_live_tests",
            },
            "ops_evidence_bundle": {
                "certification_report",
                "benchmark_baseline",
                "openlineage_export",
                "dbt_lineage",
                "replay_evidence",
                "connector_live_tests",
                "calibration",
                "strategy_certification_bundle",
            },
            "certification_suite": {
                "certification_report",
                "benchmark_baseline",
                "openlineage_export",
                "dbt_lineage",
                "strategy_certification_bundle",
                "ops_evidence_bundle",
            },
            "evidence_chain": {"certification_suite"},
            "release_summary": {"evidence_chain"},
        }


def test_a_family_is_an_asset_of_just_the_engines_it_is_made_for() -> None:
    catalog = every_family()
    embedded = catalog.profiles["embedded"]
    only = embedded.model_copy(update={"families": {Family.REPLAY: ("reference",)}})
    changed = catalog.model_copy(update={"profiles": {**catalog.profiles, "embedded": only}})
    keys = build_defs(CertificationResource(), changed).resolve_asset_graph().get_all_asset_keys()
    evidence = {key.to_user_string() for key in keys if key.path[0] == "evidence"}
    assert evidence == {
        "evidence/reference/replay_evidence",
        *(f"evidence/{engine}/certification_report" for engine in embedded.engines),
    }


def test_every_family_beside_the_matrix_has_its_asset() -> None:
    assert {*FAMILY_ASSETS, Family.MATRIX} == {*Family} == {*FAMILY_ARTIFACTS}
    assert set(ABOUT) == set(FAMILY_ASSETS)


def test_every_family_shows_its_items() -> None:
    kinds = {Path(path).stem for family, path in FAMILY_ARTIFACTS.items() if family in FAMILY_ASSETS}
    assert kinds <= {model.KIND for model in shown.registry if issubclass(model, Artifact)}


def test_the_one_blocking_check_stands_before_publish() -> None:
    graph = build_defs(CertificationResource()).resolve_asset_graph()
    blocking = {key for key in graph.asset_check_keys if graph.get_check_spec(key).blocking}
    engines = load_catalog().profiles["embedded"].engines
    assert blocking == {dg.AssetCheckKey(summary_key(engine), PUBLISHABLE) for engine in engines}
    for engine in engines:
        assert graph.get(dg.AssetKey(["publish", engine])).parent_keys == {summary_key(engine)}


def test_whatever_is_made_goes_stale() -> None:
    """Evidence expires. An upgrade is certified when there is one: it is not late until then."""
    graph = build_defs(CertificationResource(), every_family()).resolve_asset_graph()
    fresh_for_ever = {key for key in graph.get_all_asset_keys() if graph.get(key).freshness_policy is None}
    assert {key.path[0] for key in fresh_for_ever} <= {"upgrades"}


def test_variables_of_the_command_line_are_heard(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CERTIFY_EVIDENCE_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CERTIFY_WORKERS", "3")
    monkeypatch.setenv("CERTIFY_ENGINES", "reference")
    resource = CertificationResource()
    assert resource.store().root == tmp_path / "elsewhere"
    assert resource.settings().workers == 3
    keys = build_defs(resource).resolve_asset_graph().get_all_asset_keys()
    assert PLAN in keys
    assert {key.path[1] for key in keys if key.path[0] == "matrix"} == {"reference"}
    monkeypatch.delenv("CERTIFY_EVIDENCE_DIR")
    monkeypatch.chdir(tmp_path)
    assert CertificationResource().store().root == tmp_path / ".certification"


def test_a_wrong_variable_does_not_load_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_PROFILE", "embeded")
    with pytest.raises(SettingsError, match="did you mean 'embedded'"):
        build_defs()


def test_the_instance_keeps_its_state_in_the_checkout_and_sends_nothing() -> None:
    with (ROOT / "dagster.yaml").open() as stream:
        config = yaml.safe_load(stream)
    assert config["storage"]["custom"]["config"]["base_dir"].startswith(".dagster/")
    assert config["telemetry"] == {"enabled": False}
    assert ".dagster/" in (ROOT / ".gitignore").read_text().split()
