"""A conversation with a driver: one request, the events that answer it, and what breaks it.

Knows the protocol's lines and their order, and how long an answer is waited for; not what a request is for.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from pydantic import BaseModel, ValidationError

from certification_pipeline.harness.engines.outcome import Ended, Event
from certification_pipeline.harness.engines.process import EXIT_GRACE, EngineProcess, NotRead
from certification_pipeline.harness.engines.protocol import (
    Describe,
    Described,
    Error,
    Load,
    Phase,
    Progress,
    Result,
    parse_event,
)
from certification_pipeline.harness.engines.streams import Closed, Line, Violation
from certification_pipeline.redaction import Redactor

Answer = Described | Result | Error

MAX_MESSAGE = 2000

_GLANCE_SECONDS = 0.05


class Broken(Exception):  # noqa: N818 - how a conversation ended that has no answer
    """The driver is dead, or will be: it may not be asked again."""

    def __init__(self, ended: Ended, message: str) -> None:
        super().__init__(message)
        self.ended: Ended = ended
        self.message = message


class _Patience:
    """How long an answer is waited for: the time in which we made the driver stand still does not count."""

    def __init__(self, process: EngineProcess, seconds: float) -> None:
        self._process = process
        self.seconds = seconds
        self._end = time.monotonic() + seconds - process.paused_seconds()

    def deadline(self) -> float:
        """On the monotonic clock; moves on while the driver is paused."""
        return self._end + self._process.paused_seconds()

    def over(self) -> bool:
        """Whether the time is up."""
        return time.monotonic() >= self.deadline()


class Conversation:
    """What is said to one process and what it says; one request at a time."""

    def __init__(self, process: EngineProcess, redactor: Redactor) -> None:
        self._process = process
        self._redactor = redactor
        self._answered = ""
        self._open = False

    def waits(self) -> bool:
        """Whether a request has been sent and its answer has not been read from the driver yet."""
        return self._open and not any(map(_is_answer, self._process.inbox.waiting()))

    def ask(
        self, request: Load | Describe, accept: Callable[[Event], Answer | None], name: str, timeout: float
    ) -> Answer:
        """Send ``request`` and feed events to ``accept`` until it returns an answer.

        Raises ``Broken``, redacted, with the driver dead.
        """
        patience = _Patience(self._process, timeout)
        try:
            self._refuse_strays()
            self._open = True
            self.send(request, patience.deadline())
            while True:
                answer = accept(self._next_event(patience))
                if answer is not None:
                    self._answered = name
                    return answer
        except Broken as end:
            message = self._redactor.redact_text(end.message)[:MAX_MESSAGE]
            self._process.end(message)
            raise Broken(end.ended, message) from None
        except BaseException:  # Ctrl-C, or on_event failed: nobody knows any more where the driver stands
            self._process.end("its conversation was interrupted")
            raise
        finally:
            self._open = False

    def _refuse_strays(self) -> None:
        """What came unasked since the last answer breaks the protocol."""
        item = self._process.inbox.get(deadline=0)
        match item:
            case Line(data):
                after = f"after it had answered {self._answered}" if self._answered else "before it was asked"
                raise Broken("protocol_error", f"it sent a line {after}: {self.quote(data)}")
            case Violation() | Closed():
                raise self._end_of_stream(item)

    def _next_event(self, patience: _Patience) -> Event:
        item = self._process.inbox.get(patience.deadline())
        while item is None and not patience.over():  # it was paused meanwhile
            item = self._process.inbox.get(max(patience.deadline(), time.monotonic() + _GLANCE_SECONDS))
        match item:
            case None:
                within = f"{patience.seconds:g} s"
                raise Broken("timeout", f"no answer within {within}; {self._process.said()}")
            case Line(data):
                try:
                    return parse_event(data)
                except ValidationError as error:
                    first = error.errors(include_url=False, include_input=False)[0]
                    where = ".".join(map(str, first["loc"]))
                    reason = f"{where}: {first['msg']}" if where else first["msg"]
                    raise Broken("protocol_error", f"not an event: {self.quote(data)} ({reason})") from None
            case _:
                raise self._end_of_stream(item)

    def _end_of_stream(self, item: Violation | Closed) -> Broken:
        """Why the driver's stdout ended."""
        if isinstance(item, Violation):
            return Broken("protocol_error", item.message)
        exited = self._process.exited.wait(EXIT_GRACE)
        if self._process.killed:
            return Broken("killed", self._process.death or "it was killed")
        if not exited:
            return Broken("protocol_error", "it closed its stdout without ending")
        return Broken("exit", f"{self._process.how_it_exited()} without an answer; {self._process.said()}")

    def send(self, request: BaseModel, deadline: float) -> None:
        """Write one line to the driver, which may not read; raises ``Broken``."""
        try:
            self._process.send(request.model_dump_json().encode() + b"\n", deadline)
        except NotRead:
            raise Broken("timeout", "it does not read its stdin") from None
        except (OSError, ValueError):  # the pipe is broken, or closed by our own kill()
            if self._process.killed or self._process.exited.wait(EXIT_GRACE):
                raise self._end_of_stream(Closed()) from None
            raise Broken("protocol_error", "it closed its stdin without ending") from None

    def clean(self, event: Event) -> Event:
        """``event`` with the secrets in its free fields masked."""
        raw = event.model_dump(mode="json")
        masked = self._redactor.redact(raw)
        if masked == raw:
            return event
        try:
            return type(event).model_validate(masked)
        except ValidationError:
            raise Broken(
                "protocol_error", f"a '{event.type}' event holds a secret where none may stand"
            ) from None

    def quote(self, data: bytes) -> str:
        """What the driver wrote, for a message: short, and redacted."""
        text = data[:MAX_MESSAGE].decode(errors="replace")
        text = self._redactor.redact_text(text)
        return repr(text[:200] + "…" if len(text) > 200 else text)  # noqa: PLR2004


def _is_answer(line: bytes) -> bool:
    try:
        return not isinstance(parse_event(line), Phase | Progress)
    except ValidationError:
        return False
