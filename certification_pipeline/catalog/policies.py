"""How levels are granted: the seeds' lines word for word, and what proves each of them.

A policy is data (``data/policies/<id>.yaml``); what it grants is computed in ``gates/levels`` from evidence.
"""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from enum import StrEnum
from typing import Self

from pydantic import Field, model_validator

from certification_pipeline.catalog.checklist import ChecklistItem, TestMarker
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import Family, Fidelity


class Unit(StrEnum):
    """What a policy grants levels to."""

    CONNECTOR = "connector"
    """``<engine>/<system>`` in its roles: seed 000's matrix, seed 001's labels."""
    ROUTE = "route"
    """``<engine>/<source>_to_<sink>``: seed 001's combinations."""


class Span(StrEnum):
    """Which versions of an engine one streak of green runs may span (law 8; docs/adr/0013)."""

    ARTIFACT = "artifact"
    """Exact version and artifact digest: another build begins another streak."""
    PATCH = "patch"
    """The same major and minor version."""


class Requirement(Entry):
    """One line of a level policy: what it says and what proves it. Met when everything it names is."""

    id: str
    text: str = Field(description="verbatim from the seed document")
    source: str | None = Field(None, description="where the text stands, when not in the policy's source")
    scenarios: tuple[str, ...] = Field((), description="scenario ids or fnmatch patterns that prove it")
    documents: tuple[str, ...] = Field((), description="repository documents that prove it")
    checks: tuple[str, ...] = Field((), description="names of the policy's `checks` that prove it")
    where_applicable: bool = Field(
        False, description="scenarios that are no question of the connector do not stand in its way"
    )


class SoakRule(Entry):
    """Green scheduled runs in a row: each whole, none red or flaky, none missing for too long."""

    runs: int = Field(ge=1, description="on so many different days (UTC)")
    days: float = Field(ge=0, description="between the first and the last of them")
    longest_gap_hours: float = Field(gt=0, description="between two green runs; beyond, the streak is over")
    scenarios: tuple[str, ...] = Field(
        min_length=1, description="what each run must have passed, or found inapplicable, of the connector"
    )
    spans: Span = Span.ARTIFACT

    @property
    def longest_gap(self) -> timedelta:
        """The same as a duration."""
        return timedelta(hours=self.longest_gap_hours)


class AttestationRule(Entry):
    """A signed statement from outside that a person is responsible for."""

    predicate: str = Field(description="which statement, e.g. production")
    longest_days: int = Field(ge=1, description="counted no longer than this, whatever it says itself")


class CheckSpec(Entry):
    """Something outside the matrix that proves a requirement: what it is and how to get it.

    Exactly one of ``item``, ``family``, ``soak`` and ``attestation`` says where the proof is looked for.
    """

    title: str
    passes_when: str
    remedy: str
    item: ChecklistItem | None = Field(None, description="an item of the connectors' checklist")
    family: Family | None = Field(None, description="an evidence family of the release")
    soak: SoakRule | None = None
    attestation: AttestationRule | None = None

    @model_validator(mode="after")
    def _one_proof(self) -> Self:
        given = [one for one in (self.item, self.family, self.soak, self.attestation) if one is not None]
        if len(given) != 1:
            raise ValueError("name exactly one of item, family, soak, attestation: what proves the check")
        return self


class LevelSpec(Entry):
    """One level of a policy, lowest first. It needs all requirements of the levels below it, too."""

    id: str
    title: str
    meaning: str = Field("", description="what the document says the level is for, verbatim")
    includes: str | None = Field(None, description="the document's line for `all of the level below`")
    fidelity: tuple[Fidelity, ...] = Field(
        (), description="cells prove this level, and those below for it, on such services; empty: on any"
    )
    requirements: tuple[Requirement, ...]
    also: tuple[Requirement, ...] = Field((), description="what this project asks beyond the document's list")

    @property
    def everything(self) -> tuple[Requirement, ...]:
        """The document's lines, then ours."""
        return (*self.requirements, *self.also)


class ChecklistLine(Entry):
    """One line of the document's checklist and the item that is tested for it."""

    text: str
    item: ChecklistItem


class MarkerLine(Entry):
    """One of the document's test markers."""

    text: str
    marker: TestMarker


class LevelPolicy(Entry):
    """How levels are granted (seed 000, seed 001)."""

    id: str
    title: str
    source: str
    units: tuple[Unit, ...] = Field((Unit.CONNECTOR,), min_length=1)
    freshness_days: float = Field(30, gt=0, description="evidence counts for so long after it was made")
    notice_days: float = Field(7, ge=0, description="a level is kept for so long after its proof expired")
    checks: dict[str, CheckSpec] = Field({}, description="every name that requirements use under `checks`")
    levels: tuple[LevelSpec, ...] = Field(min_length=1)
    checklist: tuple[ChecklistLine, ...] = ()
    markers: tuple[MarkerLine, ...] = ()

    @property
    def freshness(self) -> timedelta:
        """How long evidence counts."""
        return timedelta(days=self.freshness_days)

    @property
    def notice(self) -> timedelta:
        """From expiry to demotion."""
        return timedelta(days=self.notice_days)

    def digest(self) -> str:
        """sha256 over all of it: under which rules a level was granted."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
