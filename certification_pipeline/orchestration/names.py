"""Asset keys, groups, tags and owners: one place, so that the graph reads the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

import dagster as dg

from certification_pipeline.alerts.links import spelled
from certification_pipeline.catalog.claims import RouteClaims
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.vocabulary import Family, Strategy, Support

RELEASE = "release"
"""In the metadata of whatever is about one release: its id."""
DIGESTS = "+"
"""Between the digests of the engines' plans, in the version of ``plan``."""
OWNERS = ["team:connector-certification"]
PLAN = dg.AssetKey(["plan"])
CALIBRATION = dg.AssetKey(["evidence", "calibration"])
"""Of the bench, for all engines; each engine's release takes it up."""
MATRIX_POOL = "matrix"
"""The pool of the steps that run cells. Not one a service: a step uses several, as source or as sink."""
UPGRADES = "upgrades"
"""The group of new versions of engines: each is a release of its own, that no other job makes."""
NOTHING_REGRESSED = "nothing_regressed"
BENCH = "bench"
"""The group of what is about the bench: no release's job runs it."""
PASSED = "passed"
"""The check of every evidence family."""
PUBLISHABLE = "publishable"
CHAIN_CHECK = "chain_verified"
FAMILY_TAG = "certification/family"
"""Asset tag that names the evidence family an asset makes."""
EVIDENCE = "/evidence"
"""Where evidence is read in the browser, on Dagster's own port."""
RELEASE_TAG = "certification/release"
"""Run tag that names the release a run works on; without it: the run's own, else the latest."""


word = spelled
"""The engine's id in keys and names; notices link to assets by the same rule."""


def route_key(engine: str, source: str, sink: str) -> dg.AssetKey:
    """``matrix/<engine>/<source>/<sink>``."""
    return dg.AssetKey(["matrix", word(engine), source, sink])


def report_key(engine: str) -> dg.AssetKey:
    """``evidence/<engine>/certification_report``."""
    return dg.AssetKey(["evidence", word(engine), "certification_report"])


FAMILY_ASSETS: Mapping[Family, str] = MappingProxyType(
    {
        Family.BENCHMARK: "benchmark_baseline",
        Family.OPENLINEAGE: "openlineage_export",
        Family.DBT_LINEAGE: "dbt_lineage",
        Family.REPLAY: "replay_evidence",
        Family.CONNECTOR_LIVE: "connector_live_tests",
        Family.CALIBRATION: "calibration",
    }
)
"""What each family's asset is called; the matrix is the route assets and the certification report."""


def family_key(engine: str, family: Family) -> dg.AssetKey:
    """``evidence/<engine>/<what the family makes>``."""
    return dg.AssetKey(["evidence", word(engine), FAMILY_ASSETS[family]])


def strategy_bundle_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/strategy_certification_bundle``."""
    return dg.AssetKey(["verdict", word(engine), "strategy_certification_bundle"])


def evidence_bundle_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/ops_evidence_bundle``."""
    return dg.AssetKey(["verdict", word(engine), "ops_evidence_bundle"])


def chain_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/evidence_chain``."""
    return dg.AssetKey(["verdict", word(engine), "evidence_chain"])


def suite_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/certification_suite``."""
    return dg.AssetKey(["verdict", word(engine), "certification_suite"])


def summary_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/release_summary``."""
    return dg.AssetKey(["verdict", word(engine), "release_summary"])


def decided_keys(engine: str) -> tuple[dg.AssetKey, ...]:
    """All that is decided from files alone, in order: what a broken run leaves to be decided."""
    return (
        report_key(engine),
        strategy_bundle_key(engine),
        evidence_bundle_key(engine),
        suite_key(engine),
        chain_key(engine),
        summary_key(engine),
    )


def connector_key(engine: str, system: str) -> dg.AssetKey:
    """``connectors/<engine>/<system>``."""
    return dg.AssetKey(["connectors", word(engine), system])


def requirement_check(policy: str, place: int, requirement: str) -> str:
    """``dpone_2_beta_types``: the UI sorts by name, and levels are read from the lowest up."""
    return word(f"{policy}_{place}_{requirement}")


def publish_key(engine: str) -> dg.AssetKey:
    """``publish/<engine>``."""
    return dg.AssetKey(["publish", word(engine)])


def upgrade_key(engine: str) -> dg.AssetKey:
    """``upgrades/<engine>``."""
    return dg.AssetKey([UPGRADES, word(engine)])


def tags_of(engine: Engine, profile: Profile, **more: str) -> dict[str, str]:
    """Tags by which the catalogue is filtered: engine, profile, and what else is given."""
    named = {"engine": word(engine.id), "profile": profile.id, **more}
    return {f"certification/{name}": value for name, value in named.items()}


def routes_of(engine: Engine, profile: Profile) -> Iterator[tuple[RouteClaims, tuple[Strategy, ...]]]:
    """The engine's routes inside the profile, with the strategies it claims there."""
    for route in engine.routes:
        if {route.source, route.sink} <= set(profile.systems):
            claimed = tuple(
                strategy
                for strategy, claim in route.strategies.items()
                if claim.support in (Support.FULL, Support.PARTIAL)
            )
            if claimed:
                yield route, claimed
