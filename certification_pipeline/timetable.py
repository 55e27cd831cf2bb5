"""When certifications begin: three cron lines and a time zone, from ``CERTIFY_*`` variables.

The schedules, the freshness of what they make and the notices of missed days read the same frozen model.
Knows nothing of Dagster.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from certification_pipeline.settings import ENV_PREFIX, SettingsError

DAILY = "17 2 * * *"
"""The seeds' connector certification (connector-certification.yml)."""
WEEKLY = "41 3 * * 2"
"""The seeds' full certification (full-certification.yml)."""
NIGHTLY = "47 0 * * *"
"""Calibration: before the day's first certification, which rests on it."""
TAKES = timedelta(hours=2)
"""What a run may take until its verdict counts as late."""

_MINUTE, _HOUR = r"(?P<minute>[0-9]|[1-5][0-9])", r"(?P<hour>[0-9]|1[0-9]|2[0-3])"
_ONCE_A_DAY = re.compile(rf"{_MINUTE} {_HOUR} \* \* \*")
_ONCE_A_WEEK = re.compile(rf"{_MINUTE} {_HOUR} \* \* (?P<weekday>[0-7]|[A-Za-z]{{3}})")
_WEEKDAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")


@dataclass(frozen=True, slots=True)
class Cron:
    """Once a day, or once a week, at one minute."""

    at: time
    weekday: int | None = None
    """0 is Sunday; ``None``: every day."""

    def __str__(self) -> str:
        return f"{self.at.minute} {self.at.hour} * * {'*' if self.weekday is None else self.weekday}"

    @property
    def words(self) -> str:
        """``Every day 02:17``."""
        return f"Every {'day' if self.weekday is None else _NAMES[self.weekday]} {self.at:%H:%M}"

    def later(self, by: timedelta) -> Cron:
        """The line that ticks that much later, less than a day; past midnight it is the next weekday's."""
        moved = datetime.combine(date(2000, 1, 2), self.at) + by
        over = (moved.date() - date(2000, 1, 2)).days
        return Cron(moved.time(), None if self.weekday is None else (self.weekday + over) % 7)


@dataclass(frozen=True)
class Timetable:
    """What begins when."""

    timezone: str = "UTC"
    daily: Cron = Cron(time(2, 17))
    weekly: Cron = Cron(time(3, 41), 2)
    nightly: Cron = Cron(time(0, 47))

    @cached_property
    def zone(self) -> ZoneInfo:
        """Where the hours are those of the wall."""
        return ZoneInfo(self.timezone)

    def day(self, moment: datetime) -> date:
        """The day it is there."""
        return moment.astimezone(self.zone).date()

    def due(self, day: date) -> datetime:
        """When the daily certification of that day begins, in UTC.

        On the night a clock is put forward an hour that is skipped is the one after it, as Dagster has it; on
        the night it is put back the first of two is meant.
        """
        local = datetime.combine(day, self.daily.at, self.zone)
        return local.astimezone(UTC)


def load_timetable() -> Timetable:
    """From the variables; one that is empty counts as not given.

    Raises :class:`SettingsError` that names the variable.
    """
    return Timetable(
        _zone(_given("TIMEZONE", "UTC")),
        _daily("DAILY_CRON", DAILY),
        _weekly(_given("WEEKLY_CRON", WEEKLY)),
        _daily("NIGHTLY_CRON", NIGHTLY),
    )


def _given(name: str, default: str) -> str:
    return os.environ.get(ENV_PREFIX + name, "").strip() or default


def _zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        said = f"{ENV_PREFIX}TIMEZONE: '{name}' is no time zone known here"
        raise SettingsError(said, "write it as in 'Europe/Berlin', or 'UTC'") from None
    return name


def _daily(name: str, default: str) -> Cron:
    line = _given(name, default)
    match = _ONCE_A_DAY.fullmatch(" ".join(line.split()))
    if match is None:
        said = f"{ENV_PREFIX}{name}: '{line}' is not once a day"
        # A streak counts days: a timetable that leaves some out, or meets one twice, is another product.
        raise SettingsError(said, f"write minute and hour, as in '{default}'")
    return Cron(time(int(match["hour"]), int(match["minute"])))


def _weekly(line: str) -> Cron:
    match = _ONCE_A_WEEK.fullmatch(" ".join(line.split()))
    day = match["weekday"].lower() if match else ""
    if match is None or (day.isalpha() and day not in _WEEKDAYS):
        said = f"{ENV_PREFIX}WEEKLY_CRON: '{line}' is not once a week"
        raise SettingsError(said, f"write minute, hour and weekday, as in '{WEEKLY}'")
    weekday = _WEEKDAYS.index(day) if day.isalpha() else int(day) % 7
    return Cron(time(int(match["hour"]), int(match["minute"])), weekday)
