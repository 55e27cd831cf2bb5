"""PostgreSQL as a source: create, seed, change and disturb one table.

Seeding is server-side from the second time on: the first seeding of a workload leaves a template
table in the schema :data:`TEMPLATES`, later ones copy it. Sessions run in UTC.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from select import select

import psycopg
from psycopg import sql

from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.postgres_manners import do_round
from certification_pipeline.harness.workload.postgres_statements import (
    TEMPLATES,
    change_steps,
    check_name,
    copy_rows,
    count_rows,
    create_schema,
    create_table,
    expect_rows,
    table_exists,
    template_table,
)
from certification_pipeline.harness.workload.rounds import Change, Workload
from certification_pipeline.harness.workload.source import SourceError
from certification_pipeline.harness.workload.spec import TableSpec
from certification_pipeline.redaction import Redactor

TEMPLATE_MAX_ROWS = 1_000_000
"""Larger workloads are sent by COPY each time rather than kept twice on disk."""
LOCK_SECONDS = 60
"""How long a change round waits for a lock that somebody else holds."""


class PostgresTransaction:
    """A transaction held open on a connection of its own."""

    def __init__(self, connection: psycopg.Connection, table: sql.Identifier) -> None:
        self._connection, self._table = connection, table

    def execute(self, statement: str) -> int:
        """Run one statement inside the transaction."""
        with _explained(statement):
            return self._connection.execute(statement.encode()).rowcount

    def apply(self, change: Change, manner: Manner = Manner.PLAIN) -> None:
        """The whole change round; the last of its transactions is left open."""
        with _explained(f"change round {change.index}, {manner}"):
            do_round(self._connection, self._table, change, manner)

    def commit(self) -> None:
        """Commit; further statements begin another transaction."""
        with _explained("COMMIT"):
            self._connection.commit()

    def rollback(self) -> None:
        """Roll back; further statements begin another transaction."""
        self._connection.rollback()


class PostgresSource:
    """One table in a PostgreSQL database. For one thread; make one per cell."""

    def __init__(self, dsn: str, namespace: str, table: str) -> None:
        for name in (namespace, table):
            check_name(name)
        self._dsn = dsn
        self.namespace, self.table = namespace, table
        self._target = sql.Identifier(namespace, table)
        self._connection: psycopg.Connection | None = None

    def __repr__(self) -> str:
        return f"PostgresSource({self.namespace!r}, {self.table!r})"

    @property
    def qualified_name(self) -> str:
        """``"namespace"."table"``, quoted."""
        return self._target.as_string()

    def create(self, spec: TableSpec) -> None:
        """An empty table with primary key; the schema is made when it is not there."""
        connection = self._connected()
        with _explained(f"creating {self.qualified_name}"), connection.transaction():
            create_schema(connection, self.namespace)
            create_table(connection, self._target, spec)

    def seed(self, workload: Workload) -> None:
        """The initial rows, committed at once. A table that is already there must be empty."""
        connection = self._connected()
        with _explained(f"seeding {self.qualified_name}"):
            template = template_table(connection, workload) if workload.rows <= TEMPLATE_MAX_ROWS else None
            with connection.transaction():
                self._create_or_find_empty(connection, workload.spec)
                if template is None:
                    copy_rows(connection, self._target, workload.spec, workload.initial())
                else:
                    insert = sql.SQL("INSERT INTO {} SELECT * FROM {}").format(self._target, template)
                    expect_rows(connection.execute(insert).rowcount, workload.rows, "seeded rows")

    def apply(self, change: Change, in_one_transaction: bool = False) -> None:
        """Drift, inserts, updates, deletes, set-based; raises when touched keys were not there."""
        connection = self._connected()
        with (
            _explained(f"change round {change.index} of {self.qualified_name}"),
            connection.transaction() if in_one_transaction else nullcontext(),
        ):
            for step in change_steps(connection, self._target, change):
                # No savepoints inside one transaction: rows would carry xids of subtransactions.
                with nullcontext() if in_one_transaction else connection.transaction():
                    step()

    def count(self) -> int:
        """Rows in the table now."""
        with _explained(f"counting {self.qualified_name}"):
            return count_rows(self._connected(), self._target)

    def drop(self) -> None:
        """Remove the table if it is there."""
        with _explained(f"dropping {self.qualified_name}"):
            self._connected().execute(sql.SQL("DROP TABLE IF EXISTS {}").format(self._target))

    def execute(self, statement: str) -> int:
        """Run one statement, committed; :attr:`qualified_name` names the table."""
        with _explained(statement):
            return self._connected().execute(statement.encode()).rowcount

    @contextmanager
    def open_transaction(self) -> Iterator[PostgresTransaction]:
        """A transaction on a connection of its own; rolled back at the end unless committed."""
        connection = _connect(self._dsn, autocommit=False)
        try:
            yield PostgresTransaction(connection, self._target)
        finally:
            connection.close()  # the server rolls back what is open

    def slots(self) -> tuple[str, ...]:
        """The names of all replication slots of the database."""
        query = "SELECT slot_name::text FROM pg_replication_slots WHERE database = current_database()"
        with _explained("looking for replication slots"):
            return tuple(name for (name,) in self._connected().execute(query.encode()).fetchall())

    def drop_slot(self, name: str) -> None:
        """Remove that slot, and end whoever reads it; absent is fine."""
        ask = "SELECT active_pid FROM pg_replication_slots WHERE slot_name = %s"
        with _explained(f"dropping slot {name}"):
            found = self._connected().execute(ask, [name]).fetchone()
            if found is None:
                return
            if found[0] is not None:
                self._connected().execute("SELECT pg_terminate_backend(%s, 5000)", [found[0]])
            self._connected().execute("SELECT pg_drop_replication_slot(%s)", [name])

    def close(self) -> None:
        """Give up the connection; the next call opens another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def __enter__(self) -> PostgresSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _connected(self) -> psycopg.Connection:
        # A scenario may have restarted the server since: a connection that broke is replaced.
        connection = self._connection
        # Nobody asked it anything, so that all a server can have said is that it ended.
        if connection is None or connection.closed or select([connection], [], [], 0)[0]:
            self.close()
            connection = self._connection = _connect(self._dsn, autocommit=True)
        return connection

    def _create_or_find_empty(self, connection: psycopg.Connection, spec: TableSpec) -> None:
        if not table_exists(connection, self.namespace, self.table):
            create_schema(connection, self.namespace)
            create_table(connection, self._target, spec)
        elif count_rows(connection, self._target):
            raise SourceError(f"{self.qualified_name} already has rows", "drop it, or seed another table")


