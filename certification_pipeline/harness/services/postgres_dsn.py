"""Somebody's PostgreSQL server, named by ``CERTIFY_POSTGRES_DSN``: not ours to kill.

All work is done in two databases made for the run and dropped afterwards; nothing that was there before is
touched. ``CERTIFY_POSTGRES_SINK_DSN`` optionally names another server for the sink. Run as a program (by the
guardian, when we were killed) it drops the databases whose administrative DSNs and names come on stdin.
"""

from __future__ import annotations

import json
import re
import secrets
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psycopg
from psycopg import sql

from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.harness.services import postgres_probes
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.provider import Availability, Endpoint, ServiceError
from certification_pipeline.redaction import Redactor

SYSTEM = "postgres"
NAME = "dsn"
SOURCE_VARIABLE = "CERTIFY_POSTGRES_DSN"
SINK_VARIABLE = "CERTIFY_POSTGRES_SINK_DSN"
CONNECT_TIMEOUT = 5
_MODULE = "certification_pipeline.harness.services.postgres_dsn"
OLDEST = 130000
"""PostgreSQL 13 has ``DROP DATABASE … WITH (FORCE)``; older ones are out of support anyway."""

_NAME_PATTERN = re.compile(r"^certify_[a-z0-9_]{1,40}$")


@dataclass(frozen=True, slots=True)
class _Place:
    """A database we make: through which connection, and its name."""

    admin_dsn: str
    database: str

    @property
    def dsn(self) -> str:
        return postgres_probes.with_database(self.admin_dsn, self.database)


class PostgresDsnProvider:
    """Starts :class:`PostgresOnDsn` instances on the server(s) the user named."""

    system = SYSTEM
    name = NAME
    fidelity = Fidelity.REAL

    def __init__(self, environ: Mapping[str, str], *, redactor: Redactor, guardian: Guardian) -> None:
        self._source = environ.get(SOURCE_VARIABLE, "")
        self._sink = environ.get(SINK_VARIABLE, "") or self._source
        self._redactor = redactor
        self._guardian = guardian
        for dsn in (self._source, self._sink):
            redactor.register_dsn(dsn)

    @staticmethod
    def configured(environ: Mapping[str, str]) -> bool:
        """Whether the user named a server."""
        return bool(environ.get(SOURCE_VARIABLE))

    def probe(self) -> Availability:
        """Connects, and asks whether we may create databases; changes nothing."""
        if not self._source:
            return Availability(False, "no server was named", f"set {SOURCE_VARIABLE}")
        for variable, dsn in ((SOURCE_VARIABLE, self._source), (SINK_VARIABLE, self._sink)):
            problem = self._problem(variable, dsn)
            if problem is not None:
                return problem
            if self._sink == self._source:
                break
        return Availability(True, f"the server named by {SOURCE_VARIABLE}, in databases made for the run")

    def start(self, run_id: str) -> PostgresOnDsn:
        """Make the databases; raises ``ServiceError``."""
        availability = self.probe()
        if not availability.ok:
            raise ServiceError(availability.detail, availability.remedy)
        slug = re.sub(r"[^a-z0-9]+", "_", run_id.lower()).strip("_")[:16]
        stem = f"certify_{slug}_{secrets.token_hex(4)}" if slug else f"certify_{secrets.token_hex(4)}"
        instance = PostgresOnDsn(
            _Place(self._source, f"{stem}_source"),
            _Place(self._sink, f"{stem}_sink"),
            self._redactor,
            self._guardian,
        )
        try:
            instance.create(run_id)
        except psycopg.Error as error:
            instance.stop()
            message = self._redactor.redact_text(str(error).strip())
            raise ServiceError(
                f"cannot make databases: {message}", f"see the server's log, or unset {SOURCE_VARIABLE}"
            ) from None
        except BaseException:
            instance.stop()
            raise
        return instance

    def _problem(self, variable: str, dsn: str) -> Availability | None:
        query = "SELECT rolcreatedb OR rolsuper FROM pg_roles WHERE rolname = current_user"
        try:
            with psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT, autocommit=True) as connection:
                row = connection.execute(query).fetchone()
                server = connection.info.server_version
        except psycopg.Error as error:
            # libpq quotes what it could not parse, and that may be a password nobody registered.
            malformed = isinstance(error, psycopg.ProgrammingError)
            detail = (
                "is not a connection string" if malformed else self._redactor.redact_text(str(error).strip())
            )
            return Availability(False, f"{variable}: {detail}", f"correct {variable}, or unset it")
        if server < OLDEST:
            return Availability(
                False, f"{variable}: the server is older than PostgreSQL 13", "use a newer one"
            )
        if row is None or row[0] is not True:
            return Availability(
                False,
                f"{variable}: the role may not create databases",
                "ALTER ROLE … CREATEDB, or use another role",
            )
        return None


