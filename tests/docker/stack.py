"""The compose stack as a person starts it, and what one sees of it from outside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import docker
from docker.errors import APIError

from tests.docker.engine import compose
from tests.docker.files import DOCKER

T = TypeVar("T")

ROLE = "certification_pipeline.role=run"
PROJECT = "certification_pipeline"
PATIENCE = 900
"""Seconds for anything: a busy machine is no defect."""
_LOOK_AGAIN = 1.0

OVERRIDE = """\
services:
  code:
    command: [dagster, api, grpc, --host, 0.0.0.0, --port, "4000", --module-name, minutely, --attribute, defs]
"""
"""The shipped stack, but for a schedule that ticks every minute."""


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What ``look`` finds. Raises ``TimeoutError`` when it never does."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if (found := look()) is not None:
            return found
        time.sleep(_LOOK_AGAIN)
    raise TimeoutError(what)


@dataclass
class Stack:
    """Up from ``up`` to ``down``."""

    client: docker.DockerClient
    folder: Path
    settings: dict[str, str]
    port: int = field(init=False)

    def __post_init__(self) -> None:
        self.port = _free_port()
        where = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")
        lines = {
            "DAGSTER_POSTGRES_PASSWORD": "tests-only-1",
            "AWS_SECRET_ACCESS_KEY": "tests-only-2",
            "DOCKER_SOCKET": where,
            "DOCKER_GID": str(Path(where).stat().st_gid),
            "CERTIFY_LISTEN": f"127.0.0.1:{self.port}",
            **self.settings,
        }
        (self.folder / "env").write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
        (self.folder / "override.yaml").write_text(OVERRIDE)
        self._compose = [*compose(), f"--env-file={self.folder / 'env'}"]
        self._compose += [
            "--file",
            str(DOCKER / "compose.yaml"),
            "--file",
            str(self.folder / "override.yaml"),
        ]

    def compose(self, *words: str) -> str:
        """One command of compose; its standard output."""
        done = subprocess.run([*self._compose, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout

    def up(self) -> None:
        """As ``make docker-up``, on images that are there."""
        self.compose("up", "--no-build", "--detach", "--wait", f"--wait-timeout={PATIENCE}")

    def down(self) -> None:
        """Nothing is left afterwards, whatever happened."""
        # Who starts runs goes first: a run that was cut off is followed by its verdict, one more container.
        self.compose("stop", "--timeout=20", "daemon", "webserver")
        for container in self.runs():
            with suppress(APIError):  # one that ends by itself is removed already
                container.remove(force=True)
        self.compose("--profile=tools", "down", "--volumes", "--remove-orphans", "--timeout=20")

    def runs(self) -> list[Any]:
        """Containers of runs."""
        return list(self.client.containers.list(all=True, filters={"label": ROLE}))

    def ask(self, query: str) -> Any:
        """GraphQL, as the browser does it."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": query}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def launched(self, job: str, **tags: str) -> dict[str, Any] | None:
        """The newest run of a job with these tags."""
        chosen = "".join(f'{{key: "{key}", value: "{value}"}}' for key, value in tags.items())
        found = self.ask(
            f'{{ runsOrError(filter: {{pipelineName: "{job}", tags: [{chosen}]}}, limit: 1) {{ '
            "... on Runs { results { runId status tags { key value } } } } }"
        )["runsOrError"]["results"]
        return _run(found[0]) if found else None

    def ended(self, run_id: str) -> dict[str, Any]:
        """That run, once it has ended."""

        def look() -> dict[str, Any] | None:
            found = self.ask(
                f'{{ runOrError(runId: "{run_id}") {{ ... on Run '
                "{ runId status tags { key value } } } }"
            )["runOrError"]
            return _run(found) if found["status"] in ("SUCCESS", "FAILURE", "CANCELED") else None

        return eventually(look, f"run {run_id} ends")

    def said_by(self, run_id: str) -> str:
        """Every message of a run's log."""
        found = self.ask(
            f'{{ logsForRun(runId: "{run_id}") {{ ... on EventConnection {{ events {{ '
            "... on MessageEvent { message } ... on ErrorEvent { error { message } } } } } }"
        )["logsForRun"]["events"]
        return "\n".join(f"{e.get('message')} {(e.get('error') or {}).get('message', '')}" for e in found)

    def copy_evidence(self, into: Path) -> Path:
        """All evidence, out of its volume."""
        self.compose("cp", "webserver:/evidence", str(into))
        return into / "evidence" if (into / "evidence").exists() else into

    def address(self, service: str) -> str:
        """Of a container, as this machine reaches it."""
        (container,) = self.client.containers.list(
            filters={
                "label": [f"com.docker.compose.project={PROJECT}", f"com.docker.compose.service={service}"]
            }
        )
        return str(container.attrs["NetworkSettings"]["Networks"][PROJECT]["IPAddress"])


def _run(found: dict[str, Any]) -> dict[str, Any]:
    return {**found, "tags": {tag["key"]: tag["value"] for tag in found["tags"]}}


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
