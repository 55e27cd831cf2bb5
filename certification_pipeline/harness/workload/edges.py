"""Edge values: what breaks connectors, one list per logical type.

Every list is planted whole in every generated table of at least :data:`EDGE_SLOTS` rows, whatever the
seed. A value is here because some store, driver or file format is known to lose it; all of them can be
held by PostgreSQL, by Python and by Arrow, so that a loss is the engine's and not ours. Knows nothing
of tables or rows.
"""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from functools import cache

import pyarrow as pa

from certification_pipeline.harness.workload.spec import ARROW_TYPES, LogicalType

EDGE_SLOTS = 60
"""Rows reserved for edge values at the start of a table; every list is shorter, to leave room for NULL."""

LONG_TEXT = ("long — длинный — 長い 🚂 " * 300).encode()[:8190].decode(errors="ignore") + "|"
"""About 8 kB of UTF-8: PostgreSQL stores it out of line, and fixed-width staging columns cut it."""

_TEXTS = (
    "",
    " ",
    "  leading and trailing  ",
    "\u00a0no-break blanks\u00a0",
    "tab\tinside",
    "line\nfeed",
    "carriage\r\nreturn",
    "\r",
    "'single'",
    '"double"',
    "`back`",
    "back\\slash",
    "\\",
    "\\N",  # PostgreSQL's NULL in COPY text format
    "\\.",  # its end-of-data marker
    "\\x41",
    "\\u0041",
    "NULL",
    "null",
    "None",
    "nan",
    "true",
    "0",
    "007",
    "1e5",
    "2024-02-30",
    "a,b;c|d",
    "{a,b}",
    "%s %(x)s %",
    "$1 :name ?",
    "'; DROP TABLE t; --",
    "=1+1",
    "<b>&amp;</b>",
    "caf\u00e9",  # composed and decomposed must stay different
    "cafe\u0301",
    "Z\u0351\u036b\u0343a\u0363l\u0368g\u0321o\u0489",
    "ẞß İı ﬁ",
    "🚀",
    "👩\u200d👩\u200d👧\u200d👦",  # one grapheme, seven code points
    "🏳\ufe0f\u200d🌈 🇩🇪",
    "𝒳 𐍈 \U0010fffd",  # outside the basic plane
    "שלום עולם",
    "\u202eright to left\u202c مرحبا",
    "日本語 中文 한국어",
    "\ufeffbyte order mark",
    "zero\u200bwidth",
    "line\u2028separator",
    "\x01\x1b\x7f",  # control characters; NUL is illegal in PostgreSQL text
    "trailing backslash\\",
    LONG_TEXT,
)

_DECIMALS = (
    "9999999999999999999999999999.9999999999",
    "-9999999999999999999999999999.9999999999",
    "0",
    "1",
    "-1",
    "0.0000000001",
    "-0.0000000001",
    "0.1",
    "0.5",
    "2.675",
    "-2.5",
    "0.0123456789",
    "1234567890.0123456789",
    "9007199254740993.0000000001",
    "12345678901234567.1",
    "1000000000000000000000000000",
    "99999.99",
)

_FLOATS = (
    float("nan"),
    float("inf"),
    float("-inf"),
    0.0,
    -0.0,
    5e-324,
    -5e-324,
    2.225073858507201e-308,
    2.2250738585072014e-308,
    1e308,
    -1e308,
    1.7976931348623157e308,
    0.1,
    0.30000000000000004,
    1 / 3,
    9007199254740992.0,
    123456789.12345679,
    1e-7,
    1e16,
    1e22,
    3.4028235677973366e38,
)

_DATES = (
    dt.date.min,
    dt.date.max,
    dt.date(1970, 1, 1),
    dt.date(1969, 12, 31),
    dt.date(2000, 2, 29),
    dt.date(2024, 2, 29),
    dt.date(1900, 2, 28),
    dt.date(1582, 10, 4),
    dt.date(1582, 10, 15),
    dt.date(1899, 12, 30),
    dt.date(2038, 1, 19),
)

_TIMESTAMPS = (
    dt.datetime.min,
    dt.datetime.max,
    dt.datetime(1970, 1, 1),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 2, 29, 12, 0, 0, 1),
    dt.datetime(2024, 6, 1, 0, 0, 0, 123456),
    dt.datetime(2024, 6, 1, 23, 59, 59, 999999),
    dt.datetime(2024, 3, 31, 2, 30),  # does not exist in Europe
    dt.datetime(2024, 3, 10, 2, 30),  # does not exist in New York
    dt.datetime(2024, 10, 27, 2, 30),  # exists twice in Europe
    dt.datetime(2024, 11, 3, 1, 30),  # exists twice in New York
    dt.datetime(2038, 1, 19, 3, 14, 8),
    dt.datetime(1677, 9, 21, 0, 12, 43, 145223),  # before what 64-bit nanoseconds hold
    dt.datetime(2262, 4, 11, 23, 47, 16, 854776),  # after
    dt.datetime(1582, 10, 10, 0, 0),
)

