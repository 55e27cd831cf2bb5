"""The plans a run would seal, made without starting an engine or a service."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import uuid4

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import environment, producer
from certification_pipeline.families.plan import PlanError, build_plan
from certification_pipeline.harness.services.provider import Availability
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.settings import RunSettings


def preview(settings: RunSettings, catalog: Catalog) -> list[CertificationPlan]:
    """One plan an engine. Services are probed, without side effects; engines are not asked who they are."""
    availability = probe_all(catalog.systems)
    plans: list[CertificationPlan] = []
    unmatched: PlanError | None = None
    for engine in settings.chosen_engines(catalog):
        try:
            plans.append(_plan(settings, catalog, engine, availability))
        except PlanError as error:
            unmatched = error  # a filter may fit one engine and not another
    if not plans and unmatched:
        raise unmatched
    return plans


def _plan(
    settings: RunSettings, catalog: Catalog, engine: str, availability: Mapping[str, Availability]
) -> CertificationPlan:
    profile = catalog.profiles[settings.profile]
    return build_plan(
        catalog,
        engine,
        profile.id,
        rows=settings.rows or profile.rows,
        seed=settings.seed,
        release_id=settings.release_id,
        run_id=str(uuid4()),
        subject=Subject(engine=engine, version="not asked", artifact_digest=""),
        availability=availability,
        producer=producer(),
        environment=environment(),
        routes=settings.routes,
        strategies=settings.strategies,
        scenarios=settings.scenarios,
        families=settings.chosen_families(engine, catalog),
        only_families=settings.families,
        one_of_many=len(settings.chosen_engines(catalog)) > 1,
    )
