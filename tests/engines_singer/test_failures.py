"""The taxonomy: what the programs were seen to say, and the category it stands for."""

from __future__ import annotations

from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory

TRACEBACK = 'Traceback (most recent call last):\n  File "x.py", line 1, in y\n    raise\n'

SEEN = [
    (
        'sqlalchemy.exc.OperationalError: (psycopg2.OperationalError) connection to server at "127.0.0.1", '
        'port 1 failed: FATAL:  password authentication failed for user "u"\n(Background on this error)',
        "authentication",
        False,
    ),
    (
        'psycopg2.OperationalError: connection to server at "127.0.0.1", port 1 failed: Connection refused\n'
        "\tIs the server running on that host?",
        "connectivity",
        True,
    ),
    (
        "singer_sdk.exceptions.InvalidRecord: Record Message Validation Error: None is not of type",
        "data",
        False,
    ),
    ('psycopg2.errors.UndefinedObject: replication slot "x" does not exist', "configuration", False),
    ('psycopg2.errors.UndefinedFile: could not access file "wal2json": No such file', "configuration", False),
    ("NotImplementedError: Altering columns is not supported.", "schema", False),
    ('psycopg.errors.UndefinedTable: relation "t" does not exist', "not_found", False),
    ("_duckdb.IOException: IO Error: Could not set lock on file", "conflict", True),
    (
        "sqlalchemy.exc.IntegrityError: (psycopg.errors.UniqueViolation) duplicate key value violates unique",
        "conflict",
        True,
    ),
    (
        "sqlalchemy.exc.OperationalError: (psycopg.errors.QueryCanceled) canceling statement due to user",
        "resource",
        True,
    ),
    ("OSError: [Errno 28] No space left on device", "resource", False),
    ("KeyError: 'bookmarks'", "internal", False),
]


@pytest.mark.parametrize(("said", "category", "retryable"), SEEN)
def test_the_exception_decides(
    singer: dict[str, ModuleType], said: str, category: str, retryable: bool
) -> None:
    found = singer["failures"].classify("tap", 1, "INFO connection refused\n" * 3 + TRACEBACK + said)
    if category == "internal":  # then what was said before counts
        assert found[0] == "connectivity"
        found = singer["failures"].classify("tap", 1, TRACEBACK + said)
    assert (found[0], found[2]) == (category, retryable)
    assert found[1].startswith("tap")
    assert said.splitlines()[0].split(":")[0] in found[1]


def test_the_row_being_written_is_not_quoted(singer: dict[str, ModuleType]) -> None:
    said = (
        "_duckdb.ConversionException: Conversion Error: CSV Error on Line: 57\n"
        'Original Line: 1,private\nError when converting column "document". Could not convert'
    )
    category, message, _ = singer["failures"].classify("target", 1, TRACEBACK + said)
    assert category == "data"
    assert 'converting column "document"' in message
    assert "private" not in message
    sql = (
        "sqlalchemy.exc.DataError: (psycopg.DataError) out of range [SQL: INSERT] [parameters: ('private',)]"
    )
    assert "private" not in singer["failures"].classify("target", 1, sql)[1]


def test_a_signal_is_named(singer: dict[str, ModuleType]) -> None:
    assert singer["failures"].classify("tap", -9, "")[:2] == (
        "internal",
        "the tap was ended by SIGKILL: nothing on stderr",
    )


@given(code=st.integers(-70, 70), said=st.text(max_size=300))
def test_whatever_is_said_there_is_a_category_and_a_short_message(
    singer: dict[str, ModuleType], code: int, said: str
) -> None:
    category, message, _ = singer["failures"].classify("target", code, said)
    assert category in set(FailureCategory)
    assert 0 < len(message) < 700
