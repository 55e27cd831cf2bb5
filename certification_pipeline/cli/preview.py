"""The plans a run would seal, made without starting an engine or a service."""

from __future__ import annotations

from uuid import uuid4

from certification_pipeline.catalog.models import Catalog
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import environment, producer
from certification_pipeline.families.plan import build_plan
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.settings import RunSettings


def preview(settings: RunSettings, catalog: Catalog) -> list[CertificationPlan]:
    """One plan an engine. Services are probed, without side effects; engines are not asked who they are."""
    profile = catalog.profiles[settings.profile]
    availability = probe_all(catalog.systems)
    return [
        build_plan(
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
        )
        for engine in settings.chosen_engines(catalog)
    ]
