"""The closest cause names the failure, and no password and no row is in its message."""

from __future__ import annotations

import pytest

from tests.engines.scripts import module

PASSWORD = "s3cret/word"
DSN = "postgresql://someone:s3cret%2Fword@db.example:5433/sales"


FAILURES = module("dpone", "failures")


class _Sql(Exception):  # noqa: N818 - stands for psycopg's
    def __init__(self, sqlstate: str) -> None:
        super().__init__("it said no")
        self.sqlstate = sqlstate


class SchemaEvolutionError(Exception):
    """As dpone's is called."""


class OperationalError(Exception):
    """As psycopg's is called, which has no SQLSTATE when there is no connection."""


def _classified(error: Exception, *dsns: str) -> tuple[str, str, bool]:
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = error
    found: tuple[str, str, bool] = FAILURES.classify(wrapped, *dsns)
    return found


@pytest.mark.parametrize(
    ("sqlstate", "category", "retryable"),
    [
        ("42P01", "not_found", False),
        ("3F000", "not_found", False),
        ("42601", "schema", False),
        ("42501", "authentication", False),
        ("22P04", "data", False),
        ("23505", "data", False),
        ("23502", "schema", False),
        ("28P01", "authentication", False),
        ("57P01", "connectivity", True),
        ("55P03", "conflict", True),
        ("40001", "conflict", True),
        ("53100", "resource", True),
    ],
)
def test_sqlstates(sqlstate: str, category: str, retryable: bool) -> None:
    found = _classified(_Sql(sqlstate))
    assert (found[0], found[2]) == (category, retryable)


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (OperationalError("connection failed: password authentication failed"), "authentication"),
        (OperationalError("connection failed: Connection refused"), "connectivity"),
        (OperationalError('connection failed: FATAL:  database "x" does not exist'), "not_found"),
        (OperationalError("anything else"), "connectivity"),
        (SchemaEvolutionError("DPONE_SCHEMA_EVOLUTION_BLOCKED"), "schema"),
        (RuntimeError("breaking schema evolution changes detected"), "schema"),
        (RuntimeError('relation "t" does not exist'), "not_found"),
        (RuntimeError("disk full"), "resource"),
        (RuntimeError("nobody knows"), "internal"),
    ],
)
def test_texts_and_classes(error: Exception, category: str) -> None:
    assert _classified(error)[0] == category


@pytest.mark.parametrize("dsn", [DSN, "postgresql://someone@/sales?host=/run/pg&password=s3cret%2Fword"])
def test_messages_hold_neither_passwords_nor_rows(dsn: str) -> None:
    error = RuntimeError(f"cannot use {dsn} or {PASSWORD} or s3cret%2Fword DETAIL: row (4711)")
    message = FAILURES.classify(error, dsn)[1]
    assert "s3cret" not in message
    assert "4711" not in message
