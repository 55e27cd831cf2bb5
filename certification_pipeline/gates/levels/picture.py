"""What one set of cells says of every connector and route, worked out once however often it is seen again.

Most releases of an engine say the same of the same cells. Such releases are one *picture*, and what was last
proven when follows from the order in which pictures were last seen: that keeps years of releases cheap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from fnmatch import fnmatchcase
from functools import cache
from typing import NamedTuple

from certification_pipeline.catalog.policies import SoakRule
from certification_pipeline.catalog.vocabulary import Fidelity, Outcome
from certification_pipeline.gates.levels.history import Cell, Coordinates, Said

GOOD_FIDELITY = frozenset({Fidelity.VENDOR, Fidelity.REAL})


class Group(NamedTuple):
    """One question about a unit: the scenario under a strategy, in one of its roles.

    It is answered by any of its routes, and refuted by each of them.
    """

    unit: str
    role: str
    strategy: str
    scenario: str


class RunVerdict(StrEnum):
    """What one run is worth for a streak."""

    GREEN = "green"
    RED = "red"
    FLAKY = "flaky"
    VOID = "inconclusive"
    """The bench could not tell, or did not ask everything: as if there had been no run."""


@dataclass(slots=True)
class Answer:
    """What the picture says about a group: indices of its cells."""

    version: int = 0
    passed: list[int] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)
    flaky: list[int] = field(default_factory=list)
    open: list[int] = field(default_factory=list)
    applicable: bool = False
    required: bool = False


@dataclass(eq=False, slots=True)
class Picture:
    """``last`` is the newest release that showed it."""

    cells: tuple[Cell, ...]
    answers: dict[str, dict[Group, Answer]]
    """Unit -> group -> answer."""
    roles: dict[str, set[str]]
    failed: tuple[int, ...]
    passed: dict[Coordinates, int]
    last: Said
    verdicts: dict[tuple[str, SoakRule], RunVerdict] = field(default_factory=dict)

    @property
    def last_at(self) -> datetime:
        """When it was last seen."""
        return self.last.at

    def passes(self, group: Group, fidelity: frozenset[Fidelity]) -> list[int]:
        """Cells that passed, on services of such fidelity (empty: any)."""
        answer = self.answers.get(group.unit, {}).get(group)
        if answer is None:
            return []
        if not fidelity:
            return answer.passed
        return [index for index in answer.passed if self.cells[index].fidelity in fidelity]

    def verdict(self, unit: str, rule: SoakRule) -> RunVerdict:
        """What a run that looks like this is worth for a streak of that unit."""
        known = self.verdicts.get((unit, rule))
        if known is None:
            known = self.verdicts[unit, rule] = _verdict(self.answers.get(unit, {}), rule)
        return known


def paint(engine: str, said: Said) -> Picture:
    """The picture of a release that was never seen like this before."""
    answers: dict[str, dict[Group, Answer]] = {}
    roles: dict[str, set[str]] = {}
    failed, passed = [], {}
    for index, cell in enumerate(said.cells):
        if cell.outcome is Outcome.PASSED:
            passed[cell.at] = index
        elif cell.outcome is Outcome.FAILED:
            failed.append(index)
        for unit, role in places(engine, cell.at):
            roles.setdefault(unit, set()).add(role)
            group = Group(unit, role, cell.at.strategy, cell.at.scenario)
            _add(answers.setdefault(unit, {}).setdefault(group, Answer()), index, cell)
    return Picture(said.cells, answers, roles, tuple(failed), passed, said)


def places(engine: str, at: Coordinates) -> Iterator[tuple[str, str]]:
    """Every unit a cell says something about, with its role there."""
    yield f"{engine}/{at.source}", "source"
    yield f"{engine}/{at.sink}", "sink"
    yield f"{engine}/{at.route}", "route"


@cache
def matches(scenario: str, pattern: str) -> bool:
    """Whether a policy's pattern names that scenario."""
    return fnmatchcase(scenario, pattern)


def _add(answer: Answer, index: int, cell: Cell) -> None:
    answer.version = max(answer.version, cell.scenario_version)
    answer.required |= cell.required
    answer.applicable |= cell.outcome is not Outcome.INAPPLICABLE
    if cell.outcome is Outcome.PASSED:
        answer.passed.append(index)
    elif cell.outcome is Outcome.FAILED:
        answer.failed.append(index)
    elif cell.flaky:
        answer.flaky.append(index)
    elif cell.outcome is not Outcome.INAPPLICABLE:
        answer.open.append(index)


def _verdict(answers: Mapping[Group, Answer], rule: SoakRule) -> RunVerdict:
    if any(answer.failed for answer in answers.values()):
        return RunVerdict.RED
    if any(answer.flaky for answer in answers.values()):
        return RunVerdict.FLAKY
    asked = [
        answer
        for group, answer in answers.items()
        if answer.required or any(matches(group.scenario, pattern) for pattern in rule.scenarios)
    ]
    decided = all(answer.passed or not answer.applicable for answer in asked)
    return RunVerdict.GREEN if decided and any(answer.passed for answer in asked) else RunVerdict.VOID
