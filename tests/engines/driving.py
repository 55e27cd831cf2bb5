"""A driver on the kit, driven as the harness drives it: lines in, lines out, and what is left on stderr."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.harness.engines.environment import KIT
from certification_pipeline.harness.engines.protocol import parse_event
from tests.engines.conftest import request

PATIENCE = 10.0


class Driver:
    """One process; every line it writes is a valid event."""

    def __init__(self, words: list[str], folder: Path, env: dict[str, str]) -> None:
        self.log = folder / "stderr"
        with self.log.open("wb") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-S", *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                cwd=folder,
                env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(KIT), **env},
            )

    def send(self, *lines: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(b"".join(line + b"\n" for line in lines))
        self.process.stdin.flush()

    def event(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        parse_event(line)
        event: dict[str, Any] = json.loads(line)
        return event

    def ask(self, line: bytes) -> dict[str, Any]:
        """The answer; what comes before it is left out."""
        self.send(line)
        while (event := self.event())["type"] in {"phase", "progress"}:
            pass
        return event

    def stop(self) -> str:
        """End it; what stood on stderr."""
        rest, _ = self.process.communicate(b'{"type": "stop"}\n', PATIENCE)
        assert rest == b"", "nothing comes after the last answer"
        assert self.process.returncode == 0
        return self.log.read_text()


Drive = Callable[..., Driver]


@pytest.fixture
def drive(tmp_path: Path) -> Iterator[Drive]:
    """Starts ``python words...`` with the kit, and variables beyond it."""
    drivers: list[Driver] = []

    def start(*words: str, **env: str) -> Driver:
        drivers.append(Driver(list(words), tmp_path, env))
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.process.kill()
        driver.process.communicate()


def load(run_id: str = "run-1", **more: object) -> bytes:
    return request(run_id, **more).model_dump_json().encode()
