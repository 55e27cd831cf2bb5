"""The days on which a certification is due, from the daily schedule's cron line (UTC).

Days, not ticks: a soak counts each day once, and a run that a schedule began later that day keeps it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

DAILY = "17 2 * * *"
"""The seeds' connector certification."""
GRACE = timedelta(hours=2)
"""What a daily run may take until its verdict counts as late, as the freshness of its assets."""

_DAILY_CRON = re.compile(r"([0-9]|[1-5][0-9]) ([0-9]|1[0-9]|2[0-3]) \* \* \*")


@dataclass(frozen=True)
class Daily:
    """Once a day at that time, UTC."""

    at: time

    @classmethod
    def parse(cls, cron: str) -> Daily:
        """From ``minute hour * * *``; ``ValueError`` for any other cron line."""
        match = _DAILY_CRON.fullmatch(cron)
        if match is None:
            raise ValueError(f"{cron!r} is no daily cron line: write minute and hour, as in '{DAILY}'")
        return cls(time(int(match[2]), int(match[1])))

    def due(self, day: date) -> datetime:
        """When that day's certification begins."""
        return datetime.combine(day, self.at, UTC)


def days_back(now: datetime, count: int) -> list[date]:
    """The last ``count`` days (UTC), today included, oldest first."""
    today = now.astimezone(UTC).date()
    return [today - timedelta(days=back) for back in range(count - 1, -1, -1)]
