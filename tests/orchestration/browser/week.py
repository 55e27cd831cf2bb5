"""A code location to look at: the shipped definitions, few scenarios, every family but calibration."""

from __future__ import annotations

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.orchestration.build import build_defs

SCENARIOS = ("strategy.", "batch.empty", "types.matrix")
_shipped = load_catalog()
_embedded = _shipped.profiles["embedded"]


def _one_route(engine: Engine) -> Engine:
    """dlt's loads are slow to start; its route to DuckDB is red, and shows that engines are judged apart."""
    kept = tuple(route for route in engine.routes if (route.source, route.sink) == ("postgres", "duckdb"))
    return engine.model_copy(update={"routes": kept})


_families = {name: made for name, made in _embedded.families.items() if name is not Family.CALIBRATION}
defs = build_defs(
    catalog=_shipped.model_copy(
        update={
            "engines": {**_shipped.engines, "dlt": _one_route(_shipped.engines["dlt"])},
            "profiles": {
                **_shipped.profiles,
                "embedded": _embedded.model_copy(update={"families": _families}),
            },
            "scenarios": {
                name: scenario for name, scenario in _shipped.scenarios.items() if name.startswith(SCENARIOS)
            },
        }
    )
)
