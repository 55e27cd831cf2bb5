"""Hours and zone by settings; nights with another clock, and outages, against Dagster's own ticks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise, takewhile
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._utils.schedules import schedule_execution_time_iterator
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import publish_key, report_key
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.schedules import nightly_calibration, schedules
from certification_pipeline.settings import SettingsError
from certification_pipeline.timetable import DAILY, NIGHTLY, WEEKLY, Cron, Timetable, load_timetable
from tests.orchestration.conftest import small_catalog
from tests.orchestration.test_schedules import tick

BERLIN = Timetable("Europe/Berlin")
ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")
DAY = timedelta(days=1)


def ticks(cron: Cron, zone: str, first: datetime, last: datetime) -> list[datetime]:
    """What Dagster's daemon would evaluate between the two."""
    found: Iterator[datetime] = schedule_execution_time_iterator(first.timestamp(), str(cron), zone)
    return list(takewhile(lambda at: at <= last, (at for at in found if at >= first)))


def test_without_settings_the_lines_are_the_seeds_in_utc() -> None:
    found = load_timetable()
    assert (str(found.daily), str(found.weekly), str(found.nightly)) == (DAILY, WEEKLY, NIGHTLY)
    assert found == Timetable()
    assert [one.execution_timezone for one in (*schedules(), nightly_calibration())] == ["UTC"] * 3


def test_settings_move_schedules_and_freshness_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_TIMEZONE", "Europe/Berlin")
    monkeypatch.setenv("CERTIFY_DAILY_CRON", "30  23 * * *")
    monkeypatch.setenv("CERTIFY_WEEKLY_CRON", "5 22 * * Sat")
    defs = build_defs(CertificationResource(evidence_dir="unused"), small_catalog())
    made = {one.name: one for one in defs.schedules or () if isinstance(one, dg.ScheduleDefinition)}
    assert made["daily_connector_certification"].cron_schedule == "30 23 * * *"
    assert made["weekly_full_certification"].cron_schedule == "5 22 * * 6"
    maintenance = made.pop("daily_pruning")
    assert maintenance.execution_timezone == "UTC"
    assert {one.execution_timezone for one in made.values()} == {"Europe/Berlin"}
    graph = defs.resolve_asset_graph()
    daily, weekly = (graph.get(key("reference")).freshness_policy for key in (report_key, publish_key))
    # Two hours after the run begins: past midnight, and on Sunday.
    assert daily == fresh("30 1 * * *")
    assert weekly == fresh("5 0 * * 0")


def fresh(deadline: str) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.cron(
        deadline_cron=deadline, lower_bound_delta=timedelta(hours=2), timezone="Europe/Berlin"
    )


