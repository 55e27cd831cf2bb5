"""One engine driver process, and a conversation with it that survives whatever the driver does.

A driver is a stranger: it may hang, flood, lie, die, leave children behind or print a password. None of this
may hang, flood or kill the harness, and each is told apart in :class:`LoadOutcome`. Knows the protocol, not
what a load means; what an engine reports is passed on as a claim.
"""

from __future__ import annotations

import os
import secrets
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from pydantic import BaseModel, ValidationError

from certification_pipeline.harness.engines.outcome import Ended, EngineError, Event, KeptEvents, LoadOutcome
from certification_pipeline.harness.engines.protocol import (
    PROTOCOL_VERSION,
    Describe,
    Described,
    Error,
    Load,
    Result,
    Stop,
    parse_event,
)
from certification_pipeline.harness.engines.streams import (
    Closed,
    Inbox,
    Line,
    Violation,
    pump_log,
    pump_stdout,
)
from certification_pipeline.harness.services import watchdog
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.redaction import Redactor

__all__ = ["EngineError", "EngineSession", "LoadOutcome"]

Answer = Described | Result | Error

MAX_MESSAGE = 2000
STOP_GRACE = 3.0
EXIT_GRACE = 2.0
KILL_GRACE = 10.0


class _Ended(Exception):  # noqa: N818 - control flow inside this module, never seen outside
    def __init__(self, ended: Ended, message: str) -> None:
        super().__init__(message)
        self.ended: Ended = ended
        self.message = message


