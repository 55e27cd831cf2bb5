"""From what Debezium, its JDBC driver or psycopg say to the protocol's failure category."""

from __future__ import annotations

import re

import psycopg
from certify_driver import Failure  # type: ignore[import-not-found]
from certify_failures import by_sqlstate, by_text, redact  # type: ignore[import-not-found]

_MESSAGE_CHARACTERS = 600
_SLOT_IN_USE = ("55006", "conflict", True)

_BY_TEXT = (
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
    known = by_sqlstate(getattr(error, "sqlstate", None), _SLOT_IN_USE) or by_text(text, _BY_TEXT)
    if known is None and type(error).__name__ == "UnreadableError":
        known = ("data", False)
    if known is None and isinstance(error, psycopg.OperationalError):
        known = ("connectivity", True)
    category, retryable = known or ("internal", False)
    return Failure(category, message, retryable=retryable)
