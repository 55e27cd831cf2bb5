"""The taxonomy: which exception becomes which category, and that no password gets into a message.

``failures.py`` belongs to a script with an environment of its own; it imports nothing heavy, so it is
loaded here from its file.
"""

from __future__ import annotations

import errno
import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines import environment


def _load() -> ModuleType:
    path = Path(environment.__file__).parent / "dlt" / "failures.py"
    spec = importlib.util.spec_from_file_location("dlt_driver_failures", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


failures = _load()


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
    answers = {category for _, category, _ in (*failures._BY_SQLSTATE, *failures._BY_TEXT)}
    answers |= {category for category, _ in failures._BY_CLASS.values()}
    assert answers <= {str(category) for category in FailureCategory}


def test_a_transient_failure_nobody_knows_may_be_retried() -> None:
    failure = failures.classify(TransientException("something"))
    assert (failure.category, failure.retryable) == ("internal", True)


def test_rows_of_data_do_not_get_into_the_message() -> None:
    error = Exception("NOT NULL failed [SQL: INSERT INTO t VALUES (?)] [parameters: [('4111 1111', 1)]]")
    assert "4111" not in failures.classify(error).message


@given(
    password=st.text(min_size=4, max_size=20).filter(
        # Words of the text itself, as `post`, would be masked there, too.
        lambda text: (
            text.strip() == text and text not in "could not connect with postgresql://user:***@host/db or"
        )
    )
)
def test_a_password_never_survives_however_it_is_spelt(password: str) -> None:
    dsn = f"postgresql://user:{quote(password, safe='')}@host/db"
    text = f"could not connect with {dsn} or with {password}"
    redacted = failures.redact(text, dsn)
    assert quote(password, safe="") not in redacted.replace("***", "")
    assert redacted.count("***") == 2
