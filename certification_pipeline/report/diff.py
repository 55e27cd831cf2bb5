"""Two subjects cell by cell: what was fixed, what broke, what fails for another reason.

Both sides are read from their cells and recomputed by the gates (``load_subject``); what a report says is
not looked at. The sides are two subjects of one release, or one engine in two releases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import pandas as pd
from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.report.release import CellLine, SubjectView
from certification_pipeline.report.tables import why
from certification_pipeline.report.tally import SYMBOL, WORD

_DECIDED = (Outcome.PASSED, Outcome.FAILED)


class Change(StrEnum):
    """What became of a cell, the worst first."""

    BROKE = "broke"
    """Passed before, fails now."""
    LOST = "no verdict any more"
    """Passed before; now it is undecided, not claimed, or not planned. Absence is never a pass."""
    NOW_FAILS = "fails now"
    """Had no verdict before."""
    REASON = "fails otherwise"
    """Failed before and fails now, for another reason."""
    FIXED = "fixed"
    """Failed before, passes now."""
    NOW_PASSES = "passes now"
    """Had no verdict before."""
    OTHER = "undecided otherwise"
    """No verdict on either side, for another reason; or a failure that is undecided now."""
    ONLY_BEFORE = "only before"
    ONLY_AFTER = "only after"
    SAME = "same"


REGRESSIONS = frozenset({Change.BROKE, Change.LOST})


@dataclass(frozen=True, slots=True)
class CellChange:
    """One cell on both sides; ``None`` where it was not planned."""

    cell: str
    """``route/strategy/scenario``."""
    before: CellLine | None
    after: CellLine | None
    kind: Change

    def row(self) -> dict[str, str]:
        """As a table shows it."""
        return {
            "what": self.kind.value,
            "cell": self.cell,
            "before": _outcome(self.before),
            "after": _outcome(self.after),
            "why before": why(self.before) if self.before else "",
            "why after": why(self.after) if self.after else "",
        }


@dataclass(frozen=True, slots=True)
class SubjectDiff:
    """What changed from one subject to the other."""

    before: SubjectView
    after: SubjectView
    changes: tuple[CellChange, ...]
    """Every cell of both, the worst first."""
    facts: tuple[tuple[str, str, str], ...]
    """What else differs: name, before, after; versions, digests, services, claims."""

    @property
    def regressions(self) -> tuple[CellChange, ...]:
        """Cells that passed and do not any more."""
        return tuple(change for change in self.changes if change.kind in REGRESSIONS)

    @property
    def compared(self) -> int:
        """Cells with a verdict on both sides."""
        return sum(
            change.before is not None
            and change.after is not None
            and change.before.outcome in _DECIDED
            and change.after.outcome in _DECIDED
            for change in self.changes
        )

    @property
    def counts(self) -> Mapping[Change, int]:
        """How many cells of each kind, in the kinds' order, without those that are not there."""
        counted = Counter(change.kind for change in self.changes)
        return {kind: counted[kind] for kind in Change if counted[kind]}

    @property
    def outcome(self) -> Outcome:
        """Failed with a regression, ``cantTell`` when nothing could be compared, else passed."""
        if self.regressions:
            return Outcome.FAILED
        return Outcome.PASSED if self.compared else Outcome.CANT_TELL

    def document(self) -> JsonValue:
        """For machines: sides, counts, facts and every cell that is not the same."""
        return {
            "before": _side(self.before),
            "after": _side(self.after),
            "outcome": self.outcome.value,
            "compared": self.compared,
            "counts": {kind.value: number for kind, number in self.counts.items()},
            "facts": [{"name": n, "before": b, "after": a} for n, b, a in self.facts],
            "changes": [dict(change.row()) for change in self.changes if change.kind is not Change.SAME],
        }


