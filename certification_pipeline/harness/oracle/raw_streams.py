"""Compares two PostgreSQL tables as raw COPY streams, without parsing a row that is equal.

Both sides send their rows ordered by key; equal blocks of lines are recognised as bytes. Lines without
an equal on the other side are kept until it catches up. What remains names the keys that differ; the
caller compares those rows properly. Memory holds two short queues of blocks and the open lines only.
"""

from __future__ import annotations

import hashlib
import queue
import threading
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

from certification_pipeline.evidence.cell import Fingerprint
from certification_pipeline.harness.oracle.readers.opening import OpenTable

_BLOCKS_AHEAD = 4
_BLOCK_ROWS = 8192
_MOST_OPEN_LINES = 200_000


class TooDifferent(Exception):  # noqa: N818 - not an error: the caller goes another way
    """The tables differ in so many rows that this way of comparing has no merit."""


@dataclass(slots=True)
class RawFindings:
    """Fingerprints of both streams, and the lines that only one side has."""

    source: Fingerprint
    sink: Fingerprint
    only_source: list[bytes] = field(default_factory=list)
    only_sink: list[bytes] = field(default_factory=list)


def compare_streams(
    source: OpenTable,
    sink: OpenTable,
    columns: tuple[Sequence[str], Sequence[str]],
    keys: Sequence[str],
) -> RawFindings:
    """``columns`` are the source's and the sink's names of the same columns, ``keys`` integer columns.

    Raises :class:`TooDifferent`, and whatever the driver raises.
    """
    pending: tuple[Counter[bytes], Counter[bytes]] = (Counter(), Counter())
    digests = _Digests()
    named = dict(zip(columns[0], columns[1], strict=True))
    with (
        _Ahead(source.lines(columns[0], keys)) as left,
        _Ahead(sink.lines(columns[1], [named[key] for key in keys])) as right,
    ):
        while True:
            left.fill()
            right.fill()
            length = min(len(left.lines), len(right.lines)) or max(len(left.lines), len(right.lines))
            if not length:
                break
            ours, theirs = left.lines[:length], right.lines[:length]
            if ours != theirs:
                only_ours, only_theirs = Counter(ours) - Counter(theirs), Counter(theirs) - Counter(ours)
                # One side is ahead after a lost or an extra row: its last lines wait for the next round.
                ahead = only_ours.total() - only_theirs.total()
                if left.lines[length:] or right.lines[length:] or not (left.ended or right.ended):
                    ours = _without_tail(ours, only_ours, ahead)
                    theirs = _without_tail(theirs, only_theirs, -ahead)
                _cancel(only_ours, only_theirs, pending)
            digests.add(ours, theirs)
            left.drop(len(ours))
            right.drop(len(theirs))
    return RawFindings(
        *digests.fingerprints(),
        only_source=list(pending[0].elements()),
        only_sink=list(pending[1].elements()),
    )


def _without_tail(lines: list[bytes], only_here: Counter[bytes], ahead: int) -> list[bytes]:
    """The lines without those at the end (at most ``ahead``) that the other side has not sent yet."""
    end = len(lines)
    while end > 1 and len(lines) - end < ahead and only_here[lines[end - 1]]:
        end -= 1
        only_here[lines[end]] -= 1
    return lines[:end]


def _cancel(
    only_ours: Counter[bytes],
    only_theirs: Counter[bytes],
    pending: tuple[Counter[bytes], Counter[bytes]],
) -> None:
    """Take lines away that the other side still owed; remember the rest."""
    waiting_ours, waiting_theirs = pending
    waiting_ours.update(+only_ours)
    waiting_theirs.update(+only_theirs)
    for line in [line for line in waiting_ours if line in waiting_theirs]:
        both = min(waiting_ours[line], waiting_theirs[line])
        for waiting in pending:
            waiting[line] -= both
            if not waiting[line]:
                del waiting[line]
    if len(waiting_ours) + len(waiting_theirs) > _MOST_OPEN_LINES:
        raise TooDifferent


class _Digests:
    """SHA-256 of both streams and their lengths; one hash serves both while they are equal."""

    def __init__(self) -> None:
        self._source = hashlib.sha256()
        self._sink: hashlib._Hash | None = None
        self._rows = [0, 0]

    def add(self, ours: list[bytes], theirs: list[bytes]) -> None:
        if self._sink is None and ours != theirs:
            self._sink = self._source.copy()
        self._source.update(b"".join(ours))
        if self._sink is not None:
            self._sink.update(b"".join(theirs))
        self._rows[0] += len(ours)
        self._rows[1] += len(theirs)

    def fingerprints(self) -> tuple[Fingerprint, Fingerprint]:
        hashes = (self._source, self._sink or self._source)
        first, second = (
            Fingerprint(rows=rows, digest=f"copy-sha256:{found.hexdigest()}")
            for rows, found in zip(self._rows, hashes, strict=True)
        )
        return first, second


class _Ahead:
    """Reads blocks in a thread of its own, a few ahead; ``lines`` are those at hand."""

    def __init__(self, blocks: Generator[list[bytes], None, None]) -> None:
        self._blocks = blocks
        self._queue: queue.Queue[list[bytes] | BaseException] = queue.Queue(_BLOCKS_AHEAD)
        self._stopped = threading.Event()
        self.lines: list[bytes] = []
        self.ended = False
        self._thread = threading.Thread(target=self._read, name="oracle-copy", daemon=True)

    def __enter__(self) -> _Ahead:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        while self._thread.is_alive():
            try:
                self._queue.get(timeout=0.05)
            except queue.Empty:
                continue
        self._thread.join()

    def fill(self) -> None:
        """Have a whole block of lines at hand, or all that are left."""
        while not self.ended and len(self.lines) < _BLOCK_ROWS:
            item = self._queue.get()
            if isinstance(item, BaseException):
                raise item
            self.ended = not item
            self.lines += item

    def drop(self, count: int) -> None:
        """These lines are done with."""
        del self.lines[:count]

    def _read(self) -> None:
        blocks = self._blocks
        try:
            for block in blocks:
                self._queue.put(block)
                if self._stopped.is_set():
                    break
            self._queue.put([])
        except BaseException as error:
            self._queue.put(error)