class PostgresOnDsn:
    """Two databases on a server that is not ours."""

    system = SYSTEM
    provider = NAME
    fidelity = Fidelity.REAL

    def __init__(self, source: _Place, sink: _Place, redactor: Redactor, guardian: Guardian) -> None:
        self._places = {"source": source, "sink": sink}
        self._redactor = redactor
        self._guardian = guardian
        self._guarded = ""
        self._version = ""
        self._capabilities: dict[str, bool] = {}

    @property
    def version(self) -> str:
        """As the source's server answers."""
        return self._version

    @property
    def capabilities(self) -> Mapping[str, bool]:
        """See :func:`postgres_probes.measure`; of the source's server."""
        return self._capabilities

    def source(self) -> Endpoint:
        """The database made for source tables."""
        return Endpoint(SYSTEM, self._places["source"].dsn)

    def sink(self) -> Endpoint:
        """The database made for sink tables."""
        return Endpoint(SYSTEM, self._places["sink"].dsn)

    def alive(self) -> bool:
        """Whether both databases answer; their random names prove identity."""
        for place in self._places.values():
            try:
                with psycopg.connect(place.dsn, connect_timeout=CONNECT_TIMEOUT) as connection:
                    connection.execute("SELECT 1")
            except psycopg.Error:
                return False
        return True

    def log_tail(self) -> str:
        """Empty: the server's log is not ours to read."""
        return ""

    def create(self, run_id: str) -> None:
        """Make both databases and measure; raises ``psycopg.Error`` or ``ServiceError``."""
        orders = [[place.admin_dsn, place.database] for place in self._places.values()]
        self._guarded = self._guardian.add_module(_MODULE, stdin=json.dumps(orders))
        for place in self._places.values():
            database = sql.Identifier(place.database)
            with psycopg.connect(place.admin_dsn, autocommit=True) as connection:
                # template0: nothing of what the server's owner put into template1.
                connection.execute(
                    sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8'").format(database)
                )
                comment = f"certification_pipeline, run {run_id}: may be dropped when that run is over"
                connection.execute(
                    sql.SQL("COMMENT ON DATABASE {} IS {}").format(database, sql.Literal(comment))
                )
                self._version = self._version or (connection.info.parameter_status("server_version") or "")
        self._capabilities = postgres_probes.measure(self._places["source"].dsn)

    def stop(self) -> None:
        """Drop both databases with all that hangs on them; idempotent.

        Raises ``ServiceError`` naming what could not be dropped, so that its owner can.
        """
        left: list[str] = []
        for place in self._places.values():
            try:
                drop_database(place.admin_dsn, place.database)
            except psycopg.Error as error:
                left.append(f"{place.database} ({self._redactor.redact_text(str(error).strip())})")
        self._guardian.remove(self._guarded)
        if left:
            raise ServiceError(f"could not drop {', '.join(left)}", "drop the databases by hand")


def drop_database(admin_dsn: str, database: str) -> None:
    """Drop one of *our* databases, its replication slots and its prepared transactions."""
    if not _NAME_PATTERN.match(database):
        raise ValueError(f"{database!r} is not a database this project makes")
    with psycopg.connect(admin_dsn, connect_timeout=CONNECT_TIMEOUT, autocommit=True) as connection:
        prepared = connection.execute("SELECT gid FROM pg_prepared_xacts WHERE database = %s", [database])
        if gids := [row[0] for row in prepared]:
            dsn = postgres_probes.with_database(admin_dsn, database)
            with psycopg.connect(dsn, connect_timeout=CONNECT_TIMEOUT, autocommit=True) as inside:
                for gid in gids:
                    inside.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))
        # A slot in use refuses the drop, even with FORCE; an idle one goes with its database.
        connection.execute(
            "SELECT pg_terminate_backend(active_pid, 5000) FROM pg_replication_slots"
            " WHERE database = %s AND active",
            [database],
        )
        connection.execute(
            sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database))
        )


def main() -> None:
    """Drop what stdin lists as ``[[admin_dsn, database], …]``; called by the watchdog."""
    for admin_dsn, database in json.load(sys.stdin):
        with suppress(psycopg.Error):
            drop_database(admin_dsn, database)


if __name__ == "__main__":
    main()
