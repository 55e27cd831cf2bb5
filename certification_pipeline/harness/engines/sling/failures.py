"""From what sling prints when it gives up to the protocol's failure category."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from certify_failures import by_text, redact  # type: ignore[import-not-found]

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_NOISE = ("Sling CLI |", "Follow Sling", "execution ")
_MESSAGE_CHARACTERS = 600

_BY_TEXT = (
    # The closest to the fault first: sling puts its own words before the database's.
    ("password authentication failed", "authentication", False),
    ("permission denied for", "authentication", False),
    ("did not find any columns for", "not_found", False),
    ('database "', "not_found", False),
    ('pq: relation "', "not_found", False),
    ("connection refused", "connectivity", True),
    ("no such host", "connectivity", True),
    ("connection reset", "connectivity", True),
    ("driver: bad connection", "connectivity", True),
    ("canceling statement due to", "resource", True),
    ("broken pipe", "connectivity", True),
    ("i/o timeout", "connectivity", True),
    ("unexpected eof", "connectivity", True),
    ("terminating connection", "connectivity", True),
    ("unable to reach url", "connectivity", True),
    ("database is locked", "conflict", True),
    ("deadlock detected", "conflict", True),
    ("no space left", "resource", False),
    ("disk is full", "resource", False),
    ("file too large", "resource", False),
    ("out of range", "data", False),
    ("invalid input syntax", "data", False),
    ("invalid byte sequence", "data", False),
    ("could not parse", "data", False),
    ("invalid table name", "unsupported", False),
    ("already exists", "schema", False),
    ("does not exist", "schema", False),
    ("no such column", "schema", False),
    ("no such table", "schema", False),
    ("violates", "schema", False),
    ("but expression is of type", "schema", False),
    ("could not connect", "connectivity", True),
)


@dataclass(frozen=True)
class Named:
    """What the protocol's ``error`` says."""

    category: str
    message: str
    retryable: bool


def readable(line: str) -> str:
    """Without colours; empty for what sling says in every run."""
    text = _COLOUR.sub("", line).strip()
    return "" if text.startswith(_NOISE) else text


def classify(lines: Sequence[str], code: int, *dsns: str) -> Named:
    """Name the failure; no password of the given DSNs survives in its message."""
    start = next((place for place, line in enumerate(lines) if line.startswith("fatal:")), None)
    fatal = [line for line in (lines[start + 1 :] if start is not None else lines[-3:]) if line[:3] != "---"]
    text = " / ".join(line.removeprefix("~ ") for line in fatal) or f"no word, exit status {code}"
    message = redact(text, *dsns)[:_MESSAGE_CHARACTERS]
    category, retryable = by_text(text, _BY_TEXT) or ("internal", False)
    return Named(category, message, retryable)
