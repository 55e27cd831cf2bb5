"""A session that asks what no harness asks, and a redactor that notices what it had to mask."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from pathlib import Path

from pydantic import ConfigDict, JsonValue, ValidationError

from certification_pipeline.harness.engines.process import NotRead
from certification_pipeline.harness.engines.protocol import (
    Describe,
    Described,
    Error,
    Load,
    LoadOptions,
    Stop,
    parse_event,
)
from certification_pipeline.harness.engines.session import EngineError, EngineSession
from certification_pipeline.harness.engines.streams import Line
from certification_pipeline.harness.services.watchdog import MARK_VARIABLE
from certification_pipeline.redaction import Redactor


class Witness(Redactor):
    """Remembers that a registered secret came by."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = 0

    def redact_text(self, text: str) -> str:
        """As any redactor."""
        self.seen += self.holds(text)
        return super().redact_text(text)


class OddOptions(LoadOptions):
    """Options of tomorrow."""

    model_config = ConfigDict(extra="allow", frozen=True)

    replay: dict[str, JsonValue] | None = None  # type: ignore[assignment]


class OddLoad(Load):
    """A request no harness of today would send."""

    model_config = ConfigDict(extra="allow", frozen=True)

    strategy: str  # type: ignore[assignment]
    options: OddOptions = OddOptions()


def odd(request: Load, **changes: JsonValue) -> OddLoad:
    """The request with changes that its model does not allow."""
    return OddLoad.model_validate({**json.loads(request.model_dump_json()), **changes})


class ProbedSession(EngineSession):
    """See the module docstring."""

    def provoke(self, *lines: bytes, seconds: float = 30) -> tuple[Error, ...]:
        """Send lines that are no requests, then ``describe``; returns the errors before its answer.

        Raises :class:`EngineError` when it does not come.
        """
        deadline = time.monotonic() + seconds
        try:
            for line in (*lines, Describe().model_dump_json().encode()):
                self._process.send(line + b"\n", deadline)
        except NotRead:
            raise EngineError("it does not read any more", "timeout") from None
        except OSError as error:
            raise EngineError(f"it does not read any more: {error.strerror}") from None
        errors: list[Error] = []
        while True:
            item = self._process.inbox.get(deadline)
            if item is None:
                raise EngineError(f"no answer to `describe` within {seconds:g} s", "timeout")
            if not isinstance(item, Line):
                raise EngineError("it ended")
            try:
                event = parse_event(item.data)
            except ValidationError:
                raise EngineError(f"not an event: {self._talk.quote(item.data)}", "protocol_error") from None
            if isinstance(event, Described):
                return tuple(errors)
            if not isinstance(event, Error):
                raise EngineError(f"it answered with '{event.type}'", "protocol_error")
            errors.append(event)

    def ends_when_asked(self, seconds: float) -> bool:
        """Send ``stop``; whether the process ends by itself in time."""
        with suppress(Exception):
            self._talk.send(Stop(), time.monotonic() + seconds)
        return self._process.exited.wait(seconds)

    def left_behind(self, folder: Path) -> list[int]:
        """Processes that carry this session's mark or work in its folder."""
        mark = f"{MARK_VARIABLE}={self._process.mark}".encode()
        found = []
        for process in Path("/proc").iterdir():
            if not process.name.isdigit() or int(process.name) == os.getpid():
                continue
            with suppress(OSError):
                state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
                inside = (process / "cwd").readlink().is_relative_to(folder)
                if state != b"Z" and (inside or mark in (process / "environ").read_bytes()):
                    found.append(int(process.name))
        return found
