"""Kinds of services at the ends of a route, and how one can get at them."""

from __future__ import annotations

from pydantic import Field

from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import Disturbable, Side, SourceFeature


class Capability(Entry):
    """Something a claim may need of a server beyond its being there; measured when the server starts."""

    end: Side = Field(description="at which end of a route it is needed")
    remedy: str = Field(description="how to get it")


class System(Entry):
    """A kind of service: PostgreSQL, DuckDB, Kafka …"""

    id: str
    title: str
    kinds: tuple[str, ...] = Field((), description="Dagster kind tags, for icons")
    remedy: str = Field(description="how to make it reachable, e.g. which DSN variable to set")
    source: tuple[SourceFeature, ...] | None = Field(
        None, description="what it offers as a source; nothing said: no table can be seeded there yet"
    )
    disturbable: tuple[Disturbable, ...] = Field((), description="how faults can get at it from outside")
    capabilities: dict[str, Capability] = Field(
        {}, description="what a claim may need of a server beyond being there"
    )
