"""Reading what a driver writes, in bounded memory: stdout into an inbox of lines, stderr into a log file.

Each pump is the body of one thread and ends with its stream. Knows bytes and lines, not the protocol.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from certification_pipeline.harness.engines.protocol import MAX_LINE_BYTES
from certification_pipeline.redaction import Redactor

CHUNK = 1 << 16
INBOX_LINES = 256
INBOX_BYTES = 4 * MAX_LINE_BYTES
LOG_BYTES = 4 << 20
LOG_LINE_BYTES = 1 << 14
CUT_MARGIN = 1 << 10
"""Dropped where a long line is cut: half a secret would not be recognised as one."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its end."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Violation:
    """The stream broke a rule of the protocol; nothing comes after it."""

    message: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The stream ended; ``rest`` is what stood after the last line end."""

    rest: bytes = b""


Item = Line | Violation | Closed


class Inbox:
    """A bounded queue between the reading thread and whoever converses.

    Full, it makes the reader wait, and so, through the pipe, the driver.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._lines: deque[Line] = deque()
        self._bytes = 0
        self._end: Violation | Closed | None = None
        self._discarding = False

    def put(self, line: Line) -> None:
        """Add a line; waits while the inbox is full."""
        with self._changed:
            self._changed.wait_for(lambda: self._discarding or self._end is not None or self._has_room())
            if self._end is not None or not self._has_room(2 if self._discarding else 1):
                return
            self._lines.append(line)
            self._bytes += len(line.data)
            self._changed.notify_all()

    def end(self, end: Violation | Closed) -> None:
        """No more lines come; the first reason given stays."""
        with self._changed:
            self._end = self._end or end
            self._changed.notify_all()

    def discard(self) -> None:
        """Nobody waits for room any more: what comes from now on is kept while there is some, then dropped.

        Twice the room, so that what a driver had said before it was killed is heard, its answer too.
        """
        with self._changed:
            self._discarding = True
            self._changed.notify_all()

    def get(self, deadline: float) -> Item | None:
        """The next line, or the end once all lines were taken; ``None`` when the deadline passes first.

        ``deadline`` is on the monotonic clock; one in the past asks what is there already.
        """
        with self._changed:
            self._changed.wait_for(
                lambda: self._lines or self._end is not None, timeout=max(0.0, deadline - time.monotonic())
            )
            if self._lines:
                line = self._lines.popleft()
                self._bytes -= len(line.data)
                self._changed.notify_all()
                return line
            return self._end

    def waiting(self) -> tuple[bytes, ...]:
        """The lines that nobody has taken yet."""
        with self._changed:
            return tuple(line.data for line in self._lines)

    def _has_room(self, times: int = 1) -> bool:
        return len(self._lines) < times * INBOX_LINES and self._bytes < times * INBOX_BYTES


def pump_stdout(stream: IO[bytes], inbox: Inbox) -> None:
    """Cut ``stream`` into lines for ``inbox``. A line above ``MAX_LINE_BYTES`` ends it."""
    pending = bytearray()
    with stream:
        for chunk in _chunks(stream):
            pending += chunk
            *lines, rest = pending.split(b"\n")
            for line in lines:
                if len(line) > MAX_LINE_BYTES:
                    rest = line
                    break
                inbox.put(Line(bytes(line)))
            if len(rest) > MAX_LINE_BYTES:
                inbox.end(Violation(f"it wrote a line of more than {MAX_LINE_BYTES} bytes"))
                return
            pending = rest
    inbox.end(Closed(bytes(pending)))


def pump_log(stream: IO[bytes], path: Path, redactor: Redactor, tail: deque[str]) -> None:
    """Append ``stream`` to the file ``path``, redacted, up to ``LOG_BYTES``; the last lines go to ``tail``.

    Reads on when the file is full or cannot be written: a driver must not hang because of our disk.
    """
    log: IO[bytes] | None = None
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        log = path.open("ab", buffering=0)
    room = LOG_BYTES
    with stream:
        for raw, cut in _log_lines(stream):
            text = redactor.redact_text(raw.decode(errors="replace"))
            if cut:
                text = text[:-CUT_MARGIN] + " … [line cut]"
            tail.append(text)
            data = text.encode() + b"\n"
            if log is not None and len(data) > room:
                data, room = b"[log cut: it reached its limit]\n", 0
            if log is not None:
                try:
                    log.write(data)
                except OSError:
                    room = 0
                room -= len(data)
                if room <= 0:
                    log.close()
                    log = None
    if log is not None:
        log.close()


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    with suppress(OSError, ValueError):  # closed under our hands
        while chunk := os.read(stream.fileno(), CHUNK):
            yield chunk


def _log_lines(stream: IO[bytes]) -> Iterator[tuple[bytes, bool]]:
    """Lines, and whether each was cut at ``LOG_LINE_BYTES``."""
    pending = bytearray()
    skipping = False
    for chunk in _chunks(stream):
        pending += chunk
        *lines, pending = pending.split(b"\n")
        for line in lines:
            if not skipping:
                yield bytes(line[:LOG_LINE_BYTES]), len(line) > LOG_LINE_BYTES
            skipping = False
        if len(pending) > LOG_LINE_BYTES:
            if not skipping:
                yield bytes(pending[:LOG_LINE_BYTES]), True
            skipping = True
            pending.clear()
    if pending and not skipping:
        yield bytes(pending), False
