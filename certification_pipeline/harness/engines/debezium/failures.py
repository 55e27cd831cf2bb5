"""From what Debezium, its JDBC driver or psycopg say to the protocol's failure category."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

import psycopg
from certify_driver import Failure  # type: ignore[import-not-found]

_MESSAGE_CHARACTERS = 600

_BY_SQLSTATE: tuple[tuple[str, str, bool], ...] = (
    # longest prefix first; https://www.postgresql.org/docs/current/errcodes-appendix.html
    ("42P01", "not_found", False),
    ("3D000", "not_found", False),
    ("3F000", "not_found", False),
    ("42501", "authentication", False),
    ("55006", "conflict", True),
    ("57014", "resource", True),  # cancelled, by an operator or a time limit
    ("57P0", "connectivity", True),
    ("55P03", "conflict", True),
    ("28", "authentication", False),
    ("08", "connectivity", True),
    ("53", "resource", True),
    ("40", "conflict", True),
    ("22", "data", False),
    ("23", "data", False),
    ("42", "schema", False),
    ("58", "resource", False),
)

_BY_TEXT: tuple[tuple[str, str, bool], ...] = (
    ("password authentication failed", "authentication", False),
    ("no password supplied", "authentication", False),
    ("must be superuser or replication role", "authentication", False),
    ("no table filters found for filtered publication", "not_found", False),
    ('fatal: database "', "not_found", False),
    ("is active for pid", "conflict", True),
    ("all replication slots are in use", "resource", False),
    ("no longer available on the server", "state", False),
    ("the connector is trying to read change stream starting at", "state", False),
    ("trust_offset", "state", False),
    # The offset file is a serialised Java map: what Java says when it cannot read one.
    ("utfdataformatexception", "state", False),
    ("streamcorruptedexception", "state", False),
    ("optionaldataexception", "state", False),
    ("invalidclassexception", "state", False),
    ("classnotfoundexception", "state", False),
    ("failed to properly convert data value", "data", False),
    ("debezium does not support", "unsupported", False),
    ("wal_level", "configuration", False),
    ("connection refused", "connectivity", True),
    ("refused. check that the hostname", "connectivity", True),
    ("the connection attempt failed", "connectivity", True),
    ("could not connect", "connectivity", True),
    ("i/o error occurred while sending to the backend", "connectivity", True),
    ("server closed the connection", "connectivity", True),
    ("connection reset", "connectivity", True),
    ("database connection failed", "connectivity", True),
    ("this connection has been closed", "connectivity", True),
    # At its start Debezium reads pg_type; what it says of a connection that breaks then names no cause.
    ("failed to create typeregistry", "connectivity", True),
)


def classify(error: Exception, *dsns: str) -> Failure:
    """Name the failure; passwords of the given DSNs never survive into its message."""
    text = " ".join(re.split(r"\bDETAIL:|\bCONTEXT:", str(error))[0].split()) or "no message"
    message = redact(f"{type(error).__name__}: {text}", *dsns)[:_MESSAGE_CHARACTERS]
    known = _by_state(getattr(error, "sqlstate", None) or "") or _by_text(text.lower())
    if known is None and type(error).__name__ == "UnreadableError":
        known = ("data", False)
    if known is None and isinstance(error, psycopg.OperationalError):
        known = ("connectivity", True)
    category, retryable = known or ("internal", False)
    return Failure(category, message, retryable=retryable)


def _by_state(state: str) -> tuple[str, bool] | None:
    for prefix, category, retryable in _BY_SQLSTATE:
        if state.startswith(prefix):
            return category, retryable
    return None


def _by_text(text: str) -> tuple[str, bool] | None:
    for needle, category, retryable in _BY_TEXT:
        if needle in text:
            return category, retryable
    return None


def redact(text: str, *dsns: str) -> str:
    """The text without the passwords of those DSNs."""
    for dsn in dsns:
        password = urlsplit(dsn).password if "://" in dsn else None
        for secret in {password, unquote(password)} if password else ():
            text = text.replace(secret, "***")
    return text
