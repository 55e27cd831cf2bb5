"""What PostgreSQL said as a failure category of the protocol, and no password in a text.

One file, nothing but Python's standard library, for drivers of engines that load from or into PostgreSQL.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote, unquote, unquote_plus, urlsplit

__all__ = ["Known", "Rule", "by_sqlstate", "by_text", "redact"]

Known = tuple[str, bool]
"""A failure category, and whether the same load may succeed if it is tried again."""

Rule = tuple[str, str, bool]
"""A prefix or a piece of text, and what it means."""

SQLSTATES: tuple[Rule, ...] = (
    # longest prefix first; https://www.postgresql.org/docs/current/errcodes-appendix.html
    ("42P01", "not_found", False),
    ("3D000", "not_found", False),
    ("3F000", "not_found", False),
    ("42501", "authentication", False),
    ("55P03", "conflict", True),
    ("57014", "resource", True),  # cancelled, by an operator or a time limit
    ("57P0", "connectivity", True),
    ("28", "authentication", False),
    ("08", "connectivity", True),
    ("53", "resource", True),
    ("40", "conflict", True),
    ("22", "data", False),
    ("23", "data", False),
    ("42", "schema", False),
    ("58", "resource", False),
)


def by_sqlstate(state: object, *first: Rule) -> Known | None:
    """What PostgreSQL's code of five characters means; ``first`` are an engine's own rules, and go first."""
    for prefix, category, retryable in (*first, *SQLSTATES):
        if isinstance(state, str) and state.startswith(prefix):
            return category, retryable
    return None


def by_text(text: str, rules: Iterable[Rule]) -> Known | None:
    """What the first rule says whose piece, in lower case, is in the text."""
    lower = text.lower()
    for piece, category, retryable in rules:
        if piece in lower:
            return category, retryable
    return None


def redact(text: str, *dsns: str) -> str:
    """The text without the passwords of those DSNs, as they stand there and as they are meant.

    One that is no URL and holds a password is cut out as a whole.
    """
    for secret in sorted({secret for dsn in dsns for secret in _secrets(dsn)}, key=len, reverse=True):
        text = text.replace(secret, "***")
    return text


def _secrets(dsn: str) -> set[str]:
    if "://" not in dsn:
        return {dsn} if "password" in dsn else set()
    url = urlsplit(dsn)
    spelt = {url.password or "", *re.findall(r"password=([^&]*)", url.query)}
    meant = {decode(each) for each in spelt for decode in (unquote, unquote_plus)}
    return {*spelt, *meant, *(quote(each, safe="") for each in meant)} - {""}
