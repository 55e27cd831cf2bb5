"""What all faults on a wire have in common: which wire, since when, and what to say when there is none."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.faults.fault import Arena, NothingToDisturb
from certification_pipeline.harness.faults.link import Link
from certification_pipeline.harness.faults.postgres_wire import PostgresWire


def link_of(arena: Arena, side: Side) -> Link:
    """The wire on that side. Raises ``LookupError`` when the scenario laid none: it is wrong."""
    link = arena.links.get(side)
    if link is None:
        raise LookupError(
            f"no wire was laid to the {side}: the scenario must `wire` it before its first load"
        )
    return link


def postgres_of(arena: Arena, side: Side) -> tuple[Link, PostgresWire]:
    """The wire with PostgreSQL's conversations on it. Raises :class:`NothingToDisturb`."""
    link = link_of(arena, side)
    if link.postgres is None:
        raise NothingToDisturb(f"the {side} does not speak PostgreSQL's protocol: its commits cannot be read")
    return link, link.postgres
