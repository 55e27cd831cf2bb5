"""Delivery guarantees as a table of data: what each end and each durability profile is good for (seed 001).

The effective guarantee of a route is the weakest of its source's, its sink's and its profile's. Combinations
that the table does not list are unsupported: a plan refuses them, and names the rows there are.
"""

from __future__ import annotations

from typing import Self

from pydantic import Field, model_validator

from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.vocabulary import Guarantee

ANY = "any"
"""A row for every profile."""
OR_STRONGER = "+"
"""After a profile's id: that one and those listed after it."""


class UnsupportedCombination(Exception):  # noqa: N818 - what the document calls it
    """A source, sink and profile that the table does not list; the message names the rows there are."""


class Good(Entry):
    """What one end, or one durability profile, is good for by itself."""

    title: str
    guarantee: Guarantee
    note: str | None = None


class DeclaredRow(Entry):
    """One line of the document, as it stands there."""

    source: str
    sink: str
    profile: str = Field(description="a profile's id, the same with `+`, or `any`")
    guarantee: Guarantee
    certified: bool = Field(description="whether the document says so; evidence decides")


class DeliveryTable(Entry):
    """One document's guarantees."""

    id: str
    title: str
    document: str
    sources: dict[str, Good]
    sinks: dict[str, Good]
    profiles: dict[str, Good] = Field(description="weakest first; `guarantee` is its cap")
    rows: tuple[DeclaredRow, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _whole(self) -> Self:
        for row in self.rows:
            for kind, name, known in (
                ("source", row.source, self.sources),
                ("sink", row.sink, self.sinks),
                ("profile", row.profile.removesuffix(OR_STRONGER), {**self.profiles, ANY: None}),
            ):
                if name not in known:
                    raise ValueError(f"a row names the {kind} `{name}`, which is not described")
        return self

    def row(self, source: str, sink: str, profile: str) -> DeclaredRow | None:
        """The line that covers the combination."""
        return next(
            (
                row
                for row in self.rows
                if (row.source, row.sink) == (source, sink) and self.covers(row, profile)
            ),
            None,
        )

    def covers(self, row: DeclaredRow, profile: str) -> bool:
        """Whether the row speaks of that profile."""
        if row.profile == ANY:
            return True
        order = list(self.profiles)
        if row.profile.endswith(OR_STRONGER):
            return order.index(profile) >= order.index(row.profile.removesuffix(OR_STRONGER))
        return row.profile == profile

    def profiles_of(self, row: DeclaredRow) -> tuple[str, ...]:
        """Every profile the row speaks of."""
        return tuple(profile for profile in self.profiles if self.covers(row, profile))

    def effective(self, source: str, sink: str, profile: str) -> Guarantee:
        """The weakest of the three. Raises :class:`UnsupportedCombination` for what no row covers."""
        if self.row(source, sink, profile) is None:
            raise UnsupportedCombination(self._refusal(source, sink, profile))
        ends = (self.sources[source], self.sinks[sink], self.profiles[profile])
        return Guarantee.weakest(end.guarantee for end in ends)

    def _refusal(self, source: str, sink: str, profile: str) -> str:
        near = [row for row in self.rows if row.source == source or row.sink == sink]
        there = "; ".join(f"{row.source} → {row.sink} under {row.profile}: {row.guarantee}" for row in near)
        return f"{source} → {sink} under {profile} is unsupported: outside the table of {self.document}; " + (
            f"its rows for either end: {there}" if there else "no row of it has either end"
        )
