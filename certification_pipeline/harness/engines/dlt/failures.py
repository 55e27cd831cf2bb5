"""From an exception of dlt, its drivers or the operating system to the protocol's failure category.

dlt wraps: ``PipelineStepFailed`` around a job failure around the database's own exception. The closest to
the fault says most, so the chain is read from the inside out and the first known name wins. Classes are
matched by name, because not every library that may raise them is imported here.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from dataclasses import dataclass

from certify_failures import by_sqlstate, by_text, redact  # type: ignore[import-not-found]

_MESSAGE_CHARACTERS = 600

_NULL_FOR_NOT_NULL = ("23502", "schema", False)

_BY_CLASS: dict[str, tuple[str, bool]] = {
    "NoSuchTableError": ("not_found", False),
    "UnsupportedError": ("unsupported", False),
    "BadRequestError": ("configuration", False),
    "InvalidCharError": ("unsupported", False),  # a table name that dlt cannot use in a file name
    "IncrementalCursorPathMissing": ("schema", False),
    "IncrementalCursorPathHasValueNone": ("data", False),
    "IncrementalCursorInvalidCoercion": ("data", False),
    "InvalidDataItem": ("data", False),
    "PyToArrowConversionException": ("data", False),
    "ArrowInvalid": ("data", False),
    "ConversionException": ("data", False),
    "OutOfRangeException": ("data", False),
    "ConstraintException": ("schema", False),
    "BinderException": ("schema", False),
    "CatalogException": ("schema", False),
    "IntegrityError": ("schema", False),
    "SchemaException": ("schema", False),
    "UnsupportedDataType": ("schema", False),
    "MergeDispositionException": ("configuration", False),
    "ConfigurationException": ("configuration", False),
    "DestinationCapabilitiesException": ("unsupported", False),
    "CannotRestorePipelineException": ("state", False),
    "PipelineStateEngineNoUpgradePathException": ("state", False),
    "StorageException": ("state", False),
    "JSONDecodeError": ("state", False),
    "DestinationConnectionError": ("connectivity", True),
    "ConnectionError": ("connectivity", True),
    "MemoryError": ("resource", False),
}

_BY_TEXT = (
    ("password authentication failed", "authentication", False),
    ("no password supplied", "authentication", False),
    ('fatal: database "', "not_found", False),
    ("does not exist in table", "schema", False),  # dlt's KeyError about a cursor column
    ("could not set lock", "conflict", True),
    ("database is locked", "conflict", True),
    ("disk is full", "resource", False),
    ("disk i/o error", "resource", False),  # SQLite, when the system refuses a write: a file size limit
    ("no space left", "resource", False),
    ("could not connect", "connectivity", True),
    ("connection refused", "connectivity", True),
    ("server closed the connection", "connectivity", True),
    ("connection to server", "connectivity", True),
)


class UnsupportedError(Exception):
    """The request asks for what dlt does not document."""


class BadRequestError(Exception):
    """The request lacks what the strategy needs."""


@dataclass(frozen=True)
class Failure:
    """What the protocol's ``error`` says."""

    category: str
    message: str
    retryable: bool


def classify(error: BaseException, *dsns: str) -> Failure:
    """Name the failure; passwords of the given DSNs never survive into its message."""
    chain = list(_chain(error))
    for link in reversed(chain):
        if {"JSONDecodeError", "RequestException"} <= _names(link):
            # An answer that is no JSON. The parser's own error inside it could be about dlt's files, too.
            return Failure("data", _message(link, dsns), False)
    for link in reversed(chain):
        if (known := _known(link)) is not None:
            return Failure(known[0], _message(link, dsns), known[1])
    retryable = any("TransientException" in _names(link) for link in chain)
    return Failure("internal", _message(chain[-1], dsns), retryable)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Outermost first, following what dlt, Python and SQLAlchemy each use to point at a cause."""
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        inner = getattr(link, "dbapi_exception", None) or getattr(link, "orig", None)
        link = link.__cause__ or (inner if isinstance(inner, BaseException) else None) or link.__context__


def _names(error: BaseException) -> set[str]:
    return {cls.__name__ for cls in type(error).__mro__}


def _known(error: BaseException) -> tuple[str, bool] | None:
    known: tuple[str, bool] | None = by_sqlstate(getattr(error, "pgcode", None), _NULL_FOR_NOT_NULL)
    if known is None and "PipelineStepFailed" not in _names(error):
        known = by_text(str(error), _BY_TEXT)
    if known is not None:
        return known
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(status, int):
        return _by_http_status(status)
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return "resource", False
    if isinstance(error, PermissionError):
        return "configuration", False
    for cls in type(error).__mro__:
        if cls.__name__ in _BY_CLASS:
            return _BY_CLASS[cls.__name__]
    return None


def _by_http_status(status: int) -> tuple[str, bool]:
    """https://www.rfc-editor.org/rfc/rfc9110.html#section-15"""
    if status in (401, 403):
        return "authentication", False
    if status in (404, 410):
        return "not_found", False
    if status in (408, 429) or status >= 500:  # noqa: PLR2004 - the server's own trouble
        return "connectivity", True
    return "configuration", False


def _message(error: BaseException, dsns: tuple[str, ...]) -> str:
    """One line that names the fault; rows of data that SQLAlchemy attaches are cut off."""
    text = re.split(r"\[SQL:|\[parameters:|\bDETAIL:", str(error))[0]
    text = " ".join(text.split()) or "no message"
    if not isinstance(error, UnsupportedError | BadRequestError):
        text = f"{type(error).__name__}: {text}"
    message: str = redact(text, *dsns)
    return message[:_MESSAGE_CHARACTERS]
