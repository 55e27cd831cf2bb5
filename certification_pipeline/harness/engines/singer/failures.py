"""From what a tap or target leaves on stderr to the protocol's failure category.

Singer defines no exit codes beyond 0 and not 0, and no error format: what is there is the library's own
exception, usually at the end of a traceback. The first rule whose pattern is found decides: in the exception
first, then in all that was said.
"""

from __future__ import annotations

import re
import signal

_MESSAGE_CHARACTERS = 600

_RULES: tuple[tuple[str, bool, tuple[str, ...]], ...] = (
    # category, whether a retry may help, patterns
    (
        "authentication",
        False,
        ("password authentication failed", "no password supplied", "permission denied for"),
    ),
    ("not_found", False, (r'database "[^"]*" does not exist', "NoSuchTableError", "UndefinedTable")),
    (
        "configuration",
        False,
        (
            r'could not access file "\w+"',
            r'replication slot "[^"]*" does not exist',
            "wal_level",
            "Config validation failed",
            "ConfigValidationError",
            "Need either the sqlalchemy_url",
            "InvalidReplicationKeyException",
            "is not a valid replication key",
        ),
    ),
    (
        "conflict",
        True,
        (
            "deadlock detected",
            "LockNotAvailable",
            "Could not set lock on file",
            "is active for PID",
            # An upsert that looks first and inserts then: another one came in between.
            "UniqueViolation",
        ),
    ),
    (
        "resource",
        False,
        ("No space left", "disk is full", "MemoryError", "OutOfMemory", "too many connections"),
    ),
    # Cancelled, by an operator or a time limit.
    ("resource", True, ("QueryCanceled",)),
    (
        "connectivity",
        True,
        (
            "[Cc]onnection refused",
            "could not connect",
            "could not translate host",
            "server closed the connection",
            "terminating connection",
            "connection to server",
        ),
    ),
    (
        "schema",
        False,
        (
            "Altering columns is not supported",
            "DatatypeMismatch",
            "UndefinedColumn",
            "UndefinedFunction",
            "DuplicateColumn",
            "NotNullViolation",
            "BinderException",
            "CatalogException",
            "IdentifierError",
            "ConformedNameClash",
            "Duplicate column name",
            "MissingKeyProperties",
        ),
    ),
    (
        "data",
        False,
        (
            "NumericValueOutOfRange",
            "InvalidTextRepresentation",
            "UntranslatableCharacter",
            "DatetimeFieldOverflow",
            "InvalidDatetimeFormat",
            "ConversionException",
            "InvalidInputException",
            "OutOfRangeException",
            "InvalidRecord",
            "RecordValidationException",
            "InvalidStreamSortException",
            r"year -?\d+ is out of range",
            "DataError",
            r"NUL \(0x00\)",
        ),
    ),
    ("state", False, (r"state\.json",)),
)

# A line that names an exception, with or without its module.
_EXCEPTION = re.compile(r"^(?:[A-Za-z_][\w.]*\.)?[A-Z]\w*[a-z]{4}: ")
_EXPLANATION = re.compile(r"^(?:Error when|Could not|Column |Is the server)")
_NOT_OURS_TO_QUOTE = re.compile(r"\[SQL:|\[parameters:|\bDETAIL:|\bCONTEXT:|\bOriginal Line:|\(Background on")


def classify(program: str, code: int, said: str) -> tuple[str, str, bool]:
    """Category, message and whether a retry may help. The message quotes the exception, not the traceback."""
    quoted = exception(said)
    if code < 0:
        return "internal", f"the {program} was ended by {_signal(-code)}: {quoted}", False
    for text in (quoted, said):
        for category, retryable, patterns in _RULES:
            if any(re.search(pattern, text) for pattern in patterns):
                return category, f"{program}: {quoted}", retryable
    return "internal", f"{program} ended with {code}: {quoted}", False


def exception(said: str) -> str:
    """The last exception named, with the line that explains it; never the row that was being written."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    named = [place for place, line in enumerate(lines) if _EXCEPTION.match(line)]
    picked = lines[-2:]
    if named:
        first = named[-1]
        picked = [
            lines[first],
            *[line for line in lines[first + 1 : first + 12] if _EXPLANATION.match(line)][:1],
        ]
    parts = (_NOT_OURS_TO_QUOTE.split(line)[0].strip() for line in picked)
    return " ".join(" ".join(parts).split())[:_MESSAGE_CHARACTERS] or "nothing on stderr"


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
