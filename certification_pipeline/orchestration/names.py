"""Asset keys, groups, tags and owners: one place, so that the graph reads the same everywhere."""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from certification_pipeline.catalog.models import Engine, Profile, RouteClaims
from certification_pipeline.catalog.vocabulary import Strategy, Support

OWNERS = ["team:connector-certification"]
PLAN = dg.AssetKey(["plan"])
PUBLISHABLE = "publishable"
RELEASE_TAG = "certification/release"
"""Run tag that names the release a run works on; without it: the run's own, else the latest."""


def route_key(engine: str, source: str, sink: str) -> dg.AssetKey:
    """``matrix/<engine>/<source>/<sink>``."""
    return dg.AssetKey(["matrix", engine, source, sink])


def report_key(engine: str) -> dg.AssetKey:
    """``evidence/<engine>/certification_report``."""
    return dg.AssetKey(["evidence", engine, "certification_report"])


def suite_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/certification_suite``."""
    return dg.AssetKey(["verdict", engine, "certification_suite"])


def summary_key(engine: str) -> dg.AssetKey:
    """``verdict/<engine>/release_summary``."""
    return dg.AssetKey(["verdict", engine, "release_summary"])


def publish_key(engine: str) -> dg.AssetKey:
    """``publish/<engine>``."""
    return dg.AssetKey(["publish", engine])


def tags_of(engine: Engine, profile: Profile, **more: str) -> dict[str, str]:
    """Tags by which the catalogue is filtered: engine, profile, and what else is given."""
    named = {"engine": engine.id, "profile": profile.id, **more}
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
