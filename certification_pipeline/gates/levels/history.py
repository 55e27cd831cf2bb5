"""What an engine's ledger says, as values: one :class:`Said` a release. Levels are functions of these alone.

All evidence of a release is as old as the plan it was sealed under. That is never too young: deciding again
about an old release, or running one of its cells again, makes nothing in it fresher.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome, ReasonCode
from certification_pipeline.evidence.artifact import Digest, Subject
from certification_pipeline.evidence.plan import Trigger


class Coordinates(NamedTuple):
    """Which cell of an engine."""

    source: str
    sink: str
    strategy: str
    scenario: str

    @property
    def route(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"


class Cell(NamedTuple):
    """What became of one planned cell that the engine claims. No digest: equal facts are equal cells."""

    at: Coordinates
    outcome: Outcome
    scenario_version: int = 1
    rows: int = 0
    required: bool = True
    flaky: bool = False
    fidelity: Fidelity | None = None
    reason: ReasonCode | None = None


class Note(NamedTuple):
    """Why a cell did not pass, in words."""

    detail: str | None
    remedy: str | None


class ItemSaid(NamedTuple):
    """One checklist item of one connector, as the suite's JUnit file proves it."""

    outcome: Outcome
    detail: str | None = None
    remedy: str | None = None


@dataclass(frozen=True, eq=False)
class Said:
    """One release of the engine by its newest chain entry, or why it cannot be read."""

    release_id: str
    sequence: int
    at: datetime
    subject: Subject
    trigger: Trigger = Trigger.MANUAL
    profile: str = ""
    seed: int = 0
    whole: bool = True
    """The plan was not narrowed to some routes, strategies or scenarios."""
    cells: tuple[Cell, ...] = ()
    digests: tuple[Digest | None, ...] = ()
    """Of the cells' files, in the order of ``cells``."""
    notes: Mapping[Coordinates, Note] = field(default_factory=dict)
    items: Mapping[str, Mapping[ChecklistItem, ItemSaid]] = field(default_factory=dict)
    """Connector -> item -> what was proven."""
    items_sha256: Digest = ""
    documents: Mapping[str, Digest] = field(default_factory=dict)
    stated: Mapping[str, str] = field(default_factory=dict)
    """Connector -> level that its page states."""
    families: Mapping[Family, tuple[Outcome, Digest]] = field(default_factory=dict)
    problem: str | None = None
    """Its files are not those that were chained: whatever was red in it is unknown."""


@dataclass(frozen=True)
class Attested:
    """A statement about a deployment whose signature was verified with a trusted key."""

    predicate: str
    path: str
    sha256: Digest
    subject: Subject
    route: str
    """``<source>_to_<sink>``."""
    deployment: str
    owner: str
    since: datetime
    until: datetime


@dataclass(frozen=True)
class History:
    """Everything that levels of one engine are computed from; the order of releases does not matter."""

    engine: str
    said: tuple[Said, ...]
    attested: tuple[Attested, ...] = ()

    def in_order(self) -> list[Said]:
        """By time of sealing, oldest first."""
        return sorted(self.said, key=lambda said: (said.at, said.sequence, said.release_id))
