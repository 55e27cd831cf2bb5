"""What an engine declares about a route: strategy by strategy, drift by drift, type by type."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import (
    DriftBehaviour,
    DriftKind,
    Guarantee,
    LateRows,
    OnPositionLost,
    OnTruncate,
    ReplayKind,
    Strategy,
    Support,
)


class Delivers(Entry):
    """Which ends of the engine's delivery table a claim is about."""

    source: str
    sink: str


class Claim(Entry):
    """What an engine declares for one strategy on one route."""

    support: Support
    guarantee: Guarantee | None = Field(None, description="delivery guarantee the vendor documents")
    source_url: str | None = Field(None, description="where the vendor says so")
    note: str | None = None
    cursor_nulls: Literal["include", "exclude"] = "include"
    """What the strategy, as configured by the driver, does with NULL cursors."""
    propagates_deletes: bool | None = None
    """Where vendors differ (e.g. merge): overrides the strategy's default in the reference model."""
    delivers: Delivers | None = Field(None, description="the row of the delivery table it claims")
    needs: tuple[str, ...] = Field(
        (), description="capabilities of the services at either end, as measured when they start"
    )
    two_phase: bool = Field(
        False, description="a load is prepared, decided and committed: rec.two_phase_commit applies"
    )
    propagates_updates: bool | None = None
    """``False`` under incremental_merge: a key that is there already is left as it is (insert-only)."""
    visibility: Literal["atomic"] | None = Field(
        None,
        description="`atomic`: documented that a reader sees the old table or the new one, never a third",
    )
    late: LateRows | None = Field(None, description="of cursor strategies: what becomes of late rows")
    truncates: OnTruncate = Field(OnTruncate.APPLIED, description="of log strategies")
    position_lost: OnPositionLost = Field(OnPositionLost.STOPS, description="of log strategies")
    drift: dict[DriftKind, DriftBehaviour] = Field(
        {}, description="where this strategy treats a drift unlike the route's `drift` says"
    )
    replay: dict[ReplayKind, Support] = Field(
        {}, description="what of an earlier run it can do again; nothing said: no replay is claimed"
    )


class TypeRule(Entry):
    """How one logical type may look in a sink: permitted physical types and the declared loss."""

    physical: tuple[str, ...] = Field((), description="lower-case type names as the sink reports them")
    loss: tuple[str, ...] = Field((), description="names of losses known to the oracle, e.g. nan_to_null")
    source_url: str | None = None


class RouteClaims(Entry):
    """All an engine declares about one source -> sink pair."""

    source: str
    sink: str
    strategies: dict[Strategy, Claim]
    drift: dict[DriftKind, DriftBehaviour] = Field(
        {}, description="for every strategy that says nothing else"
    )
    types: dict[str, TypeRule] = Field({}, description="logical type -> deviation from the system's default")
    tries: int | None = Field(
        None, ge=1, description="how often it asks for one page before it gives up, as documented"
    )
    same_database: bool = Field(
        False, description="it works inside one database: the sink is another schema beside the source's"
    )

    def drift_behaviour(self, strategy: Strategy, kind: DriftKind) -> DriftBehaviour | None:
        """What is declared for that drift under that strategy: the claim's own word, else the route's."""
        claim = self.strategies.get(strategy)
        own = claim.drift.get(kind) if claim else None
        return own or self.drift.get(kind)
