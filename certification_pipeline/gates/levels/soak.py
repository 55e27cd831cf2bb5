"""Streaks: green scheduled runs in a row, each on a day of its own.

A run that the bench spoilt is as if it had not been (availability); a red one, or one that passed only when
it was tried again, ends the streak at once, whoever began it (correctness).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from certification_pipeline.catalog.policies import SoakRule, Span
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import Seen, SoakDay, Standing
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.gates.levels.history import Said
from certification_pipeline.gates.levels.picture import RunVerdict
from certification_pipeline.gates.levels.state import UNPROVEN, Proven

CALENDAR_DAYS = 35
_SEEN = {
    RunVerdict.RED: Seen.RED,
    RunVerdict.FLAKY: Seen.FLAKY,
    RunVerdict.GREEN: Seen.GREEN,
    RunVerdict.VOID: Seen.INCONCLUSIVE,
}


@dataclass(eq=False, slots=True)
class StreakState:
    """One unit's streak under one rule. ``until`` is how far the rule was ever met."""

    rule: SoakRule
    runs: int = 0
    started: datetime | None = None
    last: datetime | None = None
    last_day: date | None = None
    until: datetime | None = None
    broken_at: datetime | None = None
    broken_by: str | None = None
    days: dict[date, Seen] = field(default_factory=dict)

    def take(self, said: Said, verdict: RunVerdict) -> None:
        """One more release, in order of time."""
        counts = said.trigger is Trigger.SCHEDULE and said.whole
        self._note(said.at, _SEEN[verdict] if counts or verdict is not RunVerdict.GREEN else Seen.UNSCHEDULED)
        if verdict in (RunVerdict.RED, RunVerdict.FLAKY):
            self._break(said.at, f"release {said.release_id} was {verdict}")
        elif verdict is RunVerdict.GREEN and counts:
            self._green(said.at)

    def forget(self, at: datetime, why: str) -> None:
        """Nothing is known of what was before."""
        self._break(at, why)
        self.until = None

    def standing(self, at: datetime) -> Proven:
        """Whether the rule is met, and until when without another run."""
        if self.until is None:
            return UNPROVEN
        return Proven(Standing.PROVEN, min(self.last or self.until, at), self.until)

    def seen_at(self, now: datetime) -> StreakState:
        """The same as it looks at ``now``, when a run may be overdue."""
        if self.last is None or now - self.last <= self.rule.longest_gap:
            return self
        why = f"no green scheduled run since {_minute(self.last)}"
        ended = self.last + self.rule.longest_gap
        return StreakState(self.rule, until=self.until, broken_at=ended, broken_by=why, days=self.days)

    @property
    def enough_at(self) -> datetime | None:
        """When the rule is met, if every day brings a green run from here on."""
        if self.started is None or self.last is None:
            return None
        by_runs = self.last + timedelta(days=max(0, self.rule.runs - self.runs))
        return max(self.started + timedelta(days=self.rule.days), by_runs)

    def last_days(self, now: datetime) -> tuple[SoakDay, ...]:
        """What the calendar shows: five weeks up to ``now``."""
        first = (now - timedelta(days=CALENDAR_DAYS - 1)).astimezone(UTC).date()
        return tuple(SoakDay(day=day, seen=seen) for day, seen in sorted(self.days.items()) if day >= first)

    def _note(self, at: datetime, seen: Seen) -> None:
        """A day is as good as the worst that was seen on it; an inconclusive run takes no green away."""
        day = at.astimezone(UTC).date()
        known = self.days.get(day, seen)
        self.days[day] = min(known, seen, key=list(Seen).index)

    def _green(self, at: datetime) -> None:
        if self.last is not None and at - self.last > self.rule.longest_gap:
            gap = f"no green scheduled run from {_minute(self.last)} to {_minute(at)}"
            self._break(self.last + self.rule.longest_gap, gap)
        day = at.astimezone(UTC).date()
        self.started = self.started or at
        self.runs += day != self.last_day
        self.last, self.last_day = at, day
        if self.runs >= self.rule.runs and at - self.started >= timedelta(days=self.rule.days):
            self.until = at + self.rule.longest_gap

    def _break(self, at: datetime, why: str) -> None:
        if self.last is not None:
            self.broken_at, self.broken_by = at, why
        self.runs, self.started, self.last, self.last_day = 0, None, None, None
        if self.until is not None:
            self.until = min(self.until, at)


def spanned(rule: SoakRule, certified: Subject, other: Subject) -> bool:
    """Whether a run of ``other`` belongs to the streak of ``certified`` (law 8; docs/adr/0013)."""
    if certified == other:
        return True
    if rule.spans is Span.ARTIFACT:
        return False
    mine, theirs = certified.version.split("."), other.version.split(".")
    return len(mine) >= 2 and mine[:2] == theirs[:2]  # noqa: PLR2004 - major and minor


def _minute(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M")
