"""Levels as tables, and the soak calendar: the last five weeks a connector, a mark a day."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pandas as pd

from certification_pipeline.evidence.levels import (
    ConnectorLevel,
    Proof,
    Seen,
    Standing,
    Streak,
)
from certification_pipeline.evidence.levels_page import TYPES, until_of

DAYS = 35
MARK: dict[Seen | None, str] = {
    Seen.GREEN: "●",
    Seen.UNSCHEDULED: "○",
    Seen.INCONCLUSIVE: "?",
    Seen.FLAKY: "~",
    Seen.RED: "✗",
    None: "·",
}
LEGEND = "● green scheduled run   ○ green, but not scheduled   ? inconclusive   ~ flaky   ✗ red   · no run"
_HOLDS = (Standing.PROVEN, Standing.INAPPLICABLE)


@dataclass(frozen=True, slots=True)
class CalendarLine:
    """One connector under one soak rule, oldest day first."""

    name: str
    check: str
    days: tuple[tuple[date, Seen | None], ...]
    told: str

    @property
    def marks(self) -> str:
        """A character a day, weeks apart."""
        parts: list[str] = []
        for day, seen in self.days:
            parts.append(" " if day.weekday() == 0 and parts else "")
            parts.append(MARK[seen])
        return "".join(parts)


def ladder_frame(connectors: Iterable[ConnectorLevel]) -> pd.DataFrame:
    """The seed's matrix: connector, type, current level, until when, next step."""
    rows = [
        {
            "connector": one.name,
            "type": TYPES[one.roles],
            "policy": one.policy,
            "level": one.level or "none",
            "until": until_of(one),
            "why": one.why,
            "next step": one.next_step or "",
        }
        for one in connectors
    ]
    columns = ["connector", "type", "policy", "level", "until", "why", "next step"]
    return pd.DataFrame(rows, columns=columns)


def requirement_frame(one: ConnectorLevel) -> pd.DataFrame:
    """Each line of the policy: how it stands, until when, what it rests on, what it lacks, what to do."""
    rows = [
        {
            "level": line.level,
            "requirement": line.text,
            "standing": line.standing.value,
            "until": f"{line.expires_at:%Y-%m-%d}" if line.expires_at else "",
            "rests on": _rests(line.proofs),
            "lacks": "; ".join(text for proof in line.proofs for text in _lacks(proof)),
            "next step": next(
                (p.next_step for p in line.proofs if p.next_step and p.standing not in _HOLDS), ""
            ),
        }
        for line in one.requirements
    ]
    return pd.DataFrame(rows)


def calendar(connectors: Iterable[ConnectorLevel], as_of: datetime) -> list[CalendarLine]:
    """One line a connector and rule, of those with a run in the last weeks."""
    found = []
    for one in connectors:
        for streak in one.streaks:
            if streak.days:
                found.append(CalendarLine(one.name, streak.check, _days(streak, as_of), told(streak)))
    return found


def told(streak: Streak) -> str:
    """A streak in words."""
    if streak.started_at is None or streak.last_at is None:
        broken = f": {streak.broken_by}" if streak.broken_by else ""
        return f"no streak{broken}"
    days = (streak.last_at - streak.started_at).total_seconds() / 86400
    done = streak.runs >= streak.needs_runs and days >= streak.needs_days
    text = f"{streak.runs} of {streak.needs_runs} runs, {days:.0f} of {streak.needs_days:g} days"
    if not done and streak.enough_at:
        text += f"; enough on {streak.enough_at:%Y-%m-%d}"
    return text


def _days(streak: Streak, as_of: datetime) -> tuple[tuple[date, Seen | None], ...]:
    last = as_of.astimezone(UTC).date()
    seen = {each.day: each.seen for each in streak.days}
    listed = [last - timedelta(days=back) for back in range(DAYS - 1, -1, -1)]
    return tuple((day, seen.get(day)) for day in listed)


def _rests(proofs: Iterable[Proof]) -> str:
    cells: dict[str, int] = {}
    for proof in proofs:
        for rest in proof.rests_on:
            name = rest.release_id or rest.path
            cells[name] = cells.get(name, 0) + rest.cells
    return ", ".join(f"{name} ({count} cells)" if count else name for name, count in cells.items())


def _lacks(proof: Proof) -> list[str]:
    if proof.standing in _HOLDS:
        return []
    more = len(proof.missing) - 1 + proof.more_missing
    return [text + (f" (and {more} more)" if more else "") for text in proof.missing[:1]]
