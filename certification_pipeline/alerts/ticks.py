"""Days of the timetable that nobody observed: they break a soak, and no later run makes up for them.

From the ledger and the timetable alone: whether Dagster, cron or nobody was to begin the run does not
matter. An engine's days count from its first scheduled release on, up to a month after its last one: by then
somebody has taken it off the timetable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from certification_pipeline.alerts.links import asset_page
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.chain_dir import ChainDir, chained_engines
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan, Trigger
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.levels.history import History
from certification_pipeline.gates.levels.reading import read_ledger
from certification_pipeline.notify.notice import Notice, NoticeKind, Severity
from certification_pipeline.timetable import TAKES, Timetable

DAYS = 30
SEEDS = Timetable()
FIRST_ENGINES = 10


class Day(StrEnum):
    """What became of one scheduled day, for one engine."""

    KEPT = "kept"
    """A whole scheduled release was sealed on it, and decided."""
    MISSED = "missed"
    UNDECIDED = "undecided"
    """One was sealed, but no decision about it is in the ledger: it runs still, or broke off."""
    UNREADABLE = "unreadable"
    """A release of that day is not as it was chained: nobody can say who began it."""
    DUE = "due"
    """Today's, not late yet."""
    BEFORE = "before"
    """Before the first scheduled release: there was no timetable."""
    RETIRED = "retired"
    """More than a month after the last one."""


MARK = {
    Day.KEPT: "●",
    Day.MISSED: "✗",
    Day.UNDECIDED: "…",
    Day.UNREADABLE: "?",
    Day.DUE: "◌",
    Day.BEFORE: " ",
    Day.RETIRED: " ",
}
LEGEND = "● kept   ✗ missed   … sealed, never decided   ? unreadable   ◌ due   blank: no timetable"
BROKEN = frozenset({Day.MISSED, Day.UNDECIDED, Day.UNREADABLE})
"""Days that count for no soak."""


class Kept(NamedTuple):
    """One engine's days, oldest first."""

    engine: str
    days: Mapping[date, Day]
    first: date | None
    """Its first scheduled release; ``None``: it is on no timetable."""

    @property
    def broken(self) -> list[date]:
        """Days that count for no soak, oldest first."""
        return [day for day, state in self.days.items() if state in BROKEN]

    @property
    def marks(self) -> str:
        """A character a day, weeks apart."""
        return "".join((" " if day.weekday() == 0 else "") + MARK[state] for day, state in self.days.items())


def calendar(
    history: History, now: datetime, *, undecided: Iterable[datetime] = (), times: Timetable = SEEDS
) -> Kept:
    """The last days of one engine, as the timetable's zone counts them. Pure.

    ``undecided``: when scheduled plans were sealed that the ledger lacks.
    """
    said = [one for one in history.in_order() if one.at <= now]
    counted = [one for one in said if one.trigger is Trigger.SCHEDULE and one.whole and not one.problem]
    kept = {times.day(one.at) for one in counted}
    unreadable = {times.day(one.at) for one in said if one.problem}
    begun = {times.day(at) for at in undecided}
    scheduled = sorted(kept | begun)
    first = scheduled[0] if scheduled else None
    today = times.day(now)
    days: dict[date, Day] = {}
    for day in (today - timedelta(days=back) for back in range(DAYS - 1, -1, -1)):
        if first is None or day < first:
            state = Day.BEFORE
        elif day in kept:
            state = Day.KEPT
        elif day - max(one for one in scheduled if one <= day) > timedelta(days=DAYS):
            state = Day.RETIRED
        elif day in begun:  # a run that was sealed has its whole day to be decided
            state = Day.DUE if day == today else Day.UNDECIDED
        elif now < late(times, day):
            state = Day.DUE
        else:
            state = Day.UNREADABLE if day in unreadable else Day.MISSED
        days[day] = state
    return Kept(history.engine, days, first)


def late(times: Timetable, day: date) -> datetime:
    """From when on that day's certification counts as missing."""
    return times.due(day) + TAKES


def calendars(store: EvidenceStore, now: datetime, times: Timetable = SEEDS) -> list[Kept]:
    """Of every engine with a ledger.

    Raises ``EvidenceError`` for a chain that does not hold: it tells nothing, not even that a day was kept.
    """
    found = []
    for engine in chained_engines(store.root):
        ledger = read_ledger(store, engine)
        for problem in ledger.problems:
            raise EvidenceError(f"{layout.CHAIN}/{engine}", None, problem.message, problem.next_step)
        undecided = _undecided(store, engine, now)
        found.append(calendar(ledger.history, now, undecided=undecided, times=times))
    return found


def missed_notices(
    kept: Sequence[Kept],
    now: datetime,
    lookback: timedelta,
    link: str | None = None,
    times: Timetable = SEEDS,
) -> list[Notice]:
    """One notice a day that was missed since then, over all engines. Pure."""
    since = times.day(now - lookback)
    days: dict[date, list[Kept]] = {}
    for one in kept:
        for day in one.broken:
            if day >= since:
                days.setdefault(day, []).append(one)
    return [_notice(day, engines, times, link) for day, engines in sorted(days.items())]


def _notice(day: date, engines: Sequence[Kept], times: Timetable, link: str | None) -> Notice:
    due = times.due(day)
    states = [f"  {one.engine}: {SAYS[one.days[day]]}" for one in engines]
    more = len(states) - FIRST_ENGINES
    listed = [*states[:FIRST_ENGINES], *([f"  … and {more} more"] if more > 0 else [])]
    names = hashlib.sha256("\n".join(sorted(one.engine for one in engines)).encode()).hexdigest()[:8]
    whom = engines[0].engine if len(engines) == 1 else f"{len(engines)} engines"
    return Notice(
        key=f"missed_tick:{day}:{names}",
        kind=NoticeKind.MISSED_TICK,
        severity=Severity.WARNING,
        at=late(times, day),
        subject=whom,
        title=f"Missed: no scheduled certification of {whom} on {day}",
        text=(
            "\n".join((f"Due at {due:%H:%M} UTC, seen in the ledger:", *listed)),
            "That day counts for no soak, and no later run makes up for it: a day that nobody observed stays "
            "a gap. A streak ends when the gap between two green days grows longer than its policy allows.",
            "\n".join(
                (
                    "The last days:",
                    *(f"  {one.engine}: {one.marks}" for one in engines[:FIRST_ENGINES]),
                    f"  {LEGEND}",
                )
            ),
        ),
        what_to_do=(
            "See that the daemon runs and the schedule daily_connector_certification is on",
            "certify levels",
        ),
        link=asset_page(link, "plan"),
        thread="missed ticks",
    )


SAYS = {
    Day.MISSED: "no release of the timetable was sealed",
    Day.UNDECIDED: "one was sealed and never decided: it broke off",
    Day.UNREADABLE: "a release is not as it was chained, nobody can say who began it",
}


def _undecided(store: EvidenceStore, engine: str, now: datetime) -> list[datetime]:
    """When scheduled plans of the engine were sealed that no chain entry is about."""
    from_chain = {name.release_id for name in ChainDir(store.root, engine).listing()[0]}
    sealed = []
    for release in store.releases():
        if release in from_chain:
            continue
        directory = store.release(release, engine)
        try:
            changed = directory.plan_path.lstat().st_mtime
            if changed < (now - timedelta(days=DAYS + 1)).timestamp():
                continue
            plan = directory.read(layout.PLAN, CertificationPlan)
        except (OSError, EvidenceError):
            continue
        if plan.trigger is Trigger.SCHEDULE and plan.created_at <= now:
            sealed.append(plan.created_at)
    return sealed
