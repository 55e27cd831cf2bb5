"""What can go wrong, as categories; every exception a driver raises ends here.

Messages that leave the engine carry no DSN, no password and no row values.
"""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from certification_pipeline.catalog.vocabulary import FailureCategory


@dataclass
class LoadError(Exception):
    """A load failed in a way the engine can name; ``message`` is for people and holds no secret."""

    category: FailureCategory
    message: str
    again: bool | None = None
    """Whether the load should be tried again at once; nothing said: when the failure is ``retryable``."""

    def __str__(self) -> str:
        return self.message

    @property
    def retryable(self) -> bool:
        """Only a lost or refused connection gets better by itself."""
        return self.category is FailureCategory.CONNECTIVITY


_SQLSTATE_EXACT = {
    "42P01": FailureCategory.NOT_FOUND,
    "3F000": FailureCategory.NOT_FOUND,
    "3D000": FailureCategory.NOT_FOUND,
    "42704": FailureCategory.NOT_FOUND,
    "42501": FailureCategory.AUTHENTICATION,
    # A statement cancelled by an operator or by a time limit: not for us to try again at once.
    "57014": FailureCategory.RESOURCE,
    "57P01": FailureCategory.CONNECTIVITY,
    "57P02": FailureCategory.CONNECTIVITY,
    "57P03": FailureCategory.CONNECTIVITY,
    "57P05": FailureCategory.CONNECTIVITY,
    "55006": FailureCategory.CONFLICT,
    "55P03": FailureCategory.CONFLICT,
    "40001": FailureCategory.CONFLICT,
    "40P01": FailureCategory.CONFLICT,
}
_SQLSTATE_CLASS = {
    "08": FailureCategory.CONNECTIVITY,
    "0A": FailureCategory.UNSUPPORTED,
    "22": FailureCategory.DATA,
    "23": FailureCategory.DATA,
    "28": FailureCategory.AUTHENTICATION,
    "42": FailureCategory.SCHEMA,
    "53": FailureCategory.RESOURCE,
    "54": FailureCategory.RESOURCE,
    "55": FailureCategory.CONFIGURATION,
    "58": FailureCategory.RESOURCE,
}
"""https://www.postgresql.org/docs/current/errcodes-appendix.html"""

_CONNECT_MESSAGES = (
    ("authentication failed", FailureCategory.AUTHENTICATION),
    ("no pg_hba.conf entry", FailureCategory.AUTHENTICATION),
    ("no password supplied", FailureCategory.AUTHENTICATION),
    ("role ", FailureCategory.AUTHENTICATION),
    ('database "', FailureCategory.NOT_FOUND),
)
"""libpq gives no SQLSTATE for a refused connection, only the server's text."""

_ERRNO = {
    errno.ENOSPC: FailureCategory.RESOURCE,
    errno.EDQUOT: FailureCategory.RESOURCE,
    errno.ENOMEM: FailureCategory.RESOURCE,
    errno.EMFILE: FailureCategory.RESOURCE,
    errno.ENFILE: FailureCategory.RESOURCE,
    errno.EFBIG: FailureCategory.RESOURCE,
    errno.EIO: FailureCategory.RESOURCE,
    errno.ENOENT: FailureCategory.NOT_FOUND,
    errno.EACCES: FailureCategory.AUTHENTICATION,
    errno.EPERM: FailureCategory.AUTHENTICATION,
    errno.EROFS: FailureCategory.AUTHENTICATION,
    errno.ENAMETOOLONG: FailureCategory.UNSUPPORTED,
    errno.ENOTDIR: FailureCategory.CONFIGURATION,
    errno.EISDIR: FailureCategory.CONFIGURATION,
    errno.ECONNREFUSED: FailureCategory.CONNECTIVITY,
    errno.ECONNRESET: FailureCategory.CONNECTIVITY,
    errno.EPIPE: FailureCategory.CONNECTIVITY,
    errno.ETIMEDOUT: FailureCategory.CONNECTIVITY,
}

_SQLITE = {
    sqlite3.SQLITE_BUSY: FailureCategory.CONFLICT,
    sqlite3.SQLITE_LOCKED: FailureCategory.CONFLICT,
    sqlite3.SQLITE_FULL: FailureCategory.RESOURCE,
    sqlite3.SQLITE_NOMEM: FailureCategory.RESOURCE,
    sqlite3.SQLITE_IOERR: FailureCategory.RESOURCE,
    sqlite3.SQLITE_TOOBIG: FailureCategory.DATA,
    sqlite3.SQLITE_CONSTRAINT: FailureCategory.DATA,
    sqlite3.SQLITE_MISMATCH: FailureCategory.DATA,
    sqlite3.SQLITE_CORRUPT: FailureCategory.STATE,
    sqlite3.SQLITE_NOTADB: FailureCategory.CONFIGURATION,
    sqlite3.SQLITE_CANTOPEN: FailureCategory.NOT_FOUND,
    sqlite3.SQLITE_PERM: FailureCategory.AUTHENTICATION,
    sqlite3.SQLITE_READONLY: FailureCategory.AUTHENTICATION,
}