class EngineSession:
    """A driver process in a process group of its own.

    Serves one request at a time; ``kill`` may be called from any thread. After anything but ``result`` or
    ``error`` the session is dead (:attr:`alive` is false, requests raise :class:`EngineError`) and the caller
    makes a new one.
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
        self._guardian = guardian
        self._mark = secrets.token_hex(8)
        self._request = threading.Lock()
        self._ending = threading.Lock()
        self._death: str | None = None
        self._killed = False
        self._exited = threading.Event()
        self._answered = ""
        self._tail: deque[str] = deque(maxlen=20)
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**env, watchdog.MARK_VARIABLE: self._mark},
                cwd=cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise EngineError(redactor.redact_text(f"cannot start {command[0]}: {error}")) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._guarded = guardian.add_process(self._process.pid, mark=self._mark) if guardian else ""
        os.set_blocking(self._process.stdin.fileno(), False)
        self._inbox = Inbox()
        self._reader = _daemon(pump_stdout, self._process.stdout, self._inbox)
        self._logger = _daemon(pump_log, self._process.stderr, log_path, redactor, self._tail)
        self._waiter = _daemon(self._await_exit)

    @property
    def alive(self) -> bool:
        """Whether another request makes sense."""
        return self._death is None and not self._exited.is_set()

    @property
    def pid(self) -> int:
        """Of the driver, which leads its process group."""
        return self._process.pid

    def describe(self, timeout: float = 60) -> Described:
        """Ask who the engine is; raises :class:`EngineError`."""

        def accept(event: Event) -> Described | None:
            clean = self._clean(event)
            if not isinstance(clean, Described):
                raise _Ended("protocol_error", f"a '{clean.type}' event came in answer to 'describe'")
            if clean.protocol != PROTOCOL_VERSION:
                raise _Ended(
                    "protocol_error", f"it speaks protocol {clean.protocol!r}, we speak {PROTOCOL_VERSION!r}"
                )
            return clean

        with self._request:
            if not self.alive:
                raise EngineError(self._obituary())
            try:
                answer = self._converse(Describe(), accept, "describe", timeout)
            except _Ended as end:
                raise EngineError(end.message, end.ended) from None
        assert isinstance(answer, Described)
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
                raise _Ended("protocol_error", "a 'described' event came in answer to 'load'")
            named = {event.run_id}
            if isinstance(event, Result | Error) and event.record is not None:
                named.add(event.record.run_id)
            if wrong := named - {request.run_id}:
                other = ", ".join(sorted(wrong))[:200]
                raise _Ended(
                    "protocol_error",
                    f"a '{event.type}' event names run {other!r}, asked was {request.run_id!r}",
                )
            clean = self._clean(event)
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
            try:
                answer = self._converse(request, accept, request.run_id, timeout)
            except _Ended as end:
                seconds = time.monotonic() - begin
                return LoadOutcome(end.ended, None, None, end.message, seconds, kept.events(), leaked)
            seconds = time.monotonic() - begin
            if isinstance(answer, Result):
                return LoadOutcome("result", answer.record, None, None, seconds, kept.events(), leaked)
            assert isinstance(answer, Error)
            message = answer.message[:MAX_MESSAGE]
            return LoadOutcome(
                "error", answer.record, answer.category, message, seconds, kept.events(), leaked
            )

    def kill(self) -> None:
        """SIGKILL the driver, its process group and whatever descends from it; returns when they are gone."""
        self._end("it was killed by the harness", killed=True)

    def close(self) -> None:
        """Ask the driver to stop, kill it when it does not; idempotent. Nothing of it is left."""
        if self.alive:
            with suppress(_Ended):
                self._send(Stop(), time.monotonic() + STOP_GRACE)
            with suppress(OSError):
                assert self._process.stdin is not None
                self._process.stdin.close()
            self._inbox.discard()  # a driver that still writes must not hang on a full pipe
            self._exited.wait(STOP_GRACE)
        self._end("it was closed")

    def log_tail(self) -> str:
        """The last lines the driver wrote to stderr, redacted."""
        return "\n".join(self._tail)

    # --- the conversation ---------------------------------------------------------------------------

    def _converse(
        self, request: Load | Describe, accept: Callable[[Event], Answer | None], name: str, timeout: float
    ) -> Answer:
        """Send ``request`` and feed events to ``accept`` until it returns an answer.

        Raises ``_Ended``, redacted, with the driver dead.
        """
        deadline = time.monotonic() + timeout
        try:
            self._refuse_strays()
            self._send(request, deadline)
            while True:
                answer = accept(self._next_event(deadline, timeout))
                if answer is not None:
                    self._answered = name
                    return answer
        except _Ended as end:
            message = self._redactor.redact_text(end.message)[:MAX_MESSAGE]
            self._end(message)
            raise _Ended(end.ended, message) from None
        except BaseException:  # Ctrl-C, or on_event failed: nobody knows any more where the driver stands
            self._end("its conversation was interrupted")
            raise

    def _refuse_strays(self) -> None:
        """What came unasked since the last answer breaks the protocol."""
        item = self._inbox.get(deadline=0)
        match item:
            case Line(data):
                after = f"after it had answered {self._answered}" if self._answered else "before it was asked"
                raise _Ended("protocol_error", f"it sent a line {after}: {self._quote(data)}")
            case Violation() | Closed():
                raise self._end_of_stream(item)

    def _next_event(self, deadline: float, timeout: float) -> Event:
        item = self._inbox.get(deadline)
        match item:
            case None:
                raise _Ended("timeout", f"no answer within {timeout:g} s; {self._said()}")
            case Line(data):
                try:
                    return parse_event(data)
                except ValidationError as error:
                    first = error.errors(include_url=False, include_input=False)[0]
                    where = ".".join(map(str, first["loc"]))
                    reason = f"{where}: {first['msg']}" if where else first["msg"]
                    raise _Ended("protocol_error", f"not an event: {self._quote(data)} ({reason})") from None
            case _:
                raise self._end_of_stream(item)

    def _end_of_stream(self, item: Violation | Closed) -> _Ended:
        """Why the driver's stdout ended."""
        if isinstance(item, Violation):
            return _Ended("protocol_error", item.message)
        exited = self._exited.wait(EXIT_GRACE)
        if self._killed:
            return _Ended("killed", self._death or "it was killed")
        if not exited:
            return _Ended("protocol_error", "it closed its stdout without ending")
        return _Ended("exit", f"{self._how_it_exited()} without an answer; {self._said()}")

    def _send(self, request: BaseModel, deadline: float) -> None:
        """Write one line to the driver, which may not read; raises ``_Ended``."""
        assert self._process.stdin is not None
        data = memoryview(request.model_dump_json().encode() + b"\n")
        try:
            writable = select.poll()
            writable.register(self._process.stdin.fileno(), select.POLLOUT)
            while data:
                if not writable.poll(max(0.0, deadline - time.monotonic()) * 1000):
                    raise _Ended("timeout", "it does not read its stdin")
                with suppress(BlockingIOError):
                    data = data[os.write(self._process.stdin.fileno(), data) :]
        except (OSError, ValueError):  # the pipe is broken, or closed by our own kill()
            if self._killed or self._exited.wait(EXIT_GRACE):
                raise self._end_of_stream(Closed()) from None
            raise _Ended("protocol_error", "it closed its stdin without ending") from None

    def _clean(self, event: Event) -> Event:
        """``event`` with the secrets in its free fields masked."""
        raw = event.model_dump(mode="json")
        masked = self._redactor.redact(raw)
        if masked == raw:
            return event
        try:
            return type(event).model_validate(masked)
        except ValidationError:
            raise _Ended(
                "protocol_error", f"a '{event.type}' event holds a secret where none may stand"
            ) from None

    def _obituary(self) -> str:
        return f"the session is dead: {self._death or self._how_it_exited()}"

    def _quote(self, data: bytes) -> str:
        text = data[:MAX_MESSAGE].decode(errors="replace")
        text = self._redactor.redact_text(text)
        return repr(text[:200] + "…" if len(text) > 200 else text)  # noqa: PLR2004

    def _said(self) -> str:
        """The last thing on stderr, for the message of a failure."""
        self._logger.join(0.5 if self._exited.is_set() else 0)
        lines = [line for line in self._tail if line.strip()]
        return f"last on stderr: {lines[-1][:500]}" if lines else "nothing on stderr"

    def _how_it_exited(self) -> str:
        code = self._process.returncode
        if code is None:
            return "it is running"
        if code < 0:
            try:
                return f"it was ended by {signal.Signals(-code).name}"
            except ValueError:
                return f"it was ended by signal {-code}"
        return f"it exited with code {code}"

    # --- the end ------------------------------------------------------------------------------------

    def _await_exit(self) -> None:
        """Thread: when the driver ends, end what it left behind, then let the conversation know."""
        pid = self._process.pid
        if hasattr(os, "waitid"):  # unreaped, its pid cannot be given to a stranger meanwhile
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            with self._ending:
                watchdog.end_tree(pid, mark=self._mark)
                self._process.wait()
                self._exited.set()
        else:
            self._process.wait()
            self._exited.set()
        self._reader.join(EXIT_GRACE)
        self._inbox.end(Closed())  # in case somebody we could not find still holds the pipe

    def _end(self, why: str, *, killed: bool = False) -> None:
        with self._ending:
            if self._death is None:
                self._death = why
                self._killed = killed
            if not self._exited.is_set():
                watchdog.end_tree(self._process.pid, mark=self._mark)
        self._inbox.discard()
        self._exited.wait(KILL_GRACE)  # a process inside a broken disk may not even die of SIGKILL
        for thread in (self._reader, self._logger, self._waiter):
            thread.join(EXIT_GRACE)
        with suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        if self._guardian is not None:
            self._guardian.remove(self._guarded)


def _daemon(body: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=body, args=arguments, daemon=True, name=f"engine-{body.__name__}")
    thread.start()
    return thread
