"""S3-compatible servers as real processes: moto's in an environment of its own, others where installed."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from uv import find_uv_bin

BUCKET = "evidence"
_MOTO = "moto[server,s3]==5.2.5"
_PATIENCE_SECONDS = 180
"""The first start fetches moto's environment."""


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _command(server: str, port: int, where: Path) -> list[str]:
    if server == "moto":
        uv = [find_uv_bin(), "run", "--quiet", "--no-project", "--with", _MOTO]
        return [*uv, "moto_server", "-H", "127.0.0.1", "-p", str(port)]
    binary = shutil.which(server)
    if binary is None:
        pytest.skip(f"{server} is not installed")
    return {
        "minio": [binary, "server", "--quiet", "--address", f"127.0.0.1:{port}", str(where)],
        "versitygw": [binary, "--port", f"127.0.0.1:{port}", "posix", str(where)],
        "gofakes3": [binary, "-backend", "memory", "-host", f"127.0.0.1:{port}", "-initialbucket", BUCKET],
        "s3rver": [
            binary,
            "-a",
            "127.0.0.1",
            "-p",
            str(port),
            "-d",
            str(where),
            "--configure-bucket",
            BUCKET,
        ],
    }[server]


@contextmanager
def running(server: str, where: Path, secret: str) -> Iterator[str]:
    """Its endpoint, with the bucket there; it and whatever it started are gone after that."""
    (where / BUCKET).mkdir(parents=True)
    port = free_port()
    keys = {"ROOT_ACCESS_KEY": "S3RVER", "ROOT_SECRET_KEY": secret}  # versitygw's, then MinIO's
    keys |= {"MINIO_ROOT_USER": "S3RVER", "MINIO_ROOT_PASSWORD": secret}
    log = (where.parent / f"{server}.log").open("wb")
    process = subprocess.Popen(
        _command(server, port, where),
        env={**os.environ, **keys},
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    endpoint = f"http://127.0.0.1:{port}"
    try:
        _await(endpoint, process)
        if server == "moto":
            urllib.request.urlopen(urllib.request.Request(f"{endpoint}/{BUCKET}", method="PUT"))
        yield endpoint
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        log.close()


def _await(endpoint: str, process: subprocess.Popen[bytes]) -> None:
    pause = threading.Event()
    for _ in range(_PATIENCE_SECONDS * 10):
        if process.poll() is not None:
            raise AssertionError(f"it ended with {process.returncode}")
        try:
            urllib.request.urlopen(endpoint)
        except urllib.error.HTTPError:
            return  # it answers; that it wants to know who asks is right
        except OSError:
            pause.wait(0.1)
        else:
            return
    raise AssertionError("it does not answer")
