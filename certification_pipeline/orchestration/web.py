"""Dagster's own webserver with the evidence beside it on the same port, and its daemon.

``python -m certification_pipeline.orchestration.web``; people call it ``certify ui``. Dagster's pages are as
they are; added is ``/evidence/``, read only (``orchestration/downloads``), so that whoever has nothing but a
browser gets the report and the release summary.
"""

from __future__ import annotations

import argparse
import errno
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import dagster as dg
import uvicorn
from dagster._cli.utils import get_possibly_temporary_instance_for_cli
from dagster._core.workspace.context import WorkspaceProcessContext, WorkspaceRequestContext
from dagster._core.workspace.load_target import ModuleTarget, WorkspaceFileTarget, WorkspaceLoadTarget
from dagster._serdes import serialize_value
from dagster_webserver.version import __version__
from dagster_webserver.webserver import DagsterWebserver
from starlette.routing import BaseRoute

from certification_pipeline.orchestration.downloads.routes import evidence_routes
from certification_pipeline.orchestration.names import EVIDENCE
from certification_pipeline.settings import SettingsError, load_settings

USAGE = 2
MODULE = "certification_pipeline.definitions"
DAEMON = "certification_pipeline.orchestration.daemon"
WORKSPACE = Path("workspace.yaml")
_PATIENCE = 20
"""Seconds that the daemon has to stop, and three that a browser's open connection has."""


class CertificationWebserver(DagsterWebserver[WorkspaceProcessContext, WorkspaceRequestContext]):
    """Dagster's, with one more room."""

    def build_routes(self) -> list[BaseRoute]:
        """``/evidence`` first: Dagster's last route takes every path there is."""
        dagsters: list[BaseRoute] = super().build_routes()  # type: ignore[no-untyped-call]
        return [*evidence_routes(lambda: load_settings().evidence_dir), *dagsters]


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until Ctrl-C or SIGTERM. 0; 1 when the daemon ended by itself; 2 for wrong usage."""
    parser = argparse.ArgumentParser(prog="certify ui", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1", help="Dagster has no login")
    parser.add_argument("--port", type=int, default=3000)
    parser.add_argument("--workspace", "-w", type=Path, help="else ./workspace.yaml")
    parser.add_argument("--no-daemon", action="store_true", help="it runs elsewhere")
    asked = parser.parse_args(argv)
    try:
        evidence = load_settings().evidence_dir
        _refuse_no_file(asked.workspace)
        # First of all: whoever reads the address may use it, and waits for the answer.
        listening = _listening(asked.host, asked.port)
    except SettingsError as error:
        sys.stderr.write(f"error: {error}\n")
        return USAGE
    signal.signal(signal.SIGTERM, _as_ctrl_c)
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "true")
    with get_possibly_temporary_instance_for_cli("certify ui") as instance:
        target, words = _target(asked.workspace)
        with WorkspaceProcessContext(instance, target, version=__version__) as context:
            app = CertificationWebserver(context).create_asgi_app()
            server = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=3))
            where = f"http://{asked.host}:{asked.port}"
            sys.stderr.write(f"Dagster: {where}   evidence: {where}{EVIDENCE}/ ({evidence})\n")
            if asked.no_daemon:
                return _serve(server, listening)
            return _beside_daemon(server, listening, instance, words)


def _refuse_no_file(workspace: Path | None) -> None:
    if workspace is not None and not workspace.is_file():
        raise SettingsError(f"--workspace {workspace} is no file", "name a workspace.yaml, or leave it out")


def _listening(host: str, port: int) -> socket.socket:
    """Raises ``SettingsError`` where nobody can listen."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        taken = f"stop what listens there, or choose another: --port {port % 65535 + 1}"
        remedy = taken if error.errno == errno.EADDRINUSE else "choose another with --host and --port"
        raise SettingsError(f"--host {host} --port {port}: {error.strerror}", remedy) from None


def _target(named: Path | None) -> tuple[WorkspaceLoadTarget, list[str]]:
    """What to load, and the same for a command line."""
    path = named or (WORKSPACE if WORKSPACE.is_file() else None)
    if path is not None:
        return WorkspaceFileTarget([str(path)]), ["-w", str(path)]
    target = ModuleTarget(module_name=MODULE, attribute="defs", working_directory=None, location_name=None)
    return target, ["-m", MODULE, "-a", "defs"]


def _serve(server: uvicorn.Server, listening: socket.socket) -> int:
    try:
        server.run([listening])
    except KeyboardInterrupt:
        return 0
    return 0 if server.started else 1


def _beside_daemon(
    server: uvicorn.Server, listening: socket.socket, instance: dg.DagsterInstance, words: list[str]
) -> int:
    with _daemon(instance, words) as daemon:
        ended = threading.Event()

        def watch() -> None:
            daemon.wait()
            ended.set()
            server.should_exit = True

        threading.Thread(target=watch, name="daemon-watch", daemon=True).start()
        code = _serve(server, listening)
        if ended.is_set() and daemon.returncode not in (0, -signal.SIGINT):
            sys.stderr.write(f"error: the daemon ended with {daemon.returncode}; nothing would start runs\n")
            return 1
        return code


@contextmanager
def _daemon(instance: dg.DagsterInstance, words: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon, which ends with this process, however that ends (``orchestration/daemon.py``)."""
    reading, writing = os.pipe()
    options = ["--instance-ref", serialize_value(instance.get_ref()), "--log-level", "warning", *words]
    daemon = subprocess.Popen([sys.executable, "-m", DAEMON, str(reading), *options], pass_fds=[reading])
    os.close(reading)
    try:
        yield daemon
    finally:
        os.close(writing)
        try:
            daemon.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            daemon.kill()
            daemon.wait()


def _as_ctrl_c(signum: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:  # before it served anything
        sys.exit(0)
