"""The coordinator's log: what it began, what was prepared, what it decided, and what is done with.

Append-only, one JSON record a line behind its checksum, forced to disk before the call returns. Who writes
it holds it alone. A torn last line was never acted upon and is cut off; damage anywhere else is an error, for
a decision may have stood there.
"""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Self

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.durable import sync_directory
from certification_pipeline.reference.failures import LoadError

COMPACT_BYTES = 1 << 16
"""A log longer than this is written anew, without the transactions that are done with."""
_CHECKSUM_DIGITS = 8


class Decision(StrEnum):
    """What the coordinator decided."""

    COMMIT = "commit"
    ABORT = "abort"


@dataclass(frozen=True, slots=True)
class Transaction:
    """One transaction, as far as the log tells."""

    gid: str
    participants: tuple[str, ...]
    """Their addresses."""
    tokens: Mapping[str, str] = field(default_factory=dict)
    """Address -> token, once all are prepared."""
    decision: Decision | None = None
    done: bool = False


class DecisionLog:
    """The log file, open and locked. Raises :class:`LoadError` ``conflict`` when another process has it."""

    def __init__(self, path: Path, fsync: Callable[[int], None] = os.fsync) -> None:
        self._path, self._fsync = path, fsync
        self._transactions: dict[str, Transaction] = {}
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            self._lock()
            self._read()
        except BaseException:
            os.close(self._file)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def pending(self) -> tuple[Transaction, ...]:
        """Transactions that are not done with, oldest first."""
        return tuple(one for one in self._transactions.values() if not one.done)

    def find(self, gid: str) -> Transaction | None:
        """What the log knows of that transaction."""
        return self._transactions.get(gid)

    def begin(self, gid: str, participants: tuple[str, ...]) -> None:
        """Before the first participant is asked: from here on the name is known, whatever happens."""
        self._write({"event": "begin", "gid": gid, "participants": list(participants)})

    def prepared(self, gid: str, tokens: Mapping[str, str]) -> None:
        """All participants said yes."""
        self._write({"event": "prepared", "gid": gid, "tokens": dict(tokens)})

    def decide(self, gid: str, decision: Decision) -> None:
        """The point of no return. Raises ``ValueError`` for a second decision that is not the first."""
        known = self._transactions[gid].decision
        if known not in (None, decision):
            raise ValueError(f"{gid} is decided already: {known}")
        if known is None:
            self._write({"event": "decided", "gid": gid, "decision": decision.value})

    def done(self, gid: str) -> None:
        """Every participant has carried the decision out."""
        self._write({"event": "done", "gid": gid})

    def compact(self) -> None:
        """Write the log anew when it is long: what is pending stays."""
        if os.fstat(self._file).st_size <= COMPACT_BYTES:
            return
        fresh = self._path.with_suffix(".new")
        descriptor = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        try:
            # The lock is on the file, not on its name: who waits for the old one finds that it was replaced.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            for one in self.pending():
                for record in _records(one):
                    _append(descriptor, _line(record))
            self._fsync(descriptor)
            fresh.replace(self._path)
            sync_directory(self._path.parent)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(self._file)
        self._file = descriptor
        self._transactions = {one.gid: one for one in self.pending()}

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._file)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            replaced = os.fstat(self._file).st_ino != self._path.stat().st_ino
        except (BlockingIOError, FileNotFoundError):
            replaced = True
        if replaced:
            raise LoadError(
                FailureCategory.CONFLICT, "another process of this pipeline has its coordinator log open"
            )

    def _read(self) -> None:
        """Learn what stands there; cut off what was being written when the last process died."""
        data = os.pread(self._file, os.fstat(self._file).st_size, 0)
        lines = data.split(b"\n")
        whole = 0
        for number, line in enumerate(lines[:-1], 1):
            record = _parsed(line)
            if record is None:
                if any(_parsed(later) is not None for later in lines[number:]):
                    raise _damaged(number)
                break
            self._apply(record, number)
            whole += len(line) + 1
        os.ftruncate(self._file, whole)
        # What is believed from now on must not be lost after it was acted upon: a dead process may have
        # written a decision and not have lived to force it.
        self._fsync(self._file)
        if not data:  # it may be new
            sync_directory(self._path.parent)

    def _write(self, record: dict[str, object]) -> None:
        end = os.fstat(self._file).st_size
        try:
            _append(self._file, _line(record))
            self._fsync(self._file)
        except OSError:
            os.ftruncate(self._file, end)  # no half of a line before the next one
            raise
        self._apply(record, 0)

    def _apply(self, record: Mapping[str, object], number: int) -> None:
        try:
            self._know(record)
        except (KeyError, TypeError, ValueError):
            raise _damaged(number) from None

    def _know(self, record: Mapping[str, object]) -> None:
        gid = str(record["gid"])
        match record["event"], record:
            case "begin", {"participants": [*names]}:
                self._transactions[gid] = Transaction(gid, tuple(map(str, names)))
            case "prepared", {"tokens": {**tokens}}:
                known = {str(name): str(token) for name, token in tokens.items()}
                self._transactions[gid] = replace(self._transactions[gid], tokens=known)
            case "decided", {"decision": str(decision)}:
                self._transactions[gid] = replace(self._transactions[gid], decision=Decision(decision))
            case "done", _:
                self._transactions[gid] = replace(self._transactions[gid], done=True)
            case _:
                raise ValueError(record["event"])


def _records(one: Transaction) -> list[dict[str, object]]:
    """The records that say what is known of a transaction."""
    records: list[dict[str, object]] = [
        {"event": "begin", "gid": one.gid, "participants": list(one.participants)}
    ]
    if one.tokens:
        records.append({"event": "prepared", "gid": one.gid, "tokens": dict(one.tokens)})
    if one.decision:
        records.append({"event": "decided", "gid": one.gid, "decision": one.decision.value})
    return records


def _line(record: Mapping[str, object]) -> bytes:
    text = json.dumps(record, sort_keys=True, separators=(",", ":")).encode()
    return f"{zlib.crc32(text):08x} ".encode() + text + b"\n"


def _parsed(line: bytes) -> dict[str, object] | None:
    """The record of a line that is whole, else ``None``."""
    checksum, text = line[:_CHECKSUM_DIGITS], line[_CHECKSUM_DIGITS + 1 :]
    if (
        checksum != f"{zlib.crc32(text):08x}".encode()
        or line[_CHECKSUM_DIGITS : _CHECKSUM_DIGITS + 1] != b" "
    ):
        return None
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _append(descriptor: int, data: bytes) -> None:
    offset = os.fstat(descriptor).st_size
    while data:
        written = os.pwrite(descriptor, data, offset)
        data, offset = data[written:], offset + written


def _damaged(number: int) -> LoadError:
    return LoadError(
        FailureCategory.STATE,
        f"line {number} of the coordinator log is damaged, and a decision may have stood there: look at the "
        "transactions that are prepared at the sink, decide them by hand, then delete the log",
    )
