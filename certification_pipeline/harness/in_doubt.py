"""What a two-phase commit has left hanging in a sink, seen from outside: no engine is asked."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import psycopg
from psycopg import errors, sql

READER_WAITS = "3s"
"""How long a stranger who reads a table is willing to wait for a lock on it."""

_HANGING = """
SELECT DISTINCT p.gid
FROM pg_prepared_xacts p
JOIN pg_locks own ON own.locktype = 'transactionid' AND own.transactionid = p.transaction AND own.pid IS NULL
JOIN pg_locks l ON l.virtualtransaction = own.virtualtransaction AND l.pid IS NULL
LEFT JOIN pg_class c ON l.locktype = 'relation' AND c.oid = l.relation
JOIN pg_namespace n ON starts_with(n.nspname, %(namespace)s)
    AND (n.oid = c.relnamespace
         OR (l.locktype, l.classid, l.objid) = ('object', 'pg_namespace'::regclass, n.oid))
WHERE p.database = current_database()
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
ORDER BY p.gid
"""
"""By their locks, whatever their names: who writes to a schema holds one there."""


def prepared_transactions(connection: psycopg.Connection[Any], namespace: str) -> tuple[str, ...]:
    """Names of the prepared transactions of this database that touch a schema of that namespace."""
    found = connection.execute(_HANGING, {"namespace": namespace}).fetchall()
    return tuple(gid for (gid,) in found)


def roll_back(connection: psycopg.Connection[Any], namespace: str) -> None:
    """End them, so that nothing waits for their locks."""
    for gid in prepared_transactions(connection, namespace):
        connection.execute(sql.SQL("ROLLBACK PREPARED {}").format(sql.Literal(gid)))


def prepared_in_postgres(dsn: str, namespace: str) -> tuple[str, ...]:
    """As :func:`prepared_transactions`, on a connection of its own."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        return prepared_transactions(connection, namespace)


def prepared_in_files(root: Path, patterns: Sequence[str]) -> tuple[str, ...]:
    """What below ``root`` fits one of the patterns, links that lead nowhere among it; relative paths."""
    found = []
    for folder, directories, files in os.walk(root):
        for name in (*directories, *files):
            path = Path(folder, name).relative_to(root).as_posix()
            if any(fnmatchcase(path, pattern) for pattern in patterns):
                found.append(path)
    return tuple(sorted(found))


def can_be_read(dsn: str, namespace: str, table: str) -> bool:
    """Whether a stranger gets at the table, or waits for a lock longer than :data:`READER_WAITS`."""
    query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(namespace, table))
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(READER_WAITS)))
        try:
            connection.execute(query)
        except errors.LockNotAvailable:
            return False
    return True
