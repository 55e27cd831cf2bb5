"""A driver's process, its pipes and its end: started, written to, paused, killed; nothing of it is left.

Knows processes and bytes, not the protocol (``session.py``) and not what a load is.
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

from certification_pipeline.harness.engines.outcome import EngineError
from certification_pipeline.harness.engines.streams import Closed, Inbox, pump_log, pump_stdout
from certification_pipeline.harness.services import watchdog
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.redaction import Redactor

EXIT_GRACE = 2.0
KILL_GRACE = 10.0
STOP_SECONDS = 2.0
"""How long a process may take to be stopped after it was told to: it may be inside the kernel."""

_LOOK_SECONDS = 0.002


class NotRead(Exception):  # noqa: N818 - control flow between this module and the session
    """The driver did not read its stdin in time."""


class EngineProcess:
    """A driver in a session and process group of its own; every method may be called from any thread."""

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
        """Start ``command``; raises :class:`EngineError` when it cannot be started."""
        self._guardian = guardian
        self.mark = secrets.token_hex(8)
        """All its processes carry it: :data:`watchdog.MARK_VARIABLE`."""
        self._ending = threading.Lock()
        self.death: str | None = None
        """Why we ended it, once we did."""
        self.killed = False
        """Whether we ended it as a fault, not because of its own."""
        self.exited = threading.Event()
        self._told_to_stop: set[int] = set()
        self._stopped: tuple[int, ...] = ()
        self._paused_since = 0.0
        self._paused_before = 0.0
        self._tail: deque[str] = deque(maxlen=20)
        try:
            self._process = subprocess.Popen(
                list(command),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**env, watchdog.MARK_VARIABLE: self.mark},
                cwd=cwd,
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            raise EngineError(redactor.redact_text(f"cannot start {command[0]}: {error}")) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._stdin = self._process.stdin
        self._guarded = guardian.add_process(self._process.pid, mark=self.mark) if guardian else ""
        os.set_blocking(self._stdin.fileno(), False)
        self.inbox = Inbox()
        self._reader = _daemon(pump_stdout, self._process.stdout, self.inbox)
        self._logger = _daemon(pump_log, self._process.stderr, log_path, redactor, self._tail)
        self._waiter = _daemon(self._await_exit)

    @property
    def pid(self) -> int:
        """Of the driver, which leads its process group."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it runs, and nobody has ended it."""
        return self.death is None and not self.exited.is_set()

    def send(self, data: bytes, deadline: float) -> None:
        """Write to its stdin. Raises ``NotRead`` at the deadline (monotonic), ``OSError`` or ``ValueError``
        when the pipe is broken or was closed."""
        rest = memoryview(data)
        writable = select.poll()
        writable.register(self._stdin.fileno(), select.POLLOUT)
        while rest:
            if not writable.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise NotRead
            with suppress(BlockingIOError):
                rest = rest[os.write(self._stdin.fileno(), rest) :]

    def hang_up(self, patience: float) -> None:
        """Close its stdin, read on without keeping what comes, and wait for its exit so many seconds."""
        with suppress(OSError):
            self._stdin.close()
        self.inbox.discard()  # a driver that still writes must not hang on a full pipe
        self.exited.wait(patience)

    # --- the tree -----------------------------------------------------------------------------------

    def members(self) -> set[int]:
        """The driver and whatever descends from it, as far as it still runs."""
        found = {self.pid} | watchdog.descendants(self.pid) | watchdog.marked(self.mark)
        return {pid for pid in found - {os.getpid()} if watchdog.state(pid) not in ("", "Z", "X")}

    def freeze(self) -> set[int]:
        """Stop everybody, to be killed next; who they are."""
        with self._ending:
            if self.exited.is_set():
                return set()
            watchdog.send_group(self.pid, signal.SIGSTOP)
            return self._stop(spare=set())

    def end_children(self, patience: float, worthwhile: Callable[[], bool]) -> tuple[int, ...]:
        """SIGKILL whatever descends from the driver and spare the driver; the ids of who died of it.

        Returns when they are gone. Waits up to ``patience`` seconds, while that is ``worthwhile``, for
        somebody to kill: a process may not have been forked yet. Empty when nobody came.
        """
        deadline = time.monotonic() + patience
        while True:
            with self._ending:
                if self.exited.is_set():
                    return ()
                # At once, and only then looked for: meanwhile it would go on. The driver, too, is stopped.
                watchdog.send_group(self.pid, signal.SIGSTOP)
                victims = self._stop(spare={self.pid})
                for victim in victims:
                    watchdog.send(victim, signal.SIGKILL)
                watchdog.send(self.pid, signal.SIGCONT)
            if victims:
                return gone(victims)
            if time.monotonic() > deadline or not worthwhile():
                return ()
            time.sleep(_LOOK_SECONDS)  # nothing tells of a stranger's fork

    def pause(self) -> tuple[int, ...]:
        """SIGSTOP the whole tree; the ids of who stands still (state ``T``). Again: nothing happens."""
        with self._ending:
            if self.exited.is_set() or self._told_to_stop:
                return self._stopped
            victims = self._stop(spare=set())
            self._told_to_stop = victims
            _until(lambda: all(watchdog.state(pid) in ("T", "Z", "") for pid in victims), STOP_SECONDS)
            self._stopped = tuple(sorted(pid for pid in victims if watchdog.state(pid) == "T"))
            self._paused_since = time.monotonic()
            return self._stopped

    def resume(self) -> None:
        """SIGCONT whom :meth:`pause` stopped; without a pause nothing happens."""
        with self._ending:
            if not self._told_to_stop:
                return
            if not self.exited.is_set():  # afterwards the ids may be somebody else's
                # Who did not stop yet (it waits in vfork for a child that did) must not stop later, either.
                for pid in self._told_to_stop:
                    watchdog.send(pid, signal.SIGCONT)
            self._told_to_stop, self._stopped = set(), ()
            self._paused_before += time.monotonic() - self._paused_since

    @property
    def paused(self) -> bool:
        """Whether it stands still because of us."""
        return bool(self._told_to_stop)

    def paused_seconds(self) -> float:
        """How long it has stood still because of us, all pauses together, this one too."""
        with self._ending:
            now = time.monotonic() - self._paused_since if self._told_to_stop else 0.0
            return self._paused_before + now

    def _stop(self, spare: set[int]) -> set[int]:
        """SIGSTOP everybody, until nobody new appears: who is stopped cannot fork away."""
        stopped: set[int] = set()
        while fresh := self.members() - stopped - spare:
            for victim in fresh:
                watchdog.send(victim, signal.SIGSTOP)
            stopped |= fresh
        return stopped

    # --- the end ------------------------------------------------------------------------------------

    def end(self, why: str, *, killed: bool = False) -> None:
        """SIGKILL the driver, its process group and whatever descends from it; returns when they are gone."""
        with self._ending:
            if self.death is None:
                self.death = why
                self.killed = killed
            if not self.exited.is_set():
                watchdog.end_tree(self.pid, mark=self.mark)
        self.inbox.discard()
        self.exited.wait(KILL_GRACE)  # a process inside a broken disk may not even die of SIGKILL
        for thread in (self._reader, self._logger, self._waiter):
            thread.join(EXIT_GRACE)
        with suppress(OSError):
            self._stdin.close()
        if self._guardian is not None:
            self._guardian.remove(self._guarded)

    def log_tail(self) -> str:
        """The last lines the driver wrote to stderr, redacted."""
        return "\n".join(self._tail)

    def said(self) -> str:
        """The last thing on stderr, for the message of a failure."""
        self._logger.join(0.5 if self.exited.is_set() else 0)
        lines = [line for line in self._tail if line.strip()]
        return f"last on stderr: {lines[-1][:500]}" if lines else "nothing on stderr"

    def how_it_exited(self) -> str:
        """In words."""
        code = self._process.returncode
        if code is None:
            return "it is running"
        if code < 0:
            try:
                return f"it was ended by {signal.Signals(-code).name}"
            except ValueError:
                return f"it was ended by signal {-code}"
        return f"it exited with code {code}"

    def _await_exit(self) -> None:
        """Thread: when the driver ends, end what it left behind, then let the conversation know."""
        pid = self._process.pid
        if hasattr(os, "waitid"):  # unreaped, its pid cannot be given to a stranger meanwhile
            os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            with self._ending:
                watchdog.end_tree(pid, mark=self.mark)
                self._process.wait()
                self.exited.set()
        else:
            self._process.wait()
            self.exited.set()
        self._reader.join(EXIT_GRACE)
        self.inbox.end(Closed())  # in case somebody we could not find still holds the pipe


def gone(killed: set[int]) -> tuple[int, ...]:
    """Wait until they are; in order."""
    _until(lambda: all(watchdog.state(pid) in ("", "Z", "X") for pid in killed), KILL_GRACE)
    return tuple(sorted(killed))


def _until(condition: Callable[[], bool], seconds: float) -> None:
    """Wait for what only ``/proc`` tells."""
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)


def _daemon(body: Callable[..., None], *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=body, args=arguments, daemon=True, name=f"engine-{body.__name__}")
    thread.start()
    return thread
