"""One long-lived dbt process, and its commands one after the other.

Knows ``dbt/runner.py``'s lines, not what a command is for. Whatever dbt does (hang, die, print a password),
it is ended and told, never waited for without end.
"""

from __future__ import annotations

import json
import secrets
import select
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, perf_counter
from types import TracebackType
from typing import IO

from certification_pipeline.evidence.dbt.assess import START
from certification_pipeline.evidence.dbt_lineage import DbtCommand
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.streams import pump_log
from certification_pipeline.harness.services import watchdog
from certification_pipeline.harness.shop import Workshop

TIMEOUT = 300.0
"""Seconds for one command; a build of the shipped project takes two."""
_LONGEST = 1500
_LOOK = 0.2


class Interrupted(Exception):  # noqa: N818 - what happened, not a defect
    """The run was cancelled; nothing is written."""


class DbtProcess:
    """Started at once, so that dbt is imported while the first load runs; a context manager."""

    def __init__(
        self, shop: Workshop, prepared: PreparedEngine, folder: Path, environ: Mapping[str, str]
    ) -> None:
        """Raises ``OSError`` when it cannot be started."""
        self._shop = shop
        self._mark = secrets.token_hex(8)
        self._tail: deque[str] = deque(maxlen=20)
        self._begun = perf_counter()
        self._ready: DbtCommand | None = None
        self._unheard = 0
        self._process = subprocess.Popen(
            list(prepared.command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env={**prepared.env, **environ, watchdog.MARK_VARIABLE: self._mark},
            cwd=folder,
            start_new_session=True,
        )
        self._guarded = shop.guardian.add_process(self._process.pid, mark=self._mark)
        self._buffer = b""
        self._log = threading.Thread(
            target=pump_log,
            args=(self._stream(self._process.stderr), folder / "dbt.log", shop.redactor, self._tail),
            daemon=True,
        )
        self._log.start()

    def __enter__(self) -> DbtProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it and all that descends from it."""
        with suppress(OSError):
            self._stream(self._process.stdin).close()
        watchdog.end_tree(self._process.pid, mark=self._mark)
        self._process.wait()
        self._log.join(2.0)
        self._stream(self._process.stdout).close()
        self._shop.guardian.remove(self._guarded)

    def ready(self) -> DbtCommand:
        """Wait until dbt is imported; the command that stands for it."""
        if self._ready is None:
            ended, message = self._answer(self._begun)
            self._ready = self._command(START, ended, message, self._begun)
        return self._ready

    def ahead(self, command: Sequence[str], options: Sequence[str]) -> None:
        """Have it run a command while something else is done; how it ended is not asked."""
        if self._send([*command, *options], None, {}):
            self._unheard += 1

    def invoke(
        self, command: Sequence[str], options: Sequence[str], target_dir: Path, keep: Mapping[str, Path]
    ) -> DbtCommand:
        """Run one command; copy those of its artifacts that ``keep`` names, as far as it wrote them.

        Raises :class:`Interrupted`.
        """
        began = perf_counter()
        self.ready()
        if not self._send([*command, *options], target_dir, keep):
            return self._command(" ".join(command), False, f"dbt is gone: {self._last()}", began)
        while self._unheard:
            self._unheard -= 1
            self._answer(began)
        ended, message = self._answer(began)
        return self._command(" ".join(command), ended, message, began)

    def _send(self, argv: list[str], target_dir: Path | None, keep: Mapping[str, Path]) -> bool:
        """Whether it could be asked."""
        ask = {
            "argv": argv,
            "target_dir": str(target_dir),
            "keep": {name: str(at) for name, at in keep.items()},
        }
        try:
            self._stream(self._process.stdin).write(json.dumps(ask).encode() + b"\n")
        except OSError:
            return False
        return True

    def _answer(self, began: float) -> tuple[bool, str | None]:
        stdout = self._stream(self._process.stdout)
        deadline = monotonic() + TIMEOUT
        while b"\n" not in self._buffer:
            if self._shop.cancel.is_set():
                raise Interrupted
            if monotonic() > deadline:
                watchdog.end_tree(self._process.pid, mark=self._mark)
                return False, f"it gave no answer within {TIMEOUT:.0f} s: {self._last()}"
            if not select.select([stdout], [], [], _LOOK)[0]:
                continue
            data = stdout.read(1 << 16)
            if not data:
                return False, f"it died: {self._last()}"
            self._buffer += data
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
            return answer["ok"] is True, answer["message"]
        except (ValueError, KeyError, TypeError):
            return False, f"it answered {line[:200]!r}"

    def _command(self, name: str, ended: bool, message: str | None, began: float) -> DbtCommand:
        said = self._shop.redactor.redact_text(" ".join(message.split()))[-_LONGEST:] if message else None
        return DbtCommand(command=name, ended=ended, message=said, seconds=round(perf_counter() - began, 4))

    def _last(self) -> str:
        self._log.join(0.5)
        return " / ".join(line.strip() for line in list(self._tail)[-6:]) or "it said nothing"

    def _stream(self, stream: IO[bytes] | None) -> IO[bytes]:
        if stream is None:
            raise RuntimeError("the process has no such stream")
        return stream
