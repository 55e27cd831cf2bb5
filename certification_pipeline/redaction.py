"""Masks secrets in everything that is logged, raised or written as evidence (law 11).

Knows nothing of the rest of the project, so that every room can use it. Two nets, because either alone has
holes: secrets that were *registered* are masked wherever they occur, in any of the spellings they take on
their way through URLs and JSON; and whatever *stands where a password stands* (URL userinfo, ``password=…``,
``Authorization: …``, a JSON field of such a name) is masked even when nobody registered it.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable
from typing import TypeVar, cast
from urllib.parse import quote, quote_plus, unquote, urlsplit

T = TypeVar("T")

MASK = "***"

MIN_LENGTH = 6
"""Shorter secrets are masked only where a password stands: masking every ``a`` would destroy evidence."""

_COMMON_WORDS = frozenset(
    {
        *("postgres", "postgresql", "mysql", "mariadb", "mssql", "sqlserver"),
        *("clickhouse", "duckdb", "sqlite", "parquet", "bigquery", "kafka"),
        *("source", "target", "certify", "default", "public"),
        *("password", "passwd", "secret", "changeme"),
    }
)
"""Development passwords that are also names of systems and objects: ``postgres:postgres@localhost`` must
not turn every ``postgres`` in the evidence into a mask. Masked only where a password stands."""

_NAME = (
    r"(?:password|passwd|passphrase|pwd|secret|secret[_-]?(?:access[_-]?)?key|token"
    r"|(?:api|access|private|account|shared)[_-]?key)"
)

_SECRET_FIELD = re.compile(rf"^(?:[\w.\-]*[_.\-])?(?:pg|ssl)?{_NAME}$", re.IGNORECASE)

# Every repetition is bounded or cannot overlap with its neighbour: a hostile line must not cost O(n²).
_URL_PASSWORD = re.compile(
    r"(?P<head>[a-z][a-z0-9+.\-]{0,30}://[^\s/?#:@\"']*:)[^\s/?#]+(?=@)", re.IGNORECASE
)

_KEY_VALUE = re.compile(
    rf"""(?P<head>{_NAME}\\?["']?\s{{0,8}}[=:]\s{{0,8}})     # password=   "password":   PWD =
    (?:
        (?P<escaped>\\"[^"]{{0,4096}}")                     # \\"…\\": JSON inside JSON
      | (?P<double>"(?:\\.|[^"\\]){{0,4096}}")              # "…"
      | (?P<single>'(?:\\.|''|[^'\\]){{0,4096}}')           # '…' as libpq and SQL quote
      | (?P<brace>\{{[^}}\n]{{0,4096}}\}})                   # {{…}} as ODBC quotes
      | (?P<bare>(?:[^\s;&"'\\]|["'\\](?=\w)){{1,4096}})    # up to the next delimiter
    )""",
    re.IGNORECASE | re.VERBOSE,
)

_AUTHORIZATION = re.compile(
    r"(?P<head>\b(?:authorization[\"']?\s{0,8}[:=]\s{0,8}[\"']?(?:(?:bearer|basic)\s{1,8})?|bearer\s{1,8}))"
    r"[A-Za-z0-9+/=_.~\-]{8,}",
    re.IGNORECASE,
)


class Redactor:
    """Holds the secrets of one run and masks them. Thread-safe; never shows what it holds."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()
        for secret in secrets:
            self.register(secret)

    def __repr__(self) -> str:
        return f"Redactor({len(self._secrets)} secrets)"

    def register(self, secret: str) -> bool:
        """Mask ``secret`` from now on.

        ``False`` when it is too short or too common a word to be masked everywhere; it is then masked only
        where a password stands.
        """
        if len(secret) < MIN_LENGTH or secret.lower() in _COMMON_WORDS:
            return False
        with self._lock:
            self._secrets.add(secret)
            spellings = {spelling for known in self._secrets for spelling in _spellings(known)}
            longest_first = sorted(spellings, key=lambda spelling: (-len(spelling), spelling))
            self._pattern = re.compile("|".join(map(re.escape, longest_first)))
        return True

    def register_dsn(self, dsn: str) -> None:
        """Register the password inside a URL or a ``key=value`` connection string; none inside is fine."""
        for match in re.finditer(r"password\s*=\s*(?:'((?:\\.|[^'\\])*)'|([^\s;&]+))", dsn, re.IGNORECASE):
            quoted, bare = match.groups()
            self.register(re.sub(r"\\(.)", r"\1", quoted) if quoted is not None else unquote(bare))
        try:
            password = urlsplit(dsn).password
        except ValueError:  # not a URL
            return
        if password:
            self.register(unquote(password))

    def holds(self, text: str) -> bool:
        """Whether a registered secret stands in ``text``, in any of its spellings."""
        return self._pattern is not None and self._pattern.search(text) is not None

    def redact_text(self, text: str) -> str:
        """``text`` with every secret replaced by ``***``."""
        if self._pattern is not None:
            text = self._pattern.sub(MASK, text)
        if "://" in text:
            text = _URL_PASSWORD.sub(rf"\g<head>{MASK}", text)
        text = _KEY_VALUE.sub(_mask_value, text)
        return _AUTHORIZATION.sub(rf"\g<head>{MASK}", text)

    def redact(self, value: T) -> T:
        """The same shape with every secret masked: text, and JSON-like lists, tuples and mappings.

        Keys are masked too. A field whose *name* says it holds a secret loses its value, whatever it is.
        """
        return cast("T", self._redact(value))

    def _redact(self, value: object) -> object:
        match value:
            case str():
                return self.redact_text(value)
            case int() | float() if not isinstance(value, bool) and str(value) in self._secrets:
                return MASK
            case dict():
                return {self._redact(key): self._redact_field(key, item) for key, item in value.items()}
            case list():
                return [self._redact(item) for item in value]
            case tuple():
                return tuple(self._redact(item) for item in value)
        return value

    def _redact_field(self, key: object, value: object) -> object:
        if isinstance(key, str) and _SECRET_FIELD.match(key) and isinstance(value, str | int | float):
            return value if isinstance(value, bool) else MASK
        return self._redact(value)


def _spellings(secret: str) -> set[str]:
    """How a secret looks raw, in a URL, in JSON text, and quoted by libpq or SQL."""
    forms = {
        secret,
        quote(secret, safe=""),
        quote(secret),
        quote_plus(secret),
        secret.replace("'", "''"),
        secret.replace("\\", "\\\\").replace("'", "\\'"),
    }
    for form in tuple(forms):
        forms.add(json.dumps(form)[1:-1])
        forms.add(json.dumps(form, ensure_ascii=False)[1:-1])
    forms.add(repr(secret)[1:-1])
    forms |= {re.sub(r"%[0-9A-F]{2}", lambda m: m.group().lower(), form) for form in forms}
    return forms


def _mask_value(match: re.Match[str]) -> str:
    for kind, quote_mark in (("escaped", '\\"'), ("double", '"'), ("single", "'")):
        if match[kind] is not None:
            return f"{match['head']}{quote_mark}{MASK}{quote_mark}"
    return f"{match['head']}{MASK}"
