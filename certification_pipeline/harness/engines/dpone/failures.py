"""From an exception of dpone or psycopg to the protocol's failure category.

dpone wraps: its own exception around psycopg's, sometimes only in the text. The closest to the fault says
most, so the chain is read from the inside out and the first known one wins. Imports no dpone.
"""

from __future__ import annotations

from collections.abc import Iterator

from certify_failures import by_sqlstate, by_text, redact  # type: ignore[import-not-found]

MESSAGE_CHARACTERS = 600

_NULL_FOR_NOT_NULL = ("23502", "schema", False)

_BY_TEXT = (
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
    known: tuple[str, bool] | None = by_sqlstate(getattr(error, "sqlstate", None), _NULL_FOR_NOT_NULL)
    known = known or by_text(str(error), _BY_TEXT)
    if known is not None:
        return known
    for cls in type(error).__mro__:
        if cls.__name__ in _BY_CLASS:
            return _BY_CLASS[cls.__name__]
    return None


def _message(error: BaseException, dsns: tuple[str, ...]) -> str:
    """Without rows of data (PostgreSQL's DETAIL and CONTEXT) and without passwords."""
    text = str(error).split("DETAIL:")[0].split("CONTEXT:")[0]
    text = f"{type(error).__name__}: {' '.join(text.split()) or 'no message'}"
    message: str = redact(text, *dsns)
    return message[:MESSAGE_CHARACTERS]
