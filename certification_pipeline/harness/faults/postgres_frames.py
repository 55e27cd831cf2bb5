"""Messages of PostgreSQL's v3 wire protocol out of a stream of bytes that may be split anywhere.

Bounded: of a message only its head is kept (and of a query its tail), the rest is counted. The first messages
of a client have no type; they are :func:`greeting`'s.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

SSL_REQUEST, GSSENC_REQUEST, CANCEL_REQUEST = 80877103, 80877104, 80877102
_LONGEST_GREETING = 1 << 16
_HEADER = 5
_TAIL = 256

CLIENT_HEADS = {b"Q": 1 << 18, b"P": 1 << 18, b"B": 1 << 10, b"E": 1 << 8, b"C": 1 << 8, b"d": 40}
CLIENT_TYPES = frozenset(b"QPBDECSHFfcdpX")
SERVICE_HEADS = {b"C": 1 << 8, b"E": 1 << 12, b"Z": 1, b"K": 4}
SERVICE_TYPES = frozenset(b"RSKZCEN123nsTtDdcGHWIAVv")


class Desync(Exception):  # noqa: N818 - a finding about a stream
    """This is no stream of messages, or one we have lost our place in."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message, as far as it was kept."""

    kind: bytes
    head: bytes
    tail: bytes
    """The last bytes of a body that is longer than its head."""
    begins: int
    """Where its first byte *in the piece that completes it* stands; 0 when it began in an earlier one."""
    ends: int
    """Where the next one begins."""


class Frames:
    """One direction of one connection."""

    def __init__(self, heads: dict[bytes, int], types: frozenset[int]) -> None:
        self._heads = heads
        self._types = types
        self._header = bytearray()
        self._head = bytearray()
        self._tail = b""
        self._left = 0
        self._keep = 0

    def feed(self, data: bytes) -> Iterator[Message]:
        """The messages that ``data`` completes. Raises :class:`Desync`."""
        at, begins = 0, 0
        while at < len(data):
            if len(self._header) < _HEADER:
                if not self._header:
                    begins = at
                part = data[at : at + _HEADER - len(self._header)]
                self._header += part
                at += len(part)
                if len(self._header) < _HEADER:
                    return
                self._open()
            take = min(self._left, len(data) - at)
            self._collect(data, at, take)
            at += take
            self._left -= take
            if self._left == 0:
                message = Message(bytes(self._header[:1]), bytes(self._head), self._tail, begins, at)
                self._header.clear()
                yield message

    def _open(self) -> None:
        kind, length = self._header[0], int.from_bytes(self._header[1:], "big")
        if kind not in self._types or length < 4:  # noqa: PLR2004 - the length counts itself
            raise Desync
        self._left = length - 4
        self._keep = self._heads.get(bytes(self._header[:1]), 0)
        self._head.clear()
        self._tail = b""

    def _collect(self, data: bytes, at: int, take: int) -> None:
        if not self._keep:
            return
        room = min(take, self._keep - len(self._head))
        self._head += data[at : at + room]
        if take > room:
            self._tail = (self._tail + data[max(at + room, at + take - _TAIL) : at + take])[-_TAIL:]


@dataclass(frozen=True, slots=True)
class Greeting:
    """What a client begins with."""

    passed: bytes
    """Goes on to the server."""
    reply: bytes
    """Our own answer: no, we do not encrypt."""
    rest: bytes
    """What is not complete yet, or stands after the end of the greeting."""
    ended: bool
    """Ordinary messages follow."""
    cancel: bool
    """It asks to cancel what another connection does; nothing follows."""


def greeting(data: bytes) -> Greeting:
    """Take the messages without type off the front of ``data``. Raises :class:`Desync`."""
    reply = b""
    while len(data) >= 8:  # noqa: PLR2004 - length and code
        length, code = int.from_bytes(data[:4], "big"), int.from_bytes(data[4:8], "big")
        if not 8 <= length <= _LONGEST_GREETING:  # noqa: PLR2004
            raise Desync
        if len(data) < length:
            break
        if code not in {SSL_REQUEST, GSSENC_REQUEST}:
            return Greeting(data[:length], reply, data[length:], True, code == CANCEL_REQUEST)
        data, reply = data[length:], reply + b"N"
    return Greeting(b"", reply, data, False, False)
