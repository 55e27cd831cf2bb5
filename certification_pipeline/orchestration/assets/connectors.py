"""Dossiers: what each connector of an engine has proven, line by line of the level policies.

Made in the step that decides: it works the levels out of the ledger once, however many connectors there are,
and a step of their own would be held back by the one blocking check just when a release is red.
"""

from __future__ import annotations

from collections.abc import Iterator

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.policies import LevelPolicy, LevelSpec, Requirement, Unit
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.clicks import connector_again
from certification_pipeline.orchestration.freshness import DAILY_VERDICT
from certification_pipeline.orchestration.names import (
    OWNERS,
    connector_key,
    requirement_check,
    routes_of,
    summary_key,
    tags_of,
)

Line = tuple[LevelPolicy, int, LevelSpec, Requirement]


def connector_specs(catalog: Catalog, profile: Profile, engine: Engine) -> list[dg.AssetSpec]:
    """``connectors/<engine>/<system>`` of every system on a route of the profile."""
    return [
        _spec(
            catalog,
            profile,
            engine,
            system,
            roles=roles,
            again=connector_again(engine.id, system),
        )
        for system, roles in roles_of(engine, profile).items()
    ]


def connector_check_specs(catalog: Catalog, profile: Profile, engine: Engine) -> list[dg.AssetCheckSpec]:
    """One a requirement and connector: the seeds' line, word for word."""
    return [
        dg.AssetCheckSpec(
            requirement_check(policy.id, place, line.id),
            asset=connector_key(engine.id, system),
            description=f"{policy.title}, {level.title}: “{line.text}”",
        )
        for system in roles_of(engine, profile)
        for policy, place, level, line in _lines(catalog)
    ]


def dossiers(
    catalog: Catalog,
    profile: Profile,
    engine: Engine,
    *,
    directory: SubjectDir,
    run_id: str,
    view: late.SubjectView,
) -> Iterator[dg.MaterializeResult]:
    """Every connector's, from the levels that this very run granted; without those nothing is proven."""
    levels = _levels(directory, run_id)
    mine: dict[str, list[late.ConnectorLevel]] = {}
    for one in levels.connectors if levels else ():
        mine.setdefault(one.name.partition("/")[2], []).append(one)
    for system in roles_of(engine, profile):
        key, ladders = connector_key(engine.id, system), mine.get(system, [])
        checks = [
            late.check_of(key, policy, place, line, ladders) for policy, place, _, line in _lines(catalog)
        ]
        yield late.dossier(key, view, system, ladders, levels)._replace(check_results=checks)


def roles_of(engine: Engine, profile: Profile) -> dict[str, tuple[str, ...]]:
    """System -> ``source``, ``sink`` or both, on the engine's routes inside the profile."""
    found: dict[str, set[str]] = {}
    for route, _ in routes_of(engine, profile):
        found.setdefault(route.source, set()).add("source")
        found.setdefault(route.sink, set()).add("sink")
    return {
        system: tuple(role for role in ("source", "sink") if role in roles) for system, roles in found.items()
    }


def _lines(catalog: Catalog) -> Iterator[Line]:
    for policy in catalog.policies.values():
        if Unit.CONNECTOR in policy.units:
            for place, level in enumerate(policy.levels, start=1):
                for line in level.everything:
                    yield policy, place, level, line


def _levels(directory: SubjectDir, run_id: str) -> late.ConnectorLevels | None:
    """``None`` when they could not be worked out: the release summary says why."""
    try:
        found = directory.read(layout.CONNECTOR_LEVELS, late.ConnectorLevels)
    except EvidenceError:
        return None
    return found if found.run_id == run_id else None


def _spec(
    catalog: Catalog, profile: Profile, engine: Engine, system: str, *, roles: tuple[str, ...], again: str
) -> dg.AssetSpec:
    about = catalog.systems[system]
    return dg.AssetSpec(
        connector_key(engine.id, system),
        deps=[summary_key(engine.id)],
        group_name="connectors",
        owners=OWNERS,
        kinds={*about.kinds[:1], *engine.kinds[-1:]},
        tags=tags_of(engine, profile, connector=system),
        freshness_policy=DAILY_VERDICT,
        skippable=True,
        description=(
            f"**{engine.title}**, {about.title} as {' and '.join(roles)}: the level each policy grants, "
            "what is missing for the next one with its command, what expires when. A check a requirement: "
            "red up to the level it is granted or claims, amber above.\n\n"
            f"**[Run every route of it again and decide]({again})**: then press *Materialize all*."
        ),
    )
