"""Who was told what: ``<root>/notices/sent.jsonl``, appended to and never rewritten.

No gate reads it and no chain holds it; ``certify verify`` knows that it lies there. One line an event, synced
before anything goes on, so that a kill leaves at worst half a last line, which counts for nothing.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import AwareDatetime, ValidationError

from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.files import read_no_follow

NOTICES = "notices"
SENT = "sent.jsonl"
_LARGEST = 256 << 20
_PATIENCE_SECONDS = 5.0


class Event(StrEnum):
    """What happened to a notice at one receiver."""

    TRYING = "trying"
    """Written before it is sent: what follows is its end, or nothing when the sender was killed."""
    SENT = "sent"
    FAILED = "failed"
    """It was certainly not taken."""
    IN_DOUBT = "in_doubt"
    """It was handed over and never confirmed."""
    GIVEN_UP = "given_up"
    """In doubt too often: it was most likely told, and is not sent again."""


class Line(Model):
    """One line of the record."""

    at: AwareDatetime
    key: str
    receiver: str
    event: Event
    title: str = ""
    why: str = ""


@dataclass(slots=True)
class Fate:
    """What became of one notice at one receiver so far."""

    told: bool = False
    given_up: bool = False
    failures: int = 0
    last: datetime | None = None
    doubts: int = 0
    """Times it may have been told: handed over without an answer, or cut off by a kill."""
    trying: bool = False

    def take(self, line: Line) -> None:
        """One more line about it."""
        self.last = line.at
        if line.event is Event.TRYING:
            self.doubts += self.trying
            self.trying = True
            return
        self.trying = False
        self.told |= line.event is Event.SENT
        self.given_up |= line.event is Event.GIVEN_UP
        self.failures += line.event in (Event.FAILED, Event.IN_DOUBT)
        self.doubts += line.event is Event.IN_DOUBT

    @property
    def open_doubts(self) -> int:
        """``doubts``, and the try that never ended."""
        return self.doubts + self.trying


class Record:
    """The record below one evidence root."""

    def __init__(self, root: Path) -> None:
        self.directory = root.absolute() / NOTICES
        self.path = self.directory / SENT

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only one who sends: two passes at once would tell everything twice.

        Raises ``EvidenceError`` when somebody else is at it, or nothing can be written there.
        """
        if self.directory.is_symlink():
            raise EvidenceError(str(self.directory), None, "is a symbolic link", "Put a directory there")
        try:
            with writing(self.directory, _PATIENCE_SECONDS):
                yield
        except Held as held:
            problem = f"process {held.pid or 'unknown'} is sending notices"
            remedy = "Wait for it: the next pass sends what is left"
            raise EvidenceError(str(self.path), None, problem, remedy, ProblemKind.REFUSED) from None

    def fates(self) -> dict[tuple[str, str], Fate]:
        """(key, receiver) -> what became of it. A line that cannot be read is no news."""
        found: dict[tuple[str, str], Fate] = {}
        for line in self.lines():
            found.setdefault((line.key, line.receiver), Fate()).take(line)
        return found

    def lines(self) -> Iterator[Line]:
        """Every event, oldest first; none when nothing was ever sent."""
        try:
            data = read_no_follow(self.path, str(self.path), _LARGEST)
        except EvidenceError as error:
            if error.kind is ProblemKind.MISSING:
                return
            raise
        for raw in data.split(b"\n"):
            with suppress(ValidationError):
                if raw:
                    yield Line.model_validate_json(raw)

    def add(self, line: Line) -> None:
        """Append it and wait until it is on disk; ``EvidenceError`` when it cannot be."""
        text = json.dumps(line.model_dump(mode="json"), ensure_ascii=True, separators=(",", ":"))
        try:
            new = not self.path.exists()
            descriptor = os.open(
                self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644
            )
            try:
                _write(descriptor, b"\n" * _torn(descriptor) + text.encode() + b"\n")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if new:
                _sync(self.directory)
        except OSError as error:
            raise EvidenceError.from_os(str(self.path), error, "write") from None


def _torn(descriptor: int) -> bool:
    """Whether a killed writer left half a line: the next one begins below it."""
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]


def _sync(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