def drop_templates(dsn: str) -> None:
    """Remove all template tables; for databases that outlive the run."""
    with _connect(dsn, autocommit=True) as connection, _explained(f"dropping schema {TEMPLATES}"):
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(TEMPLATES)))


# --- connections and errors --------------------------------------------------------------------------


def _connect(dsn: str, *, autocommit: bool) -> psycopg.Connection:
    with _explained("connecting to the source", dsn):
        # No prepared statements: plans would outlive the schema drifts applied on this connection.
        connection = psycopg.connect(dsn, autocommit=True, prepare_threshold=None, connect_timeout=10)
        connection.execute("SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET client_encoding = 'UTF8'")
        # An engine that leaves a transaction open must not hold the run: the change round fails instead.
        connection.execute(f"SET lock_timeout = '{LOCK_SECONDS}s'".encode())
        connection.autocommit = autocommit
        return connection


@contextmanager
def _explained(doing: str, dsn: str = "") -> Iterator[None]:
    """Turn a driver error into one line without the DSN, which holds a password."""
    try:
        yield
    except psycopg.Error as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        if dsn:
            reason = _without_secret(reason, dsn)
        gone = isinstance(error, psycopg.OperationalError)
        remedy = "see whether the service is alive and its DSN right" if gone else "see the server's log"
        raise SourceError(f"{doing[:200]}: {reason}", remedy) from None


def _without_secret(reason: str, dsn: str) -> str:
    redactor = Redactor()
    redactor.register_dsn(dsn)
    return redactor.redact_text(reason)
