"""What is known of one subject after some of its releases, and what follows for each thing a policy names."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.policies import Requirement
from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome
from certification_pipeline.evidence.levels import Standing
from certification_pipeline.gates.levels.history import Cell, Coordinates, ItemSaid, Said
from certification_pipeline.gates.levels.picture import Group, Picture, matches, paint

_SHOWN = (Outcome.PASSED, Outcome.INAPPLICABLE)
PAGES = "docs/connectors/"


class Proven(NamedTuple):
    """How one proof stands. ``at`` is the time of its evidence; ``cap`` ends it before its time."""

    standing: Standing
    at: datetime | None = None
    cap: datetime | None = None


UNPROVEN = Proven(Standing.UNPROVEN)
REFUTED = Proven(Standing.REFUTED)
INAPPLICABLE = Proven(Standing.INAPPLICABLE)


@dataclass(frozen=True, slots=True)
class Failure:
    """A cell that was seen to fail, until it passes with the same rows."""

    cell: Cell
    said: Said


@dataclass(eq=False, slots=True)
class Asked:
    """A group over all pictures: which of them answer it."""

    versions: dict[int, datetime] = field(default_factory=dict)
    """Version of the scenario -> when it was first seen."""
    seen: list[Picture] = field(default_factory=list)

    def ended(self, version: int) -> datetime | None:
        """When a later version of the scenario came, which asks what this one did not."""
        return min((at for later, at in self.versions.items() if later > version), default=None)


@dataclass(eq=False, slots=True)
class ItemState:
    """The newest that was said of a checklist item, and when it last held."""

    said: ItemSaid
    by: Said
    held: Said | None = None


class Limit(NamedTuple):
    """Which picture is the first to grow too old, whatever the time is."""

    standing: Standing
    picture: Picture | None = None
    cap: datetime | None = None


class Together(NamedTuple):
    """What the scenarios of several lines come to."""

    refuted: bool
    whole: bool
    """None is unproven."""
    picture: Picture | None
    """The first to grow too old; none: nothing is proven by a scenario."""
    cap: datetime | None


class State:
    """Everything that releases of one subject said so far."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.roles: dict[str, set[str]] = {}
        self.groups: dict[str, dict[Group, Asked]] = {}
        self.failures: dict[Group, dict[tuple[Coordinates, int], Failure]] = {}
        self.items: dict[tuple[str, ChecklistItem], ItemState] = {}
        self.documents: dict[str, Said] = {}
        self.families: dict[Family, tuple[Said, Outcome]] = {}
        self.stated: dict[str, str] = {}
        self._known: dict[tuple[Cell, ...], Picture] = {}
        self._recent: list[Picture] = []
        self._whole: dict[str, Picture] = {}
        self._limits: dict[tuple[object, ...], Limit] = {}
        self._together: dict[tuple[object, ...], Together] = {}
        self._signatures: dict[tuple[object, ...], int] = {}
        self._signature = -1  # nothing was seen: no state that was ever seen looks like this

    def apply(self, said: Said) -> Picture:
        """Take in a release; they come in order of time."""
        picture = self._seen(said)
        for index in picture.failed:
            self._fail(picture.cells[index], said)
        if self.failures:
            self._lift(picture, said)
        self._sign()
        for connector, items in said.items.items():
            for item, what in items.items():
                self._item(connector, item, what, said)
        if said.items_sha256:
            self.documents |= dict.fromkeys(said.documents, said)
        for family, (outcome, _) in said.families.items():
            if outcome in (Outcome.PASSED, Outcome.FAILED):
                self.families[family] = (said, outcome)
        self.stated |= said.stated
        return picture

    @property
    def covered(self) -> bool:
        """Some release planned everything: what a narrowed one leaves out is known."""
        return bool(self._whole)

    def current(self, unit: str, pattern: str) -> list[Group]:
        """Groups of a unit that a newest whole plan holds, by the scenario's name."""
        groups: dict[Group, None] = {}
        for picture in self._whole.values():
            for group in picture.answers.get(unit, {}):
                if matches(group.scenario, pattern):
                    groups[group] = None
        return list(groups)

    def refuting(self, unit: str, pattern: str) -> list[Failure]:
        """Failures that nothing has lifted yet."""
        return [
            failure
            for group, found in self.failures.items()
            if group.unit == unit and matches(group.scenario, pattern)
            for failure in found.values()
        ]

    def newest(self, group: Group) -> Picture | None:
        """The picture that spoke of a group last."""
        asked = self.groups.get(group.unit, {}).get(group)
        return max(asked.seen, key=lambda picture: picture.last_at) if asked and asked.seen else None

    def answered(self, group: Group, fidelity: frozenset[Fidelity]) -> tuple[Picture, datetime | None] | None:
        """The newest picture in which it passed, and when that stopped to be enough."""
        asked = self.groups[group.unit][group]
        best: tuple[Picture, datetime | None] | None = None
        for picture in asked.seen:
            if not picture.passes(group, fidelity):
                continue
            found = (picture, asked.ended(picture.answers[group.unit][group].version))
            if best is None or (found[1] is None, picture.last_at) > (best[1] is None, best[0].last_at):
                best = found
        return best

    def scenario(
        self, unit: str, pattern: str, fidelity: frozenset[Fidelity], *, where_applicable: bool
    ) -> Proven:
        """How the scenarios that a pattern names stand for a unit."""
        key = (self._signature, unit, pattern, fidelity, where_applicable)
        limit = self._limits.get(key)
        if limit is None:
            limit = self._limits[key] = self._limit(unit, pattern, fidelity, where_applicable)
        at = limit.picture.last_at if limit.picture else None
        return Proven(limit.standing, at, limit.cap)

    def together(
        self, level: Hashable, unit: str, lines: Iterable[Requirement], fidelity: frozenset[Fidelity]
    ) -> Together:
        """All scenarios that a level's lines name for a unit; ``level`` stands for the lines."""
        key = (self._signature, level, unit)
        found = self._together.get(key)
        if found is None:
            found = self._together[key] = self._all(unit, lines, fidelity)
        return found

    def _all(self, unit: str, lines: Iterable[Requirement], fidelity: frozenset[Fidelity]) -> Together:
        limits = [
            self._limit(unit, pattern, fidelity, line.where_applicable)
            for line in lines
            for pattern in line.scenarios
        ]
        standings = {limit.standing for limit in limits}
        oldest = min((one.picture for one in limits if one.picture), key=_age, default=None)
        return Together(
            refuted=Standing.REFUTED in standings,
            whole=not standings & {Standing.REFUTED, Standing.UNPROVEN},
            picture=oldest,
            cap=min((limit.cap for limit in limits if limit.cap is not None), default=None),
        )

    def item(self, connectors: Iterable[str], item: ChecklistItem) -> Proven:
        """A checklist item of all these connectors."""
        oldest: datetime | None = None
        for connector in connectors:
            state = self.items.get((connector, item))
            if state is None or state.held is None:
                refuted = state is not None and state.said.outcome is Outcome.FAILED
                return REFUTED if refuted else UNPROVEN
            if state.said.outcome is Outcome.FAILED:
                return REFUTED
            oldest = state.held.at if oldest is None else min(oldest, state.held.at)
        return UNPROVEN if oldest is None else Proven(Standing.PROVEN, oldest)

    def document(self, connectors: Iterable[str], template: str) -> Proven:
        """A page: its digest was recorded, and of a connector's page the suite proved what it says."""
        names = tuple(connectors)
        path = template.partition("#")[0]
        seen = [self.documents.get(path.format(connector=name)) for name in names]
        if not seen or any(one is None for one in seen):
            return UNPROVEN
        oldest = min(one.at for one in seen if one is not None)
        if not path.startswith(PAGES):
            return Proven(Standing.PROVEN, oldest)
        return self.item(names, ChecklistItem.DOCUMENTATION_PAGE)

    def family(self, family: Family) -> Proven:
        """An evidence family of the releases."""
        newest = self.families.get(family)
        if newest is None:
            return UNPROVEN
        said, outcome = newest
        return REFUTED if outcome is Outcome.FAILED else Proven(Standing.PROVEN, said.at)

    def _limit(self, unit: str, pattern: str, fidelity: frozenset[Fidelity], where_applicable: bool) -> Limit:
        if self.refuting(unit, pattern):
            return Limit(Standing.REFUTED)
        if not self.covered:
            return Limit(Standing.UNPROVEN)
        asked = [group for group in self.current(unit, pattern) if self._applicable(group)]
        if not asked:
            return Limit(Standing.INAPPLICABLE if where_applicable else Standing.UNPROVEN)
        limiting: Picture | None = None
        cap: datetime | None = None
        for group in asked:
            found = self.answered(group, fidelity)
            if found is None:
                return Limit(Standing.UNPROVEN)
            picture, ended = found
            if limiting is None or picture.last_at < limiting.last_at:
                limiting = picture
            if ended is not None:
                cap = ended if cap is None else min(cap, ended)
        return Limit(Standing.PROVEN, limiting, cap)

    def _applicable(self, group: Group) -> bool:
        newest = self.newest(group)
        return newest is not None and newest.answers[group.unit][group].applicable

    def _seen(self, said: Said) -> Picture:
        picture = self._known.get(said.cells)
        if picture is None:
            picture = self._known[said.cells] = paint(self.engine, said)
            for unit, roles in picture.roles.items():
                self.roles.setdefault(unit, set()).update(roles)
            for unit, answers in picture.answers.items():
                mine = self.groups.setdefault(unit, {})
                for group, answer in answers.items():
                    asked = mine.setdefault(group, Asked())
                    asked.seen.append(picture)
                    asked.versions.setdefault(answer.version, said.at)
        picture.last = said
        if not self._recent or self._recent[0] is not picture:
            self._recent = [picture, *(one for one in self._recent if one is not picture)]
        if said.whole:
            self._whole[said.profile] = picture
        return picture

    def _sign(self) -> None:
        """What limits depend on, but for the times themselves: who is older than whom."""
        order = tuple(id(picture) for picture in self._recent)
        whole = tuple(id(picture) for _, picture in sorted(self._whole.items()))
        failures = frozenset((group, key) for group, found in self.failures.items() for key in found)
        self._signature = self._signatures.setdefault((order, whole, failures), len(self._signatures))

    def _fail(self, cell: Cell, said: Said) -> None:
        for group in _groups_of(self.engine, cell):
            self.failures.setdefault(group, {})[cell.at, said.seed] = Failure(cell, said)

    def _lift(self, picture: Picture, said: Said) -> None:
        """A failure is lifted by the same cell over the same rows; another seed proves nothing about it."""
        for group, found in list(self.failures.items()):
            for key, failure in list(found.items()):
                at, seed = key
                index = picture.passed.get(at)
                if index is None or seed != said.seed or failure.said is said:
                    continue
                cell = picture.cells[index]
                if (cell.scenario_version, cell.rows) >= (failure.cell.scenario_version, failure.cell.rows):
                    del found[key]
            if not found:
                del self.failures[group]

    def _item(self, connector: str, item: ChecklistItem, what: ItemSaid, said: Said) -> None:
        before = self.items.get((connector, item))
        held = said if what.outcome in _SHOWN else before.held if before else None
        if what.outcome not in (*_SHOWN, Outcome.FAILED) and before is not None:
            what, said = before.said, before.by  # untested or undecided: what was known stays, and grows old
        self.items[connector, item] = ItemState(what, said, held)


def _age(picture: Picture) -> datetime:
    return picture.last_at


def _groups_of(engine: str, cell: Cell) -> list[Group]:
    source, sink, strategy, scenario = cell.at
    return [
        Group(f"{engine}/{source}", "source", strategy, scenario),
        Group(f"{engine}/{sink}", "sink", strategy, scenario),
        Group(f"{engine}/{cell.at.route}", "route", strategy, scenario),
    ]
