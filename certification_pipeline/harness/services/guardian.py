"""Makes sure that everything we start ends with us, also when we are SIGKILLed.

The parent's half; the other half is the :mod:`watchdog` process. Registering costs one short write to a pipe.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from certification_pipeline.harness.services import watchdog

_ABSENT = 20.0
_IMPORT_ROOT = Path(__file__).parents[3]
"""Where this package is imported from: a source tree, perhaps, that nobody installed."""

_IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Guardian:
    """Registers process groups, directories and clean-up commands with a watchdog process.

    The watchdog is started by the first registration, and started anew when it was killed. ``close`` (or the
    end of this process, however it comes) cleans up all that is still registered.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, dict[str, object]] = {}
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Guardian:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The watchdog's process id, or ``None`` while nothing has been registered."""
        return self._process.pid if self._process else None

    def add_process(self, pid: int, *, mark: str = "", polite: signal.Signals | None = None) -> str:
        """Kill the group led by ``pid`` and its descendants when we die; ``polite`` is sent first.

        ``pid`` must be a live or unreaped child: its start time is noted now. Returns the key to ``remove``.
        """
        return self._add(
            kind="process",
            pid=pid,
            started=watchdog.start_time(pid),
            mark=mark,
            signal=int(polite) if polite else 0,
        )

    def add_path(self, path: Path) -> str:
        """Remove the directory ``path`` when we die."""
        absolute = path.absolute()
        if len(absolute.parts) < 3:  # noqa: PLR2004 - "/" and "/tmp" are never ours
            raise ValueError(f"refusing to register {absolute} for removal")
        return self._add(kind="path", path=str(absolute))

    def add_module(self, module: str, stdin: str = "") -> str:
        """Run ``python -m module`` when we die, with ``stdin`` (which may hold a secret)."""
        return self._add(
            kind="command", argv=[sys.executable, "-m", module], stdin=stdin, cwd=str(_IMPORT_ROOT)
        )

    def remove(self, key: str) -> None:
        """Forget a registration; an unknown key is fine."""
        with self._lock:
            if self._entries.pop(key, None) is not None and self._process is not None:
                # A watchdog that is gone has forgotten it already; the next registration starts another.
                with suppress(OSError):
                    self._write({"remove": key})

    def close(self) -> None:
        """Clean up what is still registered and end the watchdog; idempotent."""
        with self._lock:
            process, self._process = self._process, None
            self._entries.clear()
            if process is None or process.stdin is None:
                return
            with suppress(OSError):
                process.stdin.close()
            try:
                process.wait(_ABSENT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def _add(self, **entry: object) -> str:
        key = uuid.uuid4().hex
        with self._lock:
            self._entries[key] = {"key": key, **entry}
            try:
                if self._process is None:
                    self._start()
                else:
                    self._write(self._entries[key])
            except BrokenPipeError:  # the watchdog was killed: a new one gets everything
                self._start()
        return key

    def _start(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        # Blocked here, hence in the child until it has said that it ignores them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, _IGNORED)
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", watchdog.__file__, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # a Ctrl-C at the terminal must not reach it
                cwd="/",
                env={"LC_ALL": "C"},
            )
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        for entry in self._entries.values():
            self._write(entry)

    def _write(self, message: dict[str, object]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        os.write(self._process.stdin.fileno(), json.dumps(message).encode() + b"\n")
