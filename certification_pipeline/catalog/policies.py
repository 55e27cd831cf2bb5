"""How levels are granted: requirements word for word from the seeds, and what proves each of them."""

from __future__ import annotations

from pydantic import Field

from certification_pipeline.catalog.entry import Entry


class Requirement(Entry):
    """One line of a level policy: what it says and what proves it."""

    id: str
    text: str = Field(description="verbatim from the seed document")
    scenarios: tuple[str, ...] = Field((), description="scenario ids or fnmatch patterns that prove it")
    documents: tuple[str, ...] = Field((), description="repository documents that prove it")
    checks: tuple[str, ...] = Field((), description="names of checks outside the matrix, e.g. live.smoke")


class LevelSpec(Entry):
    """One level of a policy, lowest first."""

    id: str
    title: str
    requirements: tuple[Requirement, ...]


class CheckSpec(Entry):
    """Something outside the matrix that proves a requirement: what it is and how to get it."""

    title: str
    passes_when: str
    remedy: str


class LevelPolicy(Entry):
    """How levels are granted (seed 000, seed 001)."""

    id: str
    title: str
    source: str
    checks: dict[str, CheckSpec] = Field({}, description="every name that requirements use under `checks`")
    levels: tuple[LevelSpec, ...]
