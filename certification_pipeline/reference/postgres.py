"""Connections to PostgreSQL, the same for source and sink: session settings under which text is canonical."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import psycopg

from certification_pipeline.reference.silence import WatchedConnection

Connection = psycopg.Connection[tuple[Any, ...]]

_SESSION = """
SET timezone = 'UTC'; SET datestyle = 'ISO, YMD'; SET intervalstyle = 'postgres'; SET bytea_output = 'hex';
SET extra_float_digits = 1; SET standard_conforming_strings = on; SET client_encoding = 'UTF8';
SET search_path = pg_catalog; SET row_security = off; SET quote_all_identifiers = off
"""
"""A canonical rendering, and nothing that a role's or database's own settings could change under us.

``row_security = off`` turns a policy that would silently hide rows into an error.
"""


def connect(dsn: str) -> Connection:
    """A connection in autocommit with the canonical session settings; raises ``psycopg.OperationalError``."""
    connection = WatchedConnection.connect(
        dsn, autocommit=True, connect_timeout=10, application_name="certify-reference"
    )
    connection.dsn = dsn
    try:
        connection.execute(_SESSION)
    except BaseException:
        connection.close()
        raise
    return connection


def rows(connection: Connection, sql: str) -> Sequence[tuple[Any, ...]]:
    """Run a query given whole, without parameters, so that ``%`` in identifiers means itself."""
    return connection.execute(sql.encode()).fetchall()


def cluster_of(connection: Connection) -> str:
    """The cluster's system identifier and database: who this server is, whatever address leads to it."""
    [(identifier, database)] = rows(
        connection, "SELECT system_identifier::text, current_database() FROM pg_control_system()"
    )
    return f"{identifier}/{database}"
