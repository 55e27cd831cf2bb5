"""What a PostgreSQL server can do, found out by trying it, and how its address is written.

Shared by the providers of PostgreSQL. Leaves nothing behind in the database it tries things in.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

from certification_pipeline.harness.services.provider import ServiceError

PROBE_TIMEOUT = "10s"


def url(parameters: Mapping[str, str | int | None]) -> str:
    """A connection URL from libpq's parameters (``host``, ``port``, ``user``, ``password``, ``dbname`` …)."""
    rest = {name: str(value) for name, value in parameters.items() if value is not None}
    user, password = rest.pop("user", ""), rest.pop("password", "")
    host, port, dbname = rest.pop("host", ""), rest.pop("port", ""), rest.pop("dbname", "")
    if host.startswith("/"):  # a socket directory cannot stand where a host stands
        rest["host"], host = host, ""
    userinfo = quote(user, safe="") + (":" + quote(password, safe="") if password else "")
    address = (f"[{host}]" if ":" in host else host) + (f":{port}" if port else "")
    query = "?" + urlencode(rest, quote_via=quote) if rest else ""
    return f"postgresql://{userinfo}{'@' if userinfo else ''}{address}/{quote(dbname, safe='')}{query}"


def with_database(dsn: str, dbname: str) -> str:
    """The same server and user, another database; always a URL."""
    return url({**conninfo_to_dict(dsn), "dbname": dbname})


def measure(dsn: str) -> dict[str, bool]:
    """Capabilities of the server behind ``dsn``; raises :class:`ServiceError` when it goes away meanwhile.

    - ``logical_wal``: ``wal_level`` is logical.
    - ``pgoutput``: a slot with that plugin was made, showed a committed change (twice the same, as peeking
      must) and was dropped.
    - ``wal2json``: the same with that plugin, which servers have only where somebody installed it.
    - ``transactional_ddl``: a rolled-back ``CREATE TABLE`` left nothing.
    - ``prepared_transactions``: a transaction was prepared and its outcome decided afterwards.
    """
    probes: dict[str, Callable[[str, str], bool]] = {
        "logical_wal": _logical_wal,
        "transactional_ddl": _transactional_ddl,
        "prepared_transactions": _prepared_transactions,
        "pgoutput": _pgoutput,
        "wal2json": _wal2json,
    }
    name = f"certify_probe_{uuid.uuid4().hex[:12]}"
    return {capability: _attempt(probe, dsn, name) for capability, probe in probes.items()}


def _attempt(probe: Callable[[str, str], bool], dsn: str, name: str) -> bool:
    """Refused by the server is an answer (``False``); no server is not."""
    try:
        return probe(dsn, name)
    except (psycopg.OperationalError, psycopg.InterfaceError) as error:
        if error.sqlstate is None:
            raise ServiceError("PostgreSQL went away while it was probed", "see the server's log") from None
        return False
    except psycopg.Error:
        return False


def _connect(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    connection = psycopg.connect(dsn, autocommit=True, connect_timeout=10)
    connection.execute(f"SET statement_timeout = '{PROBE_TIMEOUT}'")
    return connection


def _scalar(connection: psycopg.Connection[tuple[object, ...]], query: sql.SQL | sql.Composed) -> object:
    row = connection.execute(query).fetchone()
    return row[0] if row else None


def _logical_wal(dsn: str, name: str) -> bool:
    with _connect(dsn) as connection:
        return _scalar(connection, sql.SQL("SHOW wal_level")) == "logical"


def _transactional_ddl(dsn: str, name: str) -> bool:
    with _connect(dsn) as connection:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("CREATE TABLE {} (i int)").format(sql.Identifier(name)))
        return (
            _scalar(connection, sql.SQL("SELECT to_regclass({}) IS NULL").format(sql.Literal(name))) is True
        )


def _prepared_transactions(dsn: str, name: str) -> bool:
    table, gid = sql.Identifier(name), sql.Literal(name)
    with _connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} (i int)").format(table))
        try:
            connection.execute("BEGIN")
            connection.execute(sql.SQL("INSERT INTO {} VALUES (1)").format(table))
            connection.execute(sql.SQL("PREPARE TRANSACTION {}").format(gid))
            before = _scalar(connection, sql.SQL("SELECT count(*) FROM {}").format(table))
            connection.execute(sql.SQL("COMMIT PREPARED {}").format(gid))
            after = _scalar(connection, sql.SQL("SELECT count(*) FROM {}").format(table))
            return (before, after) == (0, 1)
        finally:
            if not connection.closed:
                connection.rollback()
                connection.execute(sql.SQL("DROP TABLE {}").format(table))


def _pgoutput(dsn: str, name: str) -> bool:
    table, slot = sql.Identifier(name), sql.Literal(name)
    peek = sql.SQL(
        "SELECT count(*) FROM pg_logical_slot_peek_binary_changes"
        "({}, NULL, NULL, 'proto_version', '1', 'publication_names', {})"
    ).format(slot, slot)
    with _connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} (i int)").format(table))
        try:
            connection.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(table, table))
            # Temporary: gone with this connection, however it ends.
            make = sql.SQL("SELECT pg_create_logical_replication_slot({}, 'pgoutput', true)").format(slot)
            connection.execute(make)
            connection.execute(sql.SQL("INSERT INTO {} VALUES (1)").format(table))
            first, again = _scalar(connection, peek), _scalar(connection, peek)
            connection.execute(sql.SQL("SELECT pg_drop_replication_slot({})").format(slot))
            return first == again and isinstance(first, int) and first > 0
        finally:
            if not connection.closed:
                connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(table))
                connection.execute(sql.SQL("DROP TABLE {}").format(table))


def _wal2json(dsn: str, name: str) -> bool:
    table, slot = sql.Identifier(name), sql.Literal(name)
    peek = sql.SQL(
        "SELECT count(*) FROM pg_logical_slot_peek_changes({}, NULL, NULL, 'format-version', '2')"
    ).format(slot)
    with _connect(dsn) as connection:
        connection.execute(sql.SQL("CREATE TABLE {} (i int PRIMARY KEY)").format(table))
        try:
            # Temporary: gone with this connection, however it ends.
            make = sql.SQL("SELECT pg_create_logical_replication_slot({}, 'wal2json', true)").format(slot)
            connection.execute(make)
            connection.execute(sql.SQL("INSERT INTO {} VALUES (1)").format(table))
            first, again = _scalar(connection, peek), _scalar(connection, peek)
            connection.execute(sql.SQL("SELECT pg_drop_replication_slot({})").format(slot))
            return first == again and isinstance(first, int) and first > 0
        finally:
            if not connection.closed:
                connection.execute(sql.SQL("DROP TABLE {}").format(table))