def compare_subjects(before: SubjectView, after: SubjectView) -> SubjectDiff:
    """Hold two subjects against each other, over all cells that either of them plans."""
    left, right = _cells(before), _cells(after)
    names = list(dict.fromkeys((*left, *right)))
    changes = [
        CellChange(name, left.get(name), right.get(name), _kind(left.get(name), right.get(name)))
        for name in names
    ]
    order = list(Change)
    changes.sort(key=lambda change: (order.index(change.kind), change.cell))
    return SubjectDiff(before, after, tuple(changes), tuple(_facts(before, after, left, right)))


def changes_table(diff: SubjectDiff) -> pd.DataFrame:
    """One row a cell that is not the same, the worst first."""
    rows = [change.row() for change in diff.changes if change.kind is not Change.SAME]
    return pd.DataFrame(rows, columns=["what", "cell", "before", "after", "why before", "why after"])


def facts_table(diff: SubjectDiff) -> pd.DataFrame:
    """Versions, digests, services and claims that differ."""
    return pd.DataFrame(diff.facts, columns=["what differs", "before", "after"])


def _cells(subject: SubjectView) -> dict[str, CellLine]:
    keyed = ((line.key, line) for line in subject.lines)
    return {f"{key.route_id}/{key.strategy.value}/{key.scenario}": line for key, line in keyed}


def _kind(before: CellLine | None, after: CellLine | None) -> Change:  # noqa: PLR0911 - one return a kind
    was, now = before.outcome if before else None, after.outcome if after else None
    if was is Outcome.PASSED:
        if now is Outcome.PASSED:
            return Change.SAME
        return Change.BROKE if now is Outcome.FAILED else Change.LOST
    if was is None:
        return Change.ONLY_AFTER
    if now is None:
        return Change.ONLY_BEFORE
    if now is Outcome.PASSED:
        return Change.FIXED if was is Outcome.FAILED else Change.NOW_PASSES
    if now is Outcome.FAILED and was is not Outcome.FAILED:
        return Change.NOW_FAILS
    if was is now and before and after and _told(before) == _told(after):
        return Change.SAME
    return Change.REASON if now is Outcome.FAILED else Change.OTHER


def _told(line: CellLine) -> str | None:
    """Why it has this outcome, without the words that name the engine."""
    return why(line) if line.outcome is Outcome.FAILED else line.reason


def _facts(
    before: SubjectView, after: SubjectView, left: Mapping[str, CellLine], right: Mapping[str, CellLine]
) -> list[tuple[str, str, str]]:
    found = [
        ("engine", before.subject.engine, after.subject.engine),
        ("version", before.subject.version, after.subject.version),
        ("artifact", before.subject.artifact_digest, after.subject.artifact_digest),
        ("profile", before.plan.profile, after.plan.profile),
        ("rows", str(before.plan.rows), str(after.plan.rows)),
        ("seed", str(before.plan.seed), str(after.plan.seed)),
        ("catalogue", before.plan.catalog_digest, after.plan.catalog_digest),
        ("services", _services(before), _services(after)),
    ]
    for name, line in left.items():
        if other := right.get(name):
            key, planned = line.key, line.planned
            found.append((f"claim {key.route_id}/{key.strategy.value}", _claim(line), _claim(other)))
            versions = f"version {planned.scenario_version}", f"version {other.planned.scenario_version}"
            found.append((f"scenario {key.scenario}", *versions))
    return list(dict.fromkeys(fact for fact in found if fact[1] != fact[2]))


def _claim(line: CellLine) -> str:
    planned = line.planned
    words = (planned.support.value if planned.support else "not claimed", planned.guarantee)
    return ", ".join(word for word in words if word)


def _services(subject: SubjectView) -> str:
    return ", ".join(f"{use.system} {use.version} ({use.provider})" for use in subject.services)


def _side(subject: SubjectView) -> JsonValue:
    return {
        "release_id": subject.plan.release_id,
        "subject": subject.subject.model_dump(mode="json"),
        "plan_digest": subject.plan.plan_digest,
        "cells": {WORD[outcome]: number for outcome, number in subject.tally.counts},
    }


def _outcome(line: CellLine | None) -> str:
    return f"{SYMBOL[line.outcome]} {WORD[line.outcome]}" if line else "not planned"