@pytest.mark.parametrize(
    ("variable", "value", "remedy"),
    [
        ("CERTIFY_TIMEZONE", "Berlin", "Europe/Berlin"),
        ("CERTIFY_TIMEZONE", "../etc/passwd", "Europe/Berlin"),
        ("CERTIFY_TIMEZONE", "/etc", "Europe/Berlin"),
        ("CERTIFY_DAILY_CRON", "daily", "17 2"),
        ("CERTIFY_DAILY_CRON", "0 */6 * * *", "17 2"),
        ("CERTIFY_DAILY_CRON", "60 2 * * *", "17 2"),
        ("CERTIFY_DAILY_CRON", "0 24 * * *", "17 2"),
        ("CERTIFY_DAILY_CRON", "0 2 * * 1-5", "17 2"),
        ("CERTIFY_WEEKLY_CRON", "0 2 * * *", "41 3"),
        ("CERTIFY_WEEKLY_CRON", "0 2 * * 8", "41 3"),
        ("CERTIFY_WEEKLY_CRON", "0 2 * * xyz", "41 3"),
        ("CERTIFY_WEEKLY_CRON", "0 2 1 * 2", "41 3"),
        ("CERTIFY_NIGHTLY_CRON", "@daily", "47 0"),
    ],
)
def test_a_setting_that_is_wrong_is_named_and_nothing_loads(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, remedy: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as caught:
        build_defs(CertificationResource(evidence_dir="unused"), small_catalog())
    assert variable in str(caught.value)
    assert value in str(caught.value)
    assert remedy in caught.value.remedy


def test_a_line_is_told_in_words() -> None:
    assert Cron(time(2, 17)).words == "Every day 02:17"
    assert Cron(time(3, 41), 2).words == "Every Tuesday 03:41"


@pytest.mark.parametrize("night", [date(2026, 3, 29), date(2026, 10, 25)])
@pytest.mark.parametrize("at", [time(2, 17), time(2, 59), time(3, 0), time(1, 30)])
def test_a_night_on_which_the_clock_is_changed_has_one_run_as_any_other(night: date, at: time) -> None:
    """In March 02:17 is skipped, in October it is there twice."""
    times = Timetable("Europe/Berlin", daily=Cron(at))
    begin = datetime.combine(night - 2 * DAY, time(12), ZoneInfo("Europe/Berlin"))
    found = ticks(times.daily, times.timezone, begin, begin + 4 * DAY)
    requests = [tick("daily_connector_certification", one, timetable=times) for one in found]
    keys = [one.run_key for one in requests if isinstance(one, dg.RunRequest)]
    assert keys == [f"daily-{night + shift * DAY}" for shift in (-1, 0, 1, 2)]


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_has_a_run_for_each_of_its_days_in_any_zone(zone: str) -> None:
    times = Timetable(zone)
    first = datetime(2026, 1, 1, 12, tzinfo=UTC)
    found = ticks(times.daily, zone, first, first + 365 * DAY)
    days = [times.day(at) for at in found]
    assert len(set(days)) == len(days) == 365
    assert all(later - one == DAY for one, later in pairwise(days))


@pytest.mark.parametrize("name", ["daily_connector_certification", "weekly_full_certification"])
def test_after_an_outage_of_days_the_last_tick_runs_if_it_is_todays_and_no_other(name: str) -> None:
    times = BERLIN
    cron = times.daily if name.startswith("daily") else times.weekly
    # Down from the 3rd; back on Tuesday the 24th, late in the morning.
    down, back = datetime(2026, 3, 3, 12, tzinfo=UTC), datetime(2026, 3, 24, 9, tzinfo=UTC)
    missed = ticks(cron, times.timezone, down, back)
    answers = [tick(name, at, back - at, times) for at in missed]
    assert all(isinstance(answer, str) and "stays a gap" in answer for answer in answers[:-1])
    assert len(answers) == (21 if name.startswith("daily") else 3)
    assert isinstance(answers[-1], dg.RunRequest)
    # Back a day later, the weekly one is a gap, too, and so is the daily one of the day before.
    assert isinstance(tick(name, missed[-1], back + DAY - missed[-1], times), str)


@settings(max_examples=30, deadline=None)
@given(
    st.sampled_from(ZONES),
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1), timezones=st.just(UTC)),
    st.timedeltas(timedelta(0), timedelta(days=4)),
)
def test_a_tick_runs_on_the_day_it_is_named_after_or_never(zone: str, at: datetime, late: timedelta) -> None:
    times = Timetable(zone)
    answer = tick("daily_connector_certification", at, late, times)
    if times.day(at) == times.day(at + late):
        assert isinstance(answer, dg.RunRequest)
        assert answer.run_key == f"daily-{times.day(at)}"
        assert tick("daily_connector_certification", at, late, times) == answer
    else:
        assert isinstance(answer, str)
        assert str(times.day(at)) in answer


@settings(max_examples=30, deadline=None)
@given(
    st.builds(
        Cron, st.times().map(lambda at: at.replace(second=0, microsecond=0)), st.none() | st.integers(0, 6)
    )
)
def test_later_is_that_much_later(cron: Cron) -> None:
    by = timedelta(hours=2)
    first = datetime(2026, 1, 1, tzinfo=UTC)
    one = ticks(cron, "UTC", first, first + 8 * DAY)[0]
    assert one + by in ticks(cron.later(by), "UTC", first, first + 10 * DAY)


@pytest.mark.parametrize("zone", ZONES)
def test_when_a_day_is_due_is_when_dagster_ticks(zone: str) -> None:
    """But for the nights on which clocks are changed, where it is within the hour."""
    times = Timetable(zone)
    first = datetime(2026, 1, 1, 12, tzinfo=UTC)
    off = [abs(times.due(times.day(at)) - at) for at in ticks(times.daily, zone, first, first + 365 * DAY)]
    assert max(off) <= timedelta(hours=1)
    assert sum(bool(each) for each in off) <= 2
