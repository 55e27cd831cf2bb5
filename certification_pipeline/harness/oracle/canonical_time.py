"""Canonical text of dates and timestamps, over the whole range of the calendar.

The form is PostgreSQL's with ``DateStyle = ISO`` and ``TimeZone = UTC``: years before 1 are written
``0044-03-15 BC``, years after 9999 with as many digits as they need, fractions without trailing zeros.
https://www.postgresql.org/docs/current/datatype-datetime.html#DATATYPE-DATETIME-OUTPUT
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pyarrow.compute as pc

from certification_pipeline.harness.workload.spec import LogicalType

_DAY = 86_400
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_FIRST_DAY, _LAST_DAY = -719_162, 2_932_896
"""Days from 1970-01-01 to 0001-01-01 and 9999-12-31: the range in which the text is plain ISO."""
_INFINITE = {
    2**63 - 1: "infinity",
    -(2**63) + 1: "-infinity",
    2**31 - 1: "infinity",
    -(2**31) + 1: "-infinity",
}
"""How DuckDB exports infinite dates (32 bits) and timestamps (64 bits) to Arrow."""


def date_text(array: pa.Array) -> pa.Array:
    """``date32``/``date64`` → text."""
    days = pc.cast(pc.cast(array, pa.date32()), pa.int32())
    plain = pc.and_(pc.greater_equal(days, _FIRST_DAY), pc.less_equal(days, _LAST_DAY))
    if pc.all(plain, min_count=0).as_py() is not False:
        return pc.cast(array, pa.string())
    return pa.array([None if day is None else _date(day) for day in days.to_pylist()], pa.string())


def timestamp_text(array: pa.Array) -> pa.Array:
    """Timestamps of any unit → text without zone (of a zoned type: in UTC)."""
    unit = array.type.unit
    ticks = pc.cast(array, pa.int64())
    per_second = _PER_SECOND[unit]
    first, last = _FIRST_DAY * _DAY * per_second, ((_LAST_DAY + 1) * _DAY) * per_second - 1
    lowest, highest = max(first, -(2**63)), min(last, 2**63 - 1)
    plain = pc.and_(pc.greater_equal(ticks, lowest), pc.less_equal(ticks, highest))
    infinite = pc.is_in(ticks, pa.array([2**63 - 1, -(2**63) + 1], pa.int64()))
    if pc.all(plain, min_count=0).as_py() is not False and not pc.any(infinite).as_py():
        text = pc.cast(pc.cast(ticks, pa.timestamp(unit)), pa.string())
        if unit == "s":
            return text
        # Arrow always writes the point here, so trimming cannot reach the seconds.
        return pc.replace_substring_regex(text, r"\.?0+$", "")
    return pa.array([None if tick is None else _timestamp(tick, per_second) for tick in ticks.to_pylist()])


def _date(day: int) -> str:
    if day in _INFINITE:
        return _INFINITE[day]
    year, month, dom = _civil(day)
    return f"{1 - year:04d}-{month:02d}-{dom:02d} BC" if year < 1 else f"{year:04d}-{month:02d}-{dom:02d}"


def _timestamp(tick: int, per_second: int) -> str:
    if tick in (2**63 - 1, -(2**63) + 1):
        return _INFINITE[tick]
    seconds, fraction = divmod(tick, per_second)
    day, second = divmod(seconds, _DAY)
    year, month, dom = _civil(day)
    digits = f"{fraction:0{len(str(per_second)) - 1}d}".rstrip("0") if fraction else ""
    clock = f"{second // 3600:02d}:{second % 3600 // 60:02d}:{second % 60:02d}" + (
        f".{digits}" if digits else ""
    )
    era = " BC" if year < 1 else ""
    return f"{1 - year if year < 1 else year:04d}-{month:02d}-{dom:02d} {clock}{era}"


def _civil(day: int) -> tuple[int, int, int]:
    """Days since 1970-01-01 → proleptic Gregorian date (Howard Hinnant, chrono-Compatible algorithms)."""
    era, doe = divmod(day + 719_468, 146_097)
    yoe = (doe - doe // 1460 + doe // 36_524 - doe // 146_096) // 365
    doy = doe - (365 * yoe + yoe // 4 - yoe // 100)
    shifted = (5 * doy + 2) // 153
    month = shifted + 3 if shifted < 10 else shifted - 9  # noqa: PLR2004 - March is month 0 here
    return yoe + era * 400 + (month <= 2), month, doy - (153 * shifted + 2) // 5 + 1  # noqa: PLR2004


_DAY_TEXT = r"[0-9]{4,}-[0-9]{2}-[0-9]{2}"
_CLOCK_TEXT = r"[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]*[1-9])?"
_CANONICAL_FORM = {
    LogicalType.DATE: rf"^({_DAY_TEXT}( BC)?|-?infinity)$",
    LogicalType.TIMESTAMP: rf"^({_DAY_TEXT} {_CLOCK_TEXT}( BC)?|-?infinity)$",
    LogicalType.TIMESTAMPTZ: rf"^({_DAY_TEXT} {_CLOCK_TEXT}\+00( BC)?|-?infinity)$",
}
_LOOSE = re.compile(
    r"(?P<day>\d{4,}-\d{2}-\d{2})[ T](?P<clock>\d{2}:\d{2}:\d{2})(?:\.(?P<fraction>\d+))?"
    r"\s?(?P<zone>Z|UTC|[+-]\d{2}(?::?\d{2})?)?(?P<era> BC)?"
)


def normalise_time(text: pa.Array, logical: LogicalType) -> pa.Array:
    """Temporal values found as text: ISO 8601 spellings → canonical; anything else as it is."""
    good = pc.match_substring_regex(text, _CANONICAL_FORM[logical])
    if logical is LogicalType.DATE or pc.all(good, min_count=0).as_py() is not False:
        return text
    zoned = logical is LogicalType.TIMESTAMPTZ
    text = _usual_spellings(text, zoned)
    good = pc.match_substring_regex(text, _CANONICAL_FORM[logical])
    odd = pc.fill_null(pc.invert(good), False)
    changed = [_respell(value, zoned) for value in text.filter(odd).to_pylist()]
    return pc.replace_with_mask(text, odd, pa.array(changed, pa.string()))


def _usual_spellings(text: pa.Array, zoned: bool) -> pa.Array:
    """The common ISO spellings in bulk; a value that is none of them passes unchanged."""
    text = pc.replace_substring_regex(text, rf"^({_DAY_TEXT})T", r"\1 ")
    if zoned:
        whole = rf"^({_DAY_TEXT} \d{{2}}:\d{{2}}:\d{{2}}(?:\.\d+)?)\s?(?:Z|UTC|[+-]00(?::?00)?)?$"
        text = pc.replace_substring_regex(text, whole, r"\1+00")
    text = pc.replace_substring_regex(text, r"(:\d{2})\.0+(\+00)?$", r"\1\2")
    return pc.replace_substring_regex(text, r"(:\d{2}\.\d*[1-9])0+(\+00)?$", r"\1\2")


def _respell(text: str, zoned: bool) -> str:
    found = _LOOSE.fullmatch(text)
    if found is None or (found["zone"] is not None and not zoned):
        return text
    fraction = (found["fraction"] or "").rstrip("0")
    day, clock = found["day"], found["clock"]
    if found["zone"] not in (None, "Z", "UTC", "+00", "-00", "+0000", "+00:00", "-00:00"):
        moved = _to_utc(day, clock, found["zone"])
        if moved is None:
            return text
        day, clock = moved
    tail = "+00" if zoned else ""
    return f"{day} {clock}{'.' + fraction if fraction else ''}{tail}{found['era'] or ''}"


def _to_utc(day: str, clock: str, zone: str) -> tuple[str, str] | None:
    hours, minutes = int(zone[1:3]), int(zone[3:].lstrip(":") or 0)
    offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
    try:
        local = datetime.fromisoformat(f"{day} {clock}").replace(tzinfo=timezone(offset))
        moved = local.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return f"{moved.year:04d}-{moved:%m-%d}", f"{moved:%H:%M:%S}"
