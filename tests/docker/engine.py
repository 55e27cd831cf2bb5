"""A real Docker engine: the one that is there, else one that root starts for these tests and nobody else.

``CERTIFY_TEST_DOCKER_DIR`` keeps images from one run of the tests to the next (about 6 GB).
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

import docker
import pytest
from docker.errors import DockerException

from tests.docker.programs import go_program

STARTING_SECONDS = 60


@contextmanager
def engine() -> Iterator[docker.DockerClient]:
    """Skips with what is missing; ``DOCKER_HOST`` is set while it lasts."""
    if there := _reached():
        yield there
        return
    program = shutil.which("dockerd")
    if program is None or os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and none can be started: install docker.io and be root")
    kept = os.environ.get("CERTIFY_TEST_DOCKER_DIR")
    root = Path(kept or tempfile.mkdtemp(prefix="certify-docker-"))
    root.mkdir(parents=True, exist_ok=True)
    socket = root / "docker.sock"
    # Its own bridge and rules would need a kernel that has them; the stack brings a network of its own.
    command = [program, "--iptables=false", "--bridge=none", f"--host=unix://{socket}"]
    command += [f"--data-root={root / 'data'}", f"--exec-root={root / 'exec'}"]
    with (root / "dockerd.log").open("w") as log, pytest.MonkeyPatch.context() as patch:
        daemon = subprocess.Popen([*command, f"--pidfile={root / 'pid'}"], stdout=log, stderr=log)
        try:
            patch.setenv("DOCKER_HOST", f"unix://{socket}")
            yield _when_ready(daemon, root / "dockerd.log")
        finally:
            daemon.terminate()
            daemon.wait(STARTING_SECONDS)
            if not kept:
                shutil.rmtree(root)


def _reached() -> docker.DockerClient | None:
    try:
        client = docker.from_env()
        client.ping()
    except DockerException:
        return None
    return client


def _when_ready(daemon: subprocess.Popen[bytes], log: Path) -> docker.DockerClient:
    with subprocess.Popen(
        ["tail", "--follow", "--lines=+1", f"--pid={daemon.pid}", str(log)],
        stdout=subprocess.PIPE,
        text=True,
    ) as tail:
        assert tail.stdout is not None
        # tail ends with the process that it is told, but one that nobody waits for is still there.
        Thread(target=daemon.wait, daemon=True).start()
        for line in tail.stdout:
            if "API listen on" in line:
                tail.terminate()
                client = _reached()
                assert client is not None
                return client
    pytest.skip(f"dockerd does not start here: {log.read_text()[-400:]}")


def client_with_buildkit() -> str:
    """The Dockerfile mounts secrets: of several clients, one that can build such a file."""
    for folder in os.environ["PATH"].split(os.pathsep):
        program = Path(folder) / "docker"
        if not program.is_file():
            continue
        done = subprocess.run(
            [program, "build", "--help"], env=buildkit(), capture_output=True, text=True, check=False
        )
        if "--secret" in done.stdout:
            return str(program)
    pytest.skip("no docker client with BuildKit: install docker-buildx, or Debian's docker.io")


def buildkit() -> dict[str, str]:
    """The environment in which ``docker build`` is BuildKit."""
    return {**os.environ, "DOCKER_BUILDKIT": "1"}


COMPOSE = "v2.35.1"
"""The one that is built where there is none. Later ones build images with buildx alone."""


def compose() -> list[str]:
    """Compose v2: the client's plugin, else one built from its module."""
    for command in (["docker", "compose"], ["docker-compose"]):
        with suppress(OSError):
            done = subprocess.run(
                [*command, "version", "--short"], capture_output=True, text=True, check=False
            )
            if done.returncode == 0 and not done.stdout.removeprefix("v").startswith("1."):
                return command
    module = "github.com/docker/compose/v2"
    stamp = f"{module}/internal.Version"
    return [str(go_program("docker-compose", f"{module}/cmd", COMPOSE, stamp=stamp))]
