"""What the published matrix shows, row by row: engine × system × strategy, and engine × route × strategy.

From published records alone, without a clock: when evidence stops to count is told, and the page that is read
later looks at its reader's clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import (
    PublishedCell,
    PublishedGuarantee,
    PublishedLevel,
    PublishedRecord,
)
from certification_pipeline.report.badges import left_out
from certification_pipeline.report.causes import REASON_TITLES
from certification_pipeline.report.tally import WORST_FIRST, Tally

_RED = (Outcome.FAILED, Outcome.CANT_TELL)


@dataclass(frozen=True, slots=True)
class RedCell:
    """A cell without a pass that was tried: what was seen, what explains it, and where its evidence lies."""

    cell: PublishedCell
    evidence: str
    """The cell's file, relative to the evidence's root; empty when there is none."""


@dataclass(frozen=True, slots=True)
class RouteRow:
    """One engine's route under one strategy."""

    engine: str
    route: str
    strategy: Strategy
    tally: Tally
    """Of the cells that were asked for."""
    left_out: int
    """Cells that the profile leaves out on purpose, as badges count them."""
    guarantee: PublishedGuarantee | None
    red: tuple[RedCell, ...]
    certified: datetime | None
    until: datetime | None

    @property
    def anchor(self) -> str:
        """The id that fields of the connectors' table lead to."""
        return anchor(self.engine, self.route, self.strategy)

    @property
    def findings(self) -> tuple[str, ...]:
        """Ids, each once."""
        return tuple(dict.fromkeys(name for each in self.red for name in each.cell.findings))

    @property
    def rank(self) -> int:
        """Worst first."""
        return rank(self.tally)


@dataclass(frozen=True, slots=True)
class Field:
    """One system under one strategy, and the row of its worst route."""

    tally: Tally
    left_out: int
    target: str


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One engine's source or sink."""

    engine: str
    system: str
    role: str
    levels: tuple[PublishedLevel, ...]
    fields: tuple[Field | None, ...]
    """One a strategy of the table, in its order."""
    tally: Tally
    guarantees: tuple[PublishedGuarantee, ...]
    certified: datetime | None
    until: datetime | None

    @property
    def weakest(self) -> PublishedGuarantee | None:
        """The guarantee with the worst verdict, the weakest first: what the system may be trusted with."""
        worst = sorted(
            self.guarantees, key=lambda one: (WORST_FIRST.index(one.outcome), one.observed.rank, one.route)
        )
        return worst[0] if worst else None

    @property
    def rank(self) -> int:
        """Worst first."""
        return rank(self.tally)


@dataclass(frozen=True, slots=True)
class EngineCard:
    """One engine's release at a glance."""

    record: PublishedRecord
    tally: Tally
    """Of what was tried, or had to be."""
    until: datetime | None
    narrowed: str
    """The patterns it was narrowed to; empty for a whole release."""
    gaps: tuple[tuple[str, int, str], ...]
    """Of what nobody tried: why, how many cells, on which routes."""


def engine_card(record: PublishedRecord) -> EngineCard:
    """At a glance."""
    patterns = [pattern for patterns in record.selection.model_dump().values() for pattern in patterns]
    tried = Tally.of(cell.outcome for cell in record.cells if cell.outcome is not Outcome.INAPPLICABLE)
    narrowed = " ".join(patterns) if record.selection != Selection() else ""
    return EngineCard(record, tried, good_until(record), narrowed, tuple(_gaps(record)))


def good_until(record: PublishedRecord) -> datetime | None:
    """When its oldest evidence stops to count; ``None`` without evidence."""
    return record.evidence_from + timedelta(days=record.fresh_days) if record.evidence_from else None


def strategies(records: Iterable[PublishedRecord]) -> tuple[Strategy, ...]:
    """Those that anything was tried under, in the vocabulary's order."""
    there = {cell.strategy for record in records for cell in record.tried()}
    return tuple(strategy for strategy in Strategy if strategy in there)


def route_rows(record: PublishedRecord) -> Iterator[RouteRow]:
    """Every route and strategy of which anything was tried; worst first, then by name."""
    groups: dict[tuple[str, Strategy], list[PublishedCell]] = {}
    tried = {(cell.route, cell.strategy) for cell in record.tried()}
    for cell in record.planned():
        if (cell.route, cell.strategy) in tried and cell.outcome is not Outcome.INAPPLICABLE:
            groups.setdefault((cell.route, cell.strategy), []).append(cell)
    seen = {(one.route, one.strategy): one for one in record.guarantees}
    rows = [
        RouteRow(
            engine=record.subject.engine,
            route=route,
            strategy=strategy,
            tally=Tally.of(cell.outcome for cell in cells if not left_out(cell)),
            left_out=sum(map(left_out, cells)),
            guarantee=seen.get((route, strategy)),
            red=tuple(RedCell(cell, _evidence(record, cell)) for cell in cells if cell.outcome in _RED),
            certified=record.evidence_from,
            until=good_until(record),
        )
        for (route, strategy), cells in groups.items()
    ]
    yield from sorted(rows, key=lambda row: (row.rank, row.route, row.strategy.value))


def system_rows(record: PublishedRecord, columns: Sequence[Strategy]) -> Iterator[SystemRow]:
    """Sources, then sinks; a route that fails shows at both of its ends."""
    rows = list(route_rows(record))
    for role, end in (("source", 0), ("sink", 1)):
        for system in sorted({row.route.split("_to_")[end] for row in rows}):
            mine = [row for row in rows if row.route.split("_to_")[end] == system]
            levels = [one for one in record.levels if one.connector == system and role in one.roles]
            yield SystemRow(
                engine=record.subject.engine,
                system=system,
                role=role,
                levels=tuple(sorted(levels, key=lambda one: one.policy)),
                fields=tuple(_field([row for row in mine if row.strategy is each]) for each in columns),
                tally=_sum(mine),
                guarantees=tuple(row.guarantee for row in mine if row.guarantee is not None),
                certified=record.evidence_from,
                until=good_until(record),
            )


def anchor(engine: str, route: str, strategy: Strategy) -> str:
    """The id of a route's row."""
    return f"r-{engine}-{route}-{strategy.value}"


def rank(tally: Tally) -> int:
    """0 for the worst outcome."""
    return WORST_FIRST.index(tally.outcome) if tally.outcome else len(WORST_FIRST)


def _field(rows: Sequence[RouteRow]) -> Field | None:
    if not rows:
        return None
    return Field(_sum(rows), sum(row.left_out for row in rows), min(rows, key=lambda row: row.rank).anchor)


def _sum(rows: Iterable[RouteRow]) -> Tally:
    return Tally.sum(row.tally for row in rows)


def _evidence(record: PublishedRecord, cell: PublishedCell) -> str:
    if cell.sha256 is None:
        return ""
    name = f"{cell.route}__{cell.strategy.value}__{cell.scenario}"
    return f"{layout.RELEASES}/{record.release_id}/{record.subject.engine}/{layout.cell_path(name)}"


def _gaps(record: PublishedRecord) -> Iterator[tuple[str, int, str]]:
    reasons: dict[str, list[str]] = {}
    for cell in record.planned():
        if cell.outcome is Outcome.UNTESTED:
            why = (
                REASON_TITLES.get(cell.reason, cell.reason.value) if cell.reason else "no reason was recorded"
            )
            reasons.setdefault(why, []).append(cell.route.replace("_to_", " → "))
    for why, routes in sorted(reasons.items()):
        yield why, len(routes), ", ".join(dict.fromkeys(routes))
