"""How a conversation with an engine ended: values, and the bounded memory of what was heard."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Literal

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import (
    Described,
    Error,
    Phase,
    Progress,
    Result,
    RunRecord,
)

Event = Described | Phase | Progress | Result | Error
Ended = Literal["result", "error", "exit", "timeout", "protocol_error", "killed"]

MAX_KEPT_EVENTS = 1000
MAX_KEPT_EVENT_BYTES = 1 << 20


@dataclass(frozen=True)
class LoadOutcome:
    """How one load ended.

    ``result`` and ``error`` are the engine's own words; the others are what happened to the process:
    ``exit`` (it ended without answering), ``timeout`` (we killed it), ``protocol_error`` (it broke the
    protocol and was killed), ``killed`` (somebody called :meth:`EngineSession.kill` or ``kill_load``).
    ``events`` holds the phases and the last progress reports before the end, bounded in number and size.
    ``leaked`` tells that an event held a registered secret, which is masked in everything that is here.
    """

    ended: Ended
    record: RunRecord | None
    category: FailureCategory | None
    message: str | None
    seconds: float
    events: tuple[Event, ...] = ()
    leaked: bool = False

    @property
    def end(self) -> str:
        """``result``, ``killed`` …; a failure with its category: ``error: connectivity``."""
        return f"error: {self.category}" if self.ended == "error" else self.ended


class EngineError(Exception):
    """A driver could not be started, did not say who it is, or is dead; the message says how it ended."""

    def __init__(self, message: str, ended: Ended = "exit") -> None:
        super().__init__(message)
        self.ended: Ended = ended


class KeptEvents:
    """Events of one load, the latest ones, bounded in number and size."""

    def __init__(self) -> None:
        self._events: deque[tuple[Event, int]] = deque()
        self._bytes = 0

    def add(self, event: Event) -> None:
        """Remember ``event``, forgetting the oldest where there is no room."""
        size = len(event.model_dump_json())
        previous = self._events[-1][0] if self._events else None
        if isinstance(event, Progress) and isinstance(previous, Progress):
            self._drop(self._events.pop())  # of a row of progress reports only the last tells anything
        self._events.append((event, size))
        self._bytes += size
        while len(self._events) > MAX_KEPT_EVENTS or self._bytes > MAX_KEPT_EVENT_BYTES:
            self._drop(self._events.popleft())

    def events(self) -> tuple[Event, ...]:
        """What is remembered, oldest first."""
        return tuple(event for event, _ in self._events)

    def _drop(self, entry: tuple[Event, int]) -> None:
        self._bytes -= entry[1]
