"""Decoder of pgoutput, protocol version 1 (PostgreSQL manual, 'Logical Replication Message Formats').

Bytes in, messages out; no connection, no state but the reader's position.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.failures import LoadError


class Unchanged(Enum):
    """Stands for a TOAST value the log left out because it did not change."""

    TOAST = "unchanged"


Value = str | None | Unchanged
Values = tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Begin:
    """A committed transaction follows; ``xid`` is its 32-bit top-level id."""

    final_lsn: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """It ends here; ``end_lsn`` is where the log goes on."""

    commit_lsn: int
    end_lsn: int


@dataclass(frozen=True, slots=True)
class Relation:
    """How the rows that follow are laid out; ``keys`` are the columns of the replica identity."""

    id: int
    namespace: str
    name: str
    columns: tuple[str, ...]
    keys: frozenset[str]


@dataclass(frozen=True, slots=True)
class Insert:
    """A new row."""

    relation: int
    new: Values


@dataclass(frozen=True, slots=True)
class Update:
    """A changed row; ``old`` is there when the key changed (or the identity is FULL)."""

    relation: int
    old: Values | None
    new: Values


@dataclass(frozen=True, slots=True)
class Delete:
    """A removed row; columns outside the identity are NULL in ``old``."""

    relation: int
    old: Values


@dataclass(frozen=True, slots=True)
class Truncate:
    """Emptied tables."""

    relations: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Other:
    """A message that changes no row: type, origin, logical message."""

    kind: str


Message = Begin | Commit | Relation | Insert | Update | Delete | Truncate | Other


class _Reader:
    """A position in one message."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, form: str) -> int:
        """One big-endian number of a ``struct`` format."""
        value: int = struct.unpack_from(f">{form}", self._data, self._at)[0]
        self._at += struct.calcsize(f">{form}")
        return value

    def byte(self) -> str:
        """One byte as a character."""
        return chr(self.take("B"))

    def text(self) -> str:
        """A NUL-terminated string."""
        end = self._data.index(b"\0", self._at)
        value = self._data[self._at : end].decode()
        self._at = end + 1
        return value

    def raw(self, size: int) -> bytes:
        """Exactly ``size`` bytes."""
        if self._at + size > len(self._data):
            raise ValueError("message ends inside a value")
        self._at += size
        return self._data[self._at - size : self._at]

    def tuple(self) -> Values:
        """TupleData, values in text form."""
        values: list[Value] = []
        for _ in range(self.take("h")):
            match self.byte():
                case "n":
                    values.append(None)
                case "u":
                    values.append(Unchanged.TOAST)
                case "t":
                    values.append(self.raw(self.take("i")).decode())
                case kind:
                    raise ValueError(f"tuple value of kind {kind!r}")
        return tuple(values)

    def done(self) -> None:
        """Nothing may be left over."""
        if self._at != len(self._data):
            raise ValueError(f"{len(self._data) - self._at} bytes left over")


def decode(data: bytes) -> Message:
    """One message; anything malformed is an ``internal`` failure that names its kind."""
    reader = _Reader(data)
    kind = chr(data[0]) if data else "empty"
    try:
        reader.byte()
        message = _body(kind, reader)
        if not isinstance(message, Other):
            reader.done()
        return message
    except (ValueError, IndexError, struct.error) as error:
        raise LoadError(
            FailureCategory.INTERNAL, f"pgoutput message {kind!r} cannot be decoded: {error}"
        ) from None


def _body(kind: str, reader: _Reader) -> Message:  # noqa: PLR0911 - one return a kind of message
    match kind:
        case "B":
            final_lsn = reader.take("Q")
            reader.take("q")  # commit time
            return Begin(final_lsn, reader.take("I"))
        case "C":
            reader.take("B")  # flags, unused
            commit_lsn, end_lsn = reader.take("Q"), reader.take("Q")
            reader.take("q")
            return Commit(commit_lsn, end_lsn)
        case "R":
            return _relation(reader)
        case "I":
            relation = reader.take("I")
            _expect(reader.byte(), "N")
            return Insert(relation, reader.tuple())
        case "U":
            relation, mark, old = reader.take("I"), reader.byte(), None
            if mark in "KO":
                old, mark = reader.tuple(), reader.byte()
            _expect(mark, "N")
            return Update(relation, old, reader.tuple())
        case "D":
            relation = reader.take("I")
            _expect(reader.byte(), "KO")
            return Delete(relation, reader.tuple())
        case "T":
            count = reader.take("I")
            reader.take("B")  # CASCADE, RESTART IDENTITY: of no matter to a copy
            return Truncate(tuple(reader.take("I") for _ in range(count)))
        case "Y" | "O" | "M":
            return Other(kind)
    raise ValueError("unknown kind")


def _relation(reader: _Reader) -> Relation:
    identifier, namespace, name = reader.take("I"), reader.text(), reader.text()
    reader.take("B")  # replica identity setting
    columns, keys = [], set()
    for _ in range(reader.take("h")):
        is_key, column = reader.take("B") & 1, reader.text()
        reader.take("I")  # type
        reader.take("i")  # modifier
        columns.append(column)
        if is_key:
            keys.add(column)
    # pg_catalog is sent as an empty string.
    return Relation(identifier, namespace or "pg_catalog", name, tuple(columns), frozenset(keys))


def _expect(mark: str, allowed: str) -> None:
    if mark not in allowed:
        raise ValueError(f"expected {' or '.join(allowed)}, found {mark!r}")
