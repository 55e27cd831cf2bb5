"""From an exception of dpone or psycopg to the protocol's failure category.

dpone wraps: its own exception around psycopg's, sometimes only in the text. The closest to the fault says
most, so the chain is read from the inside out and the first known one wins. Imports no dpone.
"""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import parse_qs, quote, unquote, urlsplit

MESSAGE_CHARACTERS = 600

_BY_SQLSTATE: tuple[tuple[str, str, bool], ...] = (
    # longest prefix first; https://www.postgresql.org/docs/current/errcodes-appendix.html
    ("42P01", "not_found", False),
    ("3D000", "not_found", False),
    ("3F000", "not_found", False),
    ("42501", "authentication", False),
    ("23502", "schema", False),
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

_BY_TEXT: tuple[tuple[str, str, bool], ...] = (
    ("password authentication failed", "authentication", False),
    ('fatal:  database "', "not_found", False),
    ("breaking schema evolution", "schema", False),
    ("schema evolution", "schema", False),
    ("connection refused", "connectivity", True),
    ("server closed the connection", "connectivity", True),
    ("connection timeout", "connectivity", True),
    ("connection failed", "connectivity", True),
    ("no space left", "resource", False),
    ("disk full", "resource", True),
    ("does not exist", "not_found", False),
)

_BY_CLASS: dict[str, tuple[str, bool]] = {
    "SchemaEvolutionError": ("schema", False),
    "OperationalError": ("connectivity", True),
    "ManifestError": ("configuration", False),
    "MemoryError": ("resource", False),
}


def classify(error: BaseException, *dsns: str) -> tuple[str, str, bool]:
    """Category, one line that names the fault without any password of ``dsns``, and whether to retry."""
    chain = list(_chain(error))
    for link in reversed(chain):
        if known := _known(link):
            return known[0], _message(link, dsns), known[1]
    return "internal", _message(error, dsns), False


def _chain(error: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        yield link
        link = link.__cause__ or link.__context__


def _known(error: BaseException) -> tuple[str, bool] | None:
    sqlstate = getattr(error, "sqlstate", None) or ""
    for prefix, category, retryable in _BY_SQLSTATE:
        if sqlstate.startswith(prefix):
            return category, retryable
    text = str(error).lower()
    for needle, category, retryable in _BY_TEXT:
        if needle in text:
            return category, retryable
    for cls in type(error).__mro__:
        if cls.__name__ in _BY_CLASS:
            return _BY_CLASS[cls.__name__]
    return None


def _message(error: BaseException, dsns: tuple[str, ...]) -> str:
    """Without rows of data (PostgreSQL's DETAIL and CONTEXT) and without passwords."""
    text = str(error).split("DETAIL:")[0].split("CONTEXT:")[0]
    text = f"{type(error).__name__}: {' '.join(text.split()) or 'no message'}"
    for dsn in dsns:
        url = urlsplit(dsn)
        plain = {unquote(url.password or ""), *parse_qs(url.query).get("password", ())} - {""}
        for secret in (dsn, url.password, *(quote(each, safe="") for each in plain), *plain):
            text = text.replace(secret, "***") if secret else text
    return text[:MESSAGE_CHARACTERS]
