"""What evidence shows of one engine, as values: read from a release, or from a published record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Guarantee, Outcome, ReasonCode


@dataclass(frozen=True, slots=True)
class CellSeen:
    """One planned cell and what became of it."""

    source: str
    sink: str
    strategy: str
    scenario: str
    outcome: Outcome
    reason: ReasonCode | None = None
    seen: str | None = None
    findings: tuple[str, ...] = ()
    shows: tuple[str, ...] | None = None
    """Of a failed cell: its anomalies and failed checks; ``None``: not known."""

    @property
    def route(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"

    @property
    def name(self) -> str:
        """``route/strategy/scenario``."""
        return f"{self.route}/{self.strategy}/{self.scenario}"


@dataclass(frozen=True, slots=True)
class GuaranteeSeen:
    """What broken loads of one route and strategy showed."""

    route: str
    strategy: str
    bound: Guarantee
    enough: bool
    """Enough loads were killed to say so."""
    counter_example: str | None = None


@dataclass(frozen=True, slots=True)
class LevelSeen:
    """What a policy grants; ``None``: not even its lowest level."""

    unit: str
    policy: str
    level: str | None
    why: str
    refuted: tuple[tuple[str, str], ...] = ()
    """(level, what was seen to fail) of requirements that are refuted."""


@dataclass(frozen=True)
class Seen:
    """All that is known of one engine in one release."""

    engine: str
    version: str
    release_id: str
    cells: tuple[CellSeen, ...]
    guarantees: tuple[GuaranteeSeen, ...] = ()
    levels: tuple[LevelSeen, ...] = ()
    records: Mapping[str, tuple[int, int]] | None = None
    """Field of the run record -> (loads that state it, loads that ended well); ``None``: not here."""