def classify(error: BaseException) -> LoadError:
    """Any exception as a :class:`LoadError`; what nobody foresaw is ``internal``, our own defect."""
    if isinstance(error, LoadError):
        return error
    module = type(error).__module__.partition(".")[0]
    if module in _BY_DRIVER:
        return _BY_DRIVER[module](error)
    if isinstance(error, OSError):
        category = _ERRNO.get(error.errno or 0, FailureCategory.INTERNAL)
        return LoadError(category, f"{error.strerror or _first_line(error)}: {error.filename or 'no file'}")
    if isinstance(error, MemoryError):
        return LoadError(FailureCategory.RESOURCE, "out of memory")
    return LoadError(FailureCategory.INTERNAL, f"{type(error).__name__}: {_first_line(error)}")


def _arrow(error: BaseException) -> LoadError:
    if isinstance(error, ValueError):
        # pyarrow quotes the offending value: a row value must not leave the engine.
        text = _first_line(error).partition(" value '")[0]
        return LoadError(FailureCategory.DATA, f"a value does not fit the sink's type: {text}")
    return LoadError(FailureCategory.INTERNAL, f"{type(error).__name__}: {_first_line(error)}")


def _sqlite(error: BaseException) -> LoadError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return LoadError(_SQLITE.get(code, FailureCategory.SCHEMA), f"SQLite: {_first_line(error)}")


def _postgres(error: BaseException) -> LoadError:
    sqlstate: str | None = getattr(error, "sqlstate", None)
    primary = getattr(getattr(error, "diag", None), "message_primary", None)
    # ``message_primary`` leaves out DETAIL, which quotes row values.
    text = f"PostgreSQL: {primary or _first_line(error)}"
    if sqlstate:
        category = _SQLSTATE_EXACT.get(sqlstate) or _SQLSTATE_CLASS.get(
            sqlstate[:2], FailureCategory.INTERNAL
        )
        return LoadError(category, f"{text} ({sqlstate})")
    if type(error).__name__ in ("OperationalError", "ConnectionTimeout", "InterfaceError"):
        whole = str(error)
        if "FATAL" in whole:
            for needle, category in _CONNECT_MESSAGES:
                if needle in whole:
                    fatal = whole.partition("FATAL:")[2].splitlines()[0].strip()
                    return LoadError(category, f"PostgreSQL: {fatal}")
        return LoadError(FailureCategory.CONNECTIVITY, text)
    if type(error).__name__ == "ProgrammingError":
        return LoadError(FailureCategory.CONFIGURATION, text)
    if type(error).__name__ == "DataError":
        return LoadError(FailureCategory.DATA, text)
    return LoadError(FailureCategory.INTERNAL, text)


def _duckdb(error: BaseException) -> LoadError:
    name, text = type(error).__name__, _first_line(error)
    if name == "IOException":
        lowered = text.lower()
        if "lock" in lowered:
            return LoadError(FailureCategory.CONFLICT, f"DuckDB: another process holds the file: {text}")
        if "no space" in lowered:
            return LoadError(FailureCategory.RESOURCE, f"DuckDB: {text}")
        if "not a valid duckdb" in lowered:
            return LoadError(FailureCategory.CONFIGURATION, f"DuckDB: {text}")
        return LoadError(FailureCategory.NOT_FOUND, f"DuckDB: {text}")
    category = {
        "ConversionException": FailureCategory.DATA,
        "OutOfRangeException": FailureCategory.DATA,
        "ConstraintException": FailureCategory.DATA,
        "InvalidInputException": FailureCategory.DATA,
        "OutOfMemoryException": FailureCategory.RESOURCE,
        "TransactionException": FailureCategory.CONFLICT,
        "CatalogException": FailureCategory.SCHEMA,
        "BinderException": FailureCategory.SCHEMA,
        "DependencyException": FailureCategory.SCHEMA,
        "PermissionException": FailureCategory.AUTHENTICATION,
        "NotImplementedException": FailureCategory.UNSUPPORTED,
    }.get(name, FailureCategory.INTERNAL)
    if category is FailureCategory.DATA:
        text = text.partition("'")[0].strip() or name
    return LoadError(category, f"DuckDB: {text}")


_BY_DRIVER: dict[str, Callable[[BaseException], LoadError]] = {
    "psycopg": _postgres,
    "duckdb": _duckdb,
    "_duckdb": _duckdb,
    "pyarrow": _arrow,
    "sqlite3": _sqlite,
}
"""By the module an exception's class comes from, so that no driver is imported to recognise its errors."""


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def redact(text: str, *dsns: str) -> str:
    """``text`` without any of the DSNs or the passwords inside them."""
    for dsn in dsns:
        for secret in _secrets(dsn):
            text = text.replace(secret, "***")
    return text


def _secrets(dsn: str) -> list[str]:
    if "://" not in dsn:
        words = [word.partition("=")[2].strip("'") for word in dsn.split() if word.startswith("password=")]
        return [word for word in words if word]
    secrets = [dsn]
    try:
        password = urlsplit(dsn).password
    except ValueError:
        password = None
    if password:
        secrets += [password, unquote(password)]
    return secrets
