"""The code location of these tests: the shipped definitions on one route, so that a night is short."""

from __future__ import annotations

from certification_pipeline.orchestration.build import build_defs
from tests.orchestration.robust.location import catalog

_small = catalog()
_engine = _small.engines["reference"]
_one_route = _engine.model_copy(
    update={"routes": tuple(route for route in _engine.routes if route.sink == "duckdb")}
)
defs = build_defs(catalog=_small.model_copy(update={"engines": {"reference": _one_route}}))
