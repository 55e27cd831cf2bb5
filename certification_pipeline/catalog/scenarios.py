"""A scenario as a page that a stranger can read; what it does is in ``harness/scenarios``."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import Disturbable, DriftKind, Side, SourceFeature, Strategy


class Scenario(Entry):
    """A workload x a disruption with a pass criterion; one page a stranger can read."""

    id: str
    version: int = Field(ge=1)
    history: dict[int, str] = Field(
        {}, description="release notes: what each version from 2 on asks that the one before did not"
    )
    title: str
    purpose: str
    method: str
    passes_when: str
    remedy: str = Field(description="where to look when it is red")
    strategies: tuple[Strategy, ...] = Field(description="the strategies it makes sense for")
    sources: tuple[str, ...] = Field(
        (), description="the systems it is about, where it says nothing about any other source"
    )
    rows: Literal["default", "small", "none", "large"] = Field(
        "small", description="the run's row count, at most 300, no rows, or ten times the run's row count"
    )
    requires_drift: DriftKind | None = None
    requires_two_phase: bool = Field(False, description="it applies to claims with `two_phase` alone")
    requires_visibility: Literal["atomic"] | None = Field(
        None, description="what the engine must promise about a reader beside the load"
    )
    requires_previous: bool = Field(False, description="it applies to engines with a `previous` alone")
    requires: tuple[Literal["late"], ...] = Field(
        (), description="what the engine must have declared for the strategy"
    )
    needs: tuple[SourceFeature, ...] = Field((), description="what it disturbs at the source")
    disturbs: dict[Side, tuple[Disturbable, ...]] = Field(
        {}, description="what its faults get at, each side by any one of these ways"
    )
    faults: tuple[str, ...] = Field((), description="what it does to loads on purpose, by the faults' names")
    limits: dict[str, float] = Field(
        {}, description="figures of its criterion that were decided, not measured; the unit is in the name"
    )
    proves: Literal["experimental", "beta", "production"]
