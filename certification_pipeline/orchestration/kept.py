"""Which scheduled days nobody observed, as Dagster shows it: red, amber or green, and a calendar."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import NamedTuple

import dagster as dg
import pandas as pd

from certification_pipeline.alerts.ticks import LEGEND, MARK, SAYS, Day, Kept, calendars, late
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.orchestration.render import Metadata, table
from certification_pipeline.timetable import Timetable

_NAMED = 5
_WEEKDAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Judged(NamedTuple):
    """The fields of a check result, and of an evaluation that a sensor reports."""

    passed: bool
    severity: dg.AssetCheckSeverity
    description: str
    metadata: Metadata


def judge(store: EvidenceStore, now: datetime, times: Timetable) -> Judged:
    """The last thirty days of every engine; a ledger that cannot be read is amber, and fails nothing."""
    try:
        return judge_days(calendars(store, now, times))
    except EvidenceError as error:
        return _unreadable(error)


def judge_if_any(store: EvidenceStore, now: datetime, times: Timetable) -> Judged | None:
    """As :func:`judge`, which the check of ``plan`` shows; ``None`` while there is no timetable."""
    try:
        kept = calendars(store, now, times)
    except EvidenceError as error:
        return _unreadable(error)
    return judge_days(kept) if any(one.first is not None for one in kept) else None


def _unreadable(error: EvidenceError) -> Judged:
    return Judged(False, dg.AssetCheckSeverity.WARN, f"the ledger cannot be read: {error}", {})


def hour_of(times: Timetable, now: datetime) -> str:
    """What passes without a file: the hour, and the moment from which today is late."""
    return f"{now:%Y-%m-%dT%H} {now >= late(times, times.day(now))}"


def judge_days(kept: Sequence[Kept]) -> Judged:
    """Red for the newest day, amber for older ones, green for none; no timetable and no day over is amber."""
    scheduled = [one for one in kept if one.first is not None]
    if not scheduled:
        told = "no release was ever begun by a schedule: nothing counts for a soak yet"
        return Judged(False, dg.AssetCheckSeverity.WARN, told, {})
    missing = sorted({day for one in scheduled for day in one.broken})
    judged = [
        day
        for one in scheduled
        for day, state in one.days.items()
        if state not in (Day.DUE, Day.BEFORE, Day.RETIRED)
    ]
    if not judged:
        told = (
            "no scheduled day is over yet: the first run that a schedule began goes on, or none since a month"
        )
        return Judged(False, dg.AssetCheckSeverity.WARN, told, {})
    metadata: Metadata = {
        "1_calendar": table(_weeks(scheduled)),
        "2_legend": dg.MetadataValue.text(LEGEND),
        **({"3_not_observed": table(_broken(scheduled))} if missing else {}),
        "days_missed": dg.MetadataValue.int(len(missing)),
        "days_kept": dg.MetadataValue.int(
            len({day for one in scheduled for day, state in one.days.items() if state is Day.KEPT})
        ),
    }
    if not missing:
        return Judged(True, dg.AssetCheckSeverity.ERROR, "every scheduled day was observed", metadata)
    red = missing[-1] == max(judged)
    named = ", ".join(f"{day}" for day in missing[-_NAMED:])
    more = f" and {len(missing) - _NAMED} before" if len(missing) > _NAMED else ""
    return Judged(
        False,
        dg.AssetCheckSeverity.ERROR if red else dg.AssetCheckSeverity.WARN,
        f"not observed: {named}{more}",
        metadata,
    )


def _weeks(kept: Sequence[Kept]) -> pd.DataFrame:
    """The last thirty days as a calendar: a row a week and engine, the newest week first."""
    rows: dict[tuple[date, str], dict[str, str]] = {}
    for one in kept:
        for day, state in one.days.items():
            monday = day - timedelta(days=day.weekday())
            named = {"week of": f"{monday}", "engine": one.engine, **dict.fromkeys(_WEEKDAYS, "")}
            row = rows.setdefault((monday, one.engine), named)
            row[_WEEKDAYS[day.weekday()]] = f"{MARK[state]} {day.day}" if MARK[state].strip() else ""
    weeks = sorted(rows, key=lambda at: (-at[0].toordinal(), at[1]))
    return pd.DataFrame([rows[at] for at in weeks if any(rows[at][name] for name in _WEEKDAYS)])


def _broken(kept: Sequence[Kept]) -> pd.DataFrame:
    """Every day that counts for no soak, the newest first, and what is known of it."""
    days = sorted(((day, one.engine, one.days[day]) for one in kept for day in one.broken), reverse=True)
    return pd.DataFrame(
        [
            {"day": f"{day}", "engine": engine, "is": state.value, "because": SAYS[state]}
            for day, engine, state in days
        ]
    )
