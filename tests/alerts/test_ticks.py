"""Simulated weeks of a timetable: each day nobody observed is found, told once, and no other."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.alerts.ticks import (
    BROKEN,
    DAYS,
    Day,
    Kept,
    calendar,
    calendars,
    missed_notices,
)
from certification_pipeline.evidence.plan import Selection, Trigger
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.timetable import Cron, Timetable
from tests.evidence.builders import SMALL, cell, plan
from tests.evidence.builders import START as SEALED
from tests.levels.builders import START, day, history, said
from tests.levels.ledgers import released

NEXT_DAY = timedelta(days=1)


def on(number: int) -> date:
    return day(number).date()


def at(number: float) -> Kept:
    """Days 0 to 9, but for 4, 5 and 8; as it looks then."""
    days = [said(n) for n in range(10) if n not in (4, 5, 8)]
    return calendar(history(one for one in days if one.at <= day(number)), day(number))


def test_a_day_without_a_scheduled_release_is_missed_and_those_before_the_first_are_not() -> None:
    kept = at(9.5)
    assert kept.broken == [on(4), on(5), on(8)]
    assert kept.first == on(0)
    assert kept.days[on(0) - NEXT_DAY] is Day.BEFORE
    assert kept.marks.replace(" ", "") == "●●●●✗✗●●✗●"


def test_a_day_is_due_until_two_hours_after_its_time() -> None:
    assert at(4).days[on(4)] is Day.DUE
    assert at(4 + 1.9 / 24).days[on(4)] is Day.DUE
    assert at(4 + 2.1 / 24).days[on(4)] is Day.MISSED
    before = day(4).replace(hour=0, minute=5)
    assert calendar(history([said(3)]), before).days[on(4)] is Day.DUE


def test_a_run_of_the_schedule_later_that_day_keeps_it() -> None:
    late = said(4).at.replace(hour=23, minute=50)
    kept = calendar(history([said(3), said(4, at=late)]), day(5.5))
    assert kept.days[on(4)] is Day.KEPT
    assert kept.broken == [on(5)]


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"trigger": Trigger.MANUAL}, Day.MISSED),
        ({"whole": False}, Day.MISSED),
        ({"problem": "a cell was edited"}, Day.UNREADABLE),
    ],
)
def test_what_counts_for_no_soak_keeps_no_day(changes: dict[str, object], state: Day) -> None:
    kept = calendar(history([said(0), said(1, **changes), said(2)]), day(2.5))
    assert kept.days[on(1)] is state
    assert state in BROKEN


def test_an_engine_that_was_taken_off_the_timetable_is_not_told_of_for_ever() -> None:
    told = {
        notice.key
        for n in range(0, 90)
        for notice in missed_notices(
            [calendar(history([said(0)]), day(n + 0.5))], day(n + 0.5), timedelta(days=3)
        )
    }
    assert len(told) == DAYS
    assert calendar(history([said(0)]), day(50)).days[on(40)] is Day.RETIRED


def test_each_missed_day_is_one_notice_however_often_one_looks() -> None:
    keys = {}
    for hour in range(24 * 11):
        moment = START + timedelta(hours=hour)
        days = [said(n) for n in range(10) if n not in (4, 5, 8)]
        kept = [
            calendar(replaced(engine, [one for one in days if one.at <= moment]), moment)
            for engine in ("dlt", "reference")
        ]
        for notice in missed_notices(kept, moment, timedelta(days=3)):
            keys.setdefault(notice.key, (notice, moment))
    assert [notice.title for notice, _ in keys.values()] == [
        f"Missed: no scheduled certification of 2 engines on {on(n)}" for n in (4, 5, 8, 10)
    ]
    for notice, moment in keys.values():
        assert moment - notice.at < timedelta(hours=1), "told within the hour in which it was late"
        assert "dlt: no release of the timetable was sealed" in notice.text[0]


def replaced(engine: str, days: list) -> object:  # type: ignore[type-arg]
    from certification_pipeline.gates.levels.history import History

    return History(engine, tuple(days))


@given(st.sets(st.integers(0, 29)), st.integers(0, 29))
def test_broken_days_are_just_those_between_the_first_and_now_that_have_none(
    kept: set[int], now: int
) -> None:
    found = calendar(history(said(n) for n in kept), day(now) + timedelta(hours=3))
    there = {n for n in kept if n <= now}
    expected = [on(n) for n in range(min(there), now + 1) if n not in there] if there else []
    assert found.broken == expected


def test_days_are_those_of_the_timetables_zone() -> None:
    """Sealed at 22:30 UTC, which is half past midnight of the next day there."""
    times = Timetable("Europe/Berlin", Cron(time(0, 30)))
    days = [said(n, at=datetime(2025, 7, n, 22, 30, tzinfo=UTC)) for n in (1, 2, 4)]
    kept = calendar(history(days), datetime(2025, 7, 6, 0, 0, tzinfo=UTC), times=times)
    assert kept.first == date(2025, 7, 2)
    assert kept.broken == [date(2025, 7, 4)]
    assert kept.days[date(2025, 7, 6)] is Day.DUE, "until half past two there"
    (notice,) = missed_notices([kept], datetime(2025, 7, 6, tzinfo=UTC), timedelta(days=3), times=times)
    assert notice.at == datetime(2025, 7, 4, 0, 30, tzinfo=UTC)


class TestOnDisk:
    def test_a_release_that_was_sealed_and_never_decided_is_found(self, tmp_path: Path) -> None:
        released(tmp_path, 0, trigger=Trigger.SCHEDULE)
        self.sealed(tmp_path, 1)
        store = EvidenceStore(tmp_path)
        (running,) = calendars(store, SEALED + timedelta(days=1, hours=5))
        assert running.days[(SEALED + NEXT_DAY).date()] is Day.DUE, "it may still run"
        (over,) = calendars(store, SEALED + timedelta(days=2))
        assert over.days[(SEALED + NEXT_DAY).date()] is Day.UNDECIDED
        (notice,) = missed_notices([over], SEALED + timedelta(days=2), timedelta(days=2))[:1]
        assert "sealed and never decided" in notice.text[0]

    @pytest.mark.nightly
    def test_a_ledger_with_a_part_and_a_manual_release_keeps_its_scheduled_day_only(
        self, tmp_path: Path
    ) -> None:
        released(tmp_path, 0, trigger=Trigger.SCHEDULE)
        released(tmp_path, 1, trigger=Trigger.SCHEDULE, selection=Selection(scenarios=("batch.*",)))
        released(tmp_path, 2)
        (kept,) = calendars(EvidenceStore(tmp_path), SEALED + timedelta(days=2, hours=1))
        days = [(SEALED + timedelta(days=n)).date() for n in range(3)]
        assert [kept.days[one] for one in days] == [Day.KEPT, Day.MISSED, Day.MISSED]

    def test_no_ledger_is_no_timetable(self, tmp_path: Path) -> None:
        assert calendars(EvidenceStore(tmp_path), SEALED) == []

    def sealed(self, root: Path, number: int) -> SubjectDir:
        directory = EvidenceStore(root).release(f"release-{number:02}", "reference")
        made = plan(SMALL, number * 1440).model_copy(
            update={"release_id": directory.release_id, "trigger": Trigger.SCHEDULE}
        )
        directory.write(cell(directory.seal_plan(made), SMALL[0], minutes=number * 1440 + 10))
        return directory
