"""The shipped catalogue, and plans made of it; one without changes is made once, for plans are frozen."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.engines import DriverSpec, Engine
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Guarantee, Strategy, Support
from certification_pipeline.evidence.artifact import Environment, Producer, Subject
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.families.plan import build_plan
from certification_pipeline.harness.services.provider import Availability

HERE = Availability(ok=True, detail="ready")
EMBEDDED = dict.fromkeys(("postgres", "duckdb", "sqlite", "parquet"), HERE)
FULL = Claim(support=Support.FULL, guarantee=Guarantee.EXACTLY_ONCE)


@cache
def shipped() -> Catalog:
    return load_catalog()


@cache
def shipped_plan() -> CertificationPlan:
    """Of the reference engine, where everything embedded is here."""
    return plan(shipped())


def plan(
    catalog: Catalog,
    engine: str = "reference",
    profile: str = "embedded",
    availability: Mapping[str, Availability] = EMBEDDED,
    **changes: Any,
) -> CertificationPlan:
    given: dict[str, Any] = {
        "rows": 10_000,
        "seed": 1,
        "release_id": "r1",
        "run_id": "run-1",
        "subject": Subject(engine=engine, version="1.0", artifact_digest=""),
        "producer": Producer(version="0"),
        "environment": Environment(python="3.11", platform="linux", cpu_count=2),
    }
    return build_plan(catalog, engine, profile, availability=availability, **(given | changes))


def with_engine(catalog: Catalog, *routes: RouteClaims) -> Catalog:
    """The packaged catalogue with an engine ``mine`` that declares those routes and nothing else."""
    driver = DriverSpec(command=("true",))
    mine = Engine(id="mine", title="Mine", description="-", driver=driver, routes=routes)
    return catalog.model_copy(update={"engines": {**catalog.engines, "mine": mine}})


def route(source: str, sink: str, /, drift: Any = None, **claims: Claim) -> RouteClaims:
    strategies = {Strategy(name): claim for name, claim in claims.items()}
    return RouteClaims(source=source, sink=sink, strategies=strategies, drift=drift or {})


def cell(planned: CertificationPlan, cell_id: str) -> PlannedCell:
    return next(cell for cell in planned.cells if cell.key.cell_id == cell_id)
