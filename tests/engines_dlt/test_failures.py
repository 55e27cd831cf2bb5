"""The taxonomy: which exception becomes which category, and that no password gets into a message.

``failures.py`` belongs to a script with an environment of its own; it imports nothing heavy, so it is
loaded here from its file.
"""

from __future__ import annotations

import errno

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from tests.engines.scripts import module

failures = module("dlt", "failures")


class FakePostgresError(Exception):
    def __init__(self, pgcode: str | None, message: str = "no") -> None:
        super().__init__(message)
        self.pgcode = pgcode


class PipelineStepFailed(Exception):  # noqa: N818 - dlt's name
    pass


TransientException = type("TransientException", (Exception,), {})


def wrapped(inner: Exception) -> Exception:
    try:
        raise PipelineStepFailed("step failed") from inner
    except PipelineStepFailed as outer:
        return outer


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (FakePostgresError("42P01"), "not_found"),
        (FakePostgresError("28P01"), "authentication"),
        (FakePostgresError("57P01"), "connectivity"),
        (FakePostgresError("53100"), "resource"),
        (FakePostgresError("22003"), "data"),
        (FakePostgresError("23502"), "schema"),
        (FakePostgresError("23505"), "data"),
        (FakePostgresError("40P01"), "conflict"),
        (FakePostgresError("42804"), "schema"),
        (FakePostgresError(None, 'password authentication failed for user "x"'), "authentication"),
        (Exception("(sqlite3.OperationalError) disk I/O error"), "resource"),
        (FakePostgresError(None, "connection to server failed: Connection refused"), "connectivity"),
        (Exception("Could not set lock on file"), "conflict"),
        (OSError(errno.ENOSPC, "No space left on device"), "resource"),
        (PermissionError(errno.EACCES, "denied"), "configuration"),
        (failures.UnsupportedError("no"), "unsupported"),
        (failures.BadRequestError("no"), "configuration"),
        (ZeroDivisionError("division by zero"), "internal"),
    ],
)
def test_the_closest_known_cause_decides(error: Exception, category: str) -> None:
    assert failures.classify(error).category == category
    assert failures.classify(wrapped(error)).category == category


def test_every_category_it_may_answer_is_the_protocols() -> None:
    answers = {category for _, category, _ in failures._BY_TEXT}
    answers |= {category for category, _ in failures._BY_CLASS.values()}
    assert answers <= {str(category) for category in FailureCategory}


def test_a_transient_failure_nobody_knows_may_be_retried() -> None:
    failure = failures.classify(TransientException("something"))
    assert (failure.category, failure.retryable) == ("internal", True)


def test_rows_of_data_do_not_get_into_the_message() -> None:
    error = Exception("NOT NULL failed [SQL: INSERT INTO t VALUES (?)] [parameters: [('4111 1111', 1)]]")
    assert "4111" not in failures.classify(error).message