_INSTANTS = (
    # One day inside year 1 and year 9999: any zone's wall clock stays in what Python's datetime holds.
    dt.datetime(1, 1, 2),
    dt.datetime(9999, 12, 30, 23, 59, 59, 999999),
    dt.datetime(1970, 1, 1),
    dt.datetime(1969, 12, 31, 23, 59, 59, 999999),
    dt.datetime(2024, 2, 29, 12, 0, 0, 1),
    dt.datetime(2024, 3, 31, 0, 59, 59, 999999),  # the last microsecond before Europe's gap
    dt.datetime(2024, 3, 31, 1, 0),
    dt.datetime(2024, 10, 27, 0, 30),  # 02:30 in Berlin, the first time
    dt.datetime(2024, 10, 27, 1, 30),  # 02:30 in Berlin, the second time
    dt.datetime(2024, 11, 3, 5, 30),  # 01:30 in New York, the first time
    dt.datetime(2024, 11, 3, 6, 30),
    dt.datetime(2038, 1, 19, 3, 14, 8),
    dt.datetime(1677, 9, 21, 0, 12, 43, 145223),
    dt.datetime(2262, 4, 11, 23, 47, 16, 854776),
)

_BYTES = (
    b"",
    b"\x00",
    b"\x00\x00trailing\x00",
    bytes(range(256)),
    b"\xff\xfe\xfd",  # not UTF-8
    b"\x80",
    b"\\x41",  # looks like PostgreSQL's hex form
    b"\\000",
    b"'\"\n\t\\",
    "🚀".encode(),
    bytes(range(256)) * 32,
)

_UUIDS = (
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-4000-8000-000000000001",
    "12345678-1234-1234-1234-123456789012",
    "017f22e2-79b0-7cc3-98c4-dc0c0c07398f",
    "1e000000-0000-4000-8000-000000000000",
)

_JSONS = (
    # As PostgreSQL prints jsonb (keys by length, then bytes): even a textual comparison holds.
    "null",
    "{}",
    "[]",
    "true",
    "0",
    '""',
    '"text"',
    '"null"',
    "9007199254740993",
    "-9223372036854775808",
    "18446744073709551617",
    "12345678901234567890123456789012345678.0123456789",
    "0.1234567890123456789",
    '{"": "empty key"}',
    '{"a": {"b": [1, {"c": null}, []], "d": {}}}',
    '{"a": null, "b": [null, null]}',
    '{"q": "\\"", "nl": "\\n", "tab": "\\t", "back": "\\\\", "slash": "/"}',
    '{"ctl": "\\u0001"}',
    '{"emoji": "👩\u200d👩\u200d👧\u200d👦", "ключ": "日本"}',
    '[1, "1", true, "true", 1.5, null]',
    '{"ID": 9007199254740992, "id": 9007199254740993}',
    "[[[[[[[[[[[[[[[[0]]]]]]]]]]]]]]]]",
    '{"sql": "\'; DROP TABLE t; --", "html": "<b>&amp;</b>"}',
)

_INT_ARRAYS: tuple[list[int | None], ...] = (
    [],
    [None],
    [0],
    [None, 1, None],
    [-(2**63), 2**63 - 1],
    [2**53 + 1],
    list(range(100)),
)

_TEXT_ARRAYS: tuple[list[str | None], ...] = (
    [],
    [None],
    [""],
    ["NULL"],
    [None, "a", None],
    ["a,b", '"quoted"', "{brace}", "back\\slash"],
    ["line\nfeed", "tab\t", " blank ", "'"],
    ["🚀", "cafe\u0301", "שלום"],
    ["", "", None, ""],
)


def _integers(bits: int) -> tuple[int, ...]:
    limit = 1 << (bits - 1)
    inner = [
        n
        for power in (15, 31, 53)
        if power < bits - 1
        for n in (1 << power, (1 << power) + 1, -(1 << power) - 1)
    ]
    return (-limit, limit - 1, -limit + 1, limit - 2, 0, 1, -1, 10, *inner)


_EDGES: dict[LogicalType, tuple[object, ...]] = {
    LogicalType.BOOL: (True, False),
    LogicalType.INT16: _integers(16),
    LogicalType.INT32: _integers(32),
    LogicalType.INT64: _integers(64),
    LogicalType.DECIMAL: tuple(Decimal(text) for text in _DECIMALS),
    LogicalType.FLOAT64: _FLOATS,
    LogicalType.TEXT: _TEXTS,
    LogicalType.DATE: _DATES,
    LogicalType.TIMESTAMP: _TIMESTAMPS,
    LogicalType.TIMESTAMPTZ: tuple(moment.replace(tzinfo=dt.UTC) for moment in _INSTANTS),
    LogicalType.BYTES: _BYTES,
    LogicalType.UUID: _UUIDS,
    LogicalType.JSON: _JSONS,
    LogicalType.INT_ARRAY: _INT_ARRAYS,
    LogicalType.TEXT_ARRAY: _TEXT_ARRAYS,
}


@cache
def edge_values(logical: LogicalType) -> pa.Array:
    """The edge values of a type, without NULL; fewer than :data:`EDGE_SLOTS`."""
    return pa.array(_EDGES[logical], ARROW_TYPES[logical])
