"""A conversation with one engine driver that survives whatever the driver does.

A driver is a stranger: it may hang, flood, lie, die, leave children behind or print a password. None of this
may hang, flood or kill the harness, and each is told apart in :class:`LoadOutcome`. Knows the protocol, not
what a load means; what an engine reports is passed on as a claim. Its process is ``process.py``'s.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.conversation import MAX_MESSAGE, Answer, Broken, Conversation
from certification_pipeline.harness.engines.outcome import Ended, EngineError, Event, KeptEvents, LoadOutcome
from certification_pipeline.harness.engines.process import EngineProcess, gone
from certification_pipeline.harness.engines.protocol import (
    PROTOCOL_VERSION,
    Describe,
    Described,
    Error,
    Load,
    Result,
    RunRecord,
    Stop,
)
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.redaction import Redactor

__all__ = ["EngineError", "EngineSession", "LoadOutcome"]

STOP_GRACE = 3.0
FORK_PATIENCE = 1.0
"""How long :meth:`EngineSession.kill_load` waits for the load's process to be forked."""

_KILLED = "it was killed by the harness"


class EngineSession:
    """A driver process in a process group of its own.

    Serves one request at a time; ``kill``, ``kill_load``, ``pause`` and ``resume`` may be called from any
    thread. After anything but ``result`` or ``error`` the session is dead (:attr:`alive` is false, requests
    raise :class:`EngineError`) and the caller makes a new one; unless ``kill_load`` spared the driver.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        env: Mapping[str, str],
        cwd: Path,
        log_path: Path,
        redactor: Redactor,
        guardian: Guardian | None = None,
    ) -> None:
        """Start ``command``. ``env`` is its whole environment; ``log_path`` gets its stderr, redacted and
        capped. Raises :class:`EngineError` when it cannot be started."""
        self._redactor = redactor
        self._request = threading.Lock()
        self._forks = False
        self._hand = threading.Lock()
        self._in_hand = False
        self._load_killed = False
        self.last: LoadOutcome | None = None
        """How the last load ended; ``None`` while none has, or one is in hand."""
        self._process = EngineProcess(
            command, env=env, cwd=cwd, log_path=log_path, redactor=redactor, guardian=guardian
        )
        self._talk = Conversation(self._process, redactor)

    @property
    def alive(self) -> bool:
        """Whether another request makes sense."""
        return self._process.alive

    @property
    def pid(self) -> int:
        """Of the driver, which leads its process group."""
        return self._process.pid

    @property
    def last_end(self) -> Ended | None:
        """How the last load ended, in a word."""
        return self.last.ended if self.last else None

    def members(self) -> set[int]:
        """The process ids of the driver and of whatever descends from it now."""
        return self._process.members()

    @property
    def loading(self) -> bool:
        """Whether a load is in hand that has not answered."""
        return self._in_hand and self._talk.waits()

    def describe(self, timeout: float = 60) -> Described:
        """Ask who the engine is; raises :class:`EngineError`."""

        def accept(event: Event) -> Described | None:
            clean = self._talk.clean(event)
            if not isinstance(clean, Described):
                raise Broken("protocol_error", f"a '{clean.type}' event came in answer to 'describe'")
            if clean.protocol != PROTOCOL_VERSION:
                raise Broken(
                    "protocol_error", f"it speaks protocol {clean.protocol!r}, we speak {PROTOCOL_VERSION!r}"
                )
            return clean

        with self._request:
            if not self.alive:
                raise EngineError(self._obituary())
            try:
                answer = self._talk.ask(Describe(), accept, "describe", timeout)
            except Broken as end:
                raise EngineError(end.message, end.ended) from None
        assert isinstance(answer, Described)
        self._forks = answer.details.get("forks") is True
        return answer

    def load(
        self, request: Load, *, timeout: float, on_event: Callable[[Event], None] | None = None
    ) -> LoadOutcome:
        """Ask for one load and wait for its end, at most ``timeout`` seconds.

        ``on_event`` is called in this thread with every ``phase`` and ``progress``. Raises
        :class:`EngineError` only when the session was dead before anything was asked.
        """
        kept = KeptEvents()
        leaked = False

        def accept(event: Event) -> Result | Error | None:
            nonlocal leaked
            leaked = leaked or self._redactor.holds(event.model_dump_json())
            if isinstance(event, Described):
                raise Broken("protocol_error", "a 'described' event came in answer to 'load'")
            named = {event.run_id}
            if isinstance(event, Result | Error) and event.record is not None:
                named.add(event.record.run_id)
            if wrong := named - {request.run_id}:
                other = ", ".join(sorted(wrong))[:200]
                raise Broken(
                    "protocol_error",
                    f"a '{event.type}' event names run {other!r}, asked was {request.run_id!r}",
                )
            clean = self._talk.clean(event)
            if isinstance(clean, Result | Error):
                return clean
            kept.add(clean)
            if on_event is not None:
                on_event(clean)
            return None

        with self._request:
            if not self.alive:
                raise EngineError(self._obituary())
            begin = time.monotonic()
            self._take_in_hand()
            answer: Answer | Broken
            try:
                answer = self._talk.ask(request, accept, request.run_id, timeout)
            except Broken as end:
                answer = end
            finally:
                killed = self._out_of_hand()
            seconds = time.monotonic() - begin
            ended, record, category, message = _end_of_load(answer, killed)
            self.last = LoadOutcome(ended, record, category, message, seconds, kept.events(), leaked)
            return self.last

    def kill(self) -> None:
        """SIGKILL the driver, its process group and whatever descends from it; returns when they are gone."""
        self._process.end(_KILLED, killed=True)

    def kill_load(self) -> tuple[int, ...]:
        """SIGKILL the load in hand, which then ends in ``killed``; the ids of the processes that died of it.

        Of a driver that forks (``details.forks``) only the load's process tree dies, and the next load is
        cheap; any other dies as by :meth:`kill`. Returns when they are gone. A load that has answered before
        keeps its answer. Empty, and nobody is killed, when no load is in hand or it was killed before.
        """
        with self._hand:
            if not self._in_hand or self._load_killed or not self.alive:
                return ()
            self._load_killed = True  # before: the parent may answer at once
            if self._forks:
                children = self._process.end_children(FORK_PATIENCE, self._talk.waits)
                self._process.resume()
                if children or not self._talk.waits():
                    self._load_killed = bool(children)
                    return children
            members = self._process.freeze()
            self.kill()
            return gone(members)  # the driver is; on a busy machine its children may be dying still

    def pause(self) -> tuple[int, ...]:
        """SIGSTOP the whole tree; the ids of who stands still. A load's timeout stands still as well."""
        return self._process.pause()

    def resume(self) -> None:
        """End :meth:`pause`; without one nothing happens."""
        self._process.resume()

    def close(self) -> None:
        """Ask the driver to stop, kill it when it does not; idempotent. Nothing of it is left."""
        if self.alive and not self._process.paused:
            with suppress(Broken):
                self._talk.send(Stop(), time.monotonic() + STOP_GRACE)
            self._process.hang_up(STOP_GRACE)
        self._process.end("it was closed")

    def log_tail(self) -> str:
        """The last lines the driver wrote to stderr, redacted."""
        return self._process.log_tail()

    # --- the load in hand ---

    def _take_in_hand(self) -> None:
        with self._hand:
            self._in_hand, self._load_killed, self.last = True, False, None

    def _out_of_hand(self) -> bool:
        """From now on :meth:`kill_load` finds nothing; whether it did before."""
        with self._hand:
            self._in_hand = False
            return self._load_killed

    def _obituary(self) -> str:
        return f"the session is dead: {self._process.death or self._process.how_it_exited()}"


def _end_of_load(
    answer: Answer | Broken, killed: bool
) -> tuple[Ended, RunRecord | None, FailureCategory | None, str | None]:
    """How a load ended, its record, its failure's category and message; ``killed``: by ``kill_load``."""
    match answer:
        case Result():
            return "result", answer.record, None, None
        case Error() if killed and answer.record is None and answer.category is FailureCategory.INTERNAL:
            # Of a load that ended by itself there is a record: this is the parent, in its stead.
            return "killed", None, None, f"{_KILLED}: {answer.message[:MAX_MESSAGE]}"
        case Error():
            return "error", answer.record, answer.category, answer.message[:MAX_MESSAGE]
        case Broken():
            return ("killed" if killed else answer.ended), None, None, answer.message
    raise TypeError(f"no answer to a load: {answer.type}")
