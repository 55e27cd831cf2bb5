"""Two processes and the pipe between them.

The pipe is ours, so that records are counted as they pass and either program's end is seen for what it is.
The target starts while the tap still discovers: both take a second to import. Whoever ends the driver's
process group ends both, too.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO

from folder import Folder  # type: ignore[import-not-found]
from settings import Wiring  # type: ignore[import-not-found]

PROGRESS_EVERY = 10_000
_KEPT_LINES = 400
_TYPE = re.compile(rb'^\{\s*"type"\s*:\s*"([A-Z_]+)"')


class ProgramFailed(Exception):  # noqa: N818 - control flow between this module and the driver
    """A program ended with another code than 0; ``said`` is the end of its stderr."""

    def __init__(self, program: str, code: int, said: str) -> None:
        super().__init__(f"{program} ended with {code}")
        self.program, self.code, self.said = program, code, said


class Pair:
    """The tap and the target of one load."""

    def __init__(self, wiring: Wiring, folder: Folder) -> None:
        self.records = 0
        """RECORD messages that went through the pipe."""
        self._wiring = wiring
        self._folder = folder
        self._target: _Program | None = None
        self._running: list[_Program] = []

    def prepare(self, *, first: bool) -> None:
        """What an operator does once, before the first load."""
        step = self._wiring.before()
        if step and first:
            command, environment = step
            self._finish(self._start("operator", command, environment))

    def start_target(self) -> None:
        """The target waits for what the tap will say."""
        self._target = self._start(
            "target", [*self._command("target")], self._wiring.environment("target"), stdin=subprocess.PIPE
        )

    def discover(self) -> bytes:
        """The tap's catalogue, as it prints it."""
        tap = self._start("tap", [*self._command("tap"), "--discover"], self._wiring.environment("tap"))
        found = b"".join(tap.out)
        self._finish(tap)
        return found

    def run(self, catalogue: Path, progress: Callable[[int], None]) -> None:
        """Let the tap speak to the target until both have ended; keep the state the target printed last."""
        target = self._target
        assert target is not None
        known = ("--state", str(self._folder.state_file)) if self._folder.state() else ()
        command = [*self._command("tap"), "--catalog", str(catalogue), *known]
        tap = self._start("tap", command, self._wiring.environment("tap"))
        states = _States(target.out)
        broken = self._pump(tap, target, progress)
        if broken:
            tap.kill()
        code = tap.wait()
        with suppress(OSError):
            target.stdin.close()
        target_code = target.wait()
        states.join()
        if target_code == 0 and states.last:
            self._folder.keep_state(states.last)  # also when the tap broke: the target vouches for it
        if target_code != 0 or broken:
            raise ProgramFailed("target", target_code, target.said())
        if code != 0:
            raise ProgramFailed("tap", code, tap.said())

    def close(self) -> None:
        """Nothing of it is left."""
        for running in self._running:
            running.kill()

    def _pump(self, tap: _Program, target: _Program, progress: Callable[[int], None]) -> bool:
        """Pass every line on and count records; whether the target stopped listening."""
        for line in tap.out:
            kind = _TYPE.match(line)
            if (kind[1] if kind else _kind(line)) == b"RECORD":
                self.records += 1
                if self.records % PROGRESS_EVERY == 0:
                    progress(self.records)
            try:
                target.stdin.write(line)
            except BrokenPipeError:
                return True
        try:
            target.stdin.flush()
        except BrokenPipeError:
            return True
        return False

    def _command(self, role: str) -> list[str]:
        settings = self._folder.write(f"{role}.json", self._wiring.settings(role))
        return [*self._wiring.command(role), "--config", str(settings)]

    def _start(
        self, name: str, command: list[str], environment: dict[str, str], *, stdin: int = subprocess.DEVNULL
    ) -> _Program:
        started = _Program(name, command, environment, self._folder.home, stdin)
        self._running.append(started)
        return started

    def _finish(self, running: _Program) -> None:
        code = running.wait()
        if code != 0:
            raise ProgramFailed(running.name, code, running.said())


class _Program:
    """One process; what it says on stderr is passed on, and its end remembered."""

    def __init__(
        self, name: str, command: list[str], environment: dict[str, str], home: Path, stdin: int
    ) -> None:
        self.name = name
        self._tail: deque[str] = deque(maxlen=_KEPT_LINES)
        self._process = subprocess.Popen(
            command,
            env=environment,
            cwd=home,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self._process.stderr is not None
        self._listener = threading.Thread(target=self._listen, args=(self._process.stderr,), daemon=True)
        self._listener.start()

    @property
    def out(self) -> IO[bytes]:
        """Its stdout, to be read to the end."""
        assert self._process.stdout is not None
        return self._process.stdout

    @property
    def stdin(self) -> IO[bytes]:
        """Where it listens."""
        assert self._process.stdin is not None
        return self._process.stdin

    def said(self) -> str:
        """The end of its stderr."""
        return "".join(self._tail)

    def wait(self) -> int:
        """Its exit code, once it has ended and all it said was heard."""
        code = self._process.wait()
        self._listener.join(5)
        return code

    def kill(self) -> None:
        """End it, if it has not ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def _listen(self, stream: IO[bytes]) -> None:
        for raw in stream:
            line = raw.decode(errors="replace")
            self._tail.append(line)
            sys.stderr.write(f"{self.name}: {line}")


class _States:
    """Reads the target's stdout beside the pump, so that neither waits for the other."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.last = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def join(self) -> None:
        self._thread.join()

    def _read(self, stream: IO[bytes]) -> None:
        for line in stream:
            with suppress(ValueError):
                if isinstance(json.loads(line), dict):
                    self.last = line.strip()


def _kind(line: bytes) -> bytes:
    """The message's type, where it is not the first thing in the line."""
    with suppress(ValueError, AttributeError):
        return str(json.loads(line).get("type")).encode()
    return b""
