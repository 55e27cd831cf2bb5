"""Removes what a cell left in its services: tables of its namespace, its files. Engines stage beside it.

Replication slots and publications that are named after it go, too, and what it left prepared.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import psycopg
from psycopg import sql

from certification_pipeline.harness.in_doubt import roll_back
from certification_pipeline.harness.services.provider import Instance


def clean_namespace(instance: Instance, namespace: str) -> None:
    """Remove every schema, file and directory whose name has the cell's namespace in it."""
    if instance.system == "postgres":
        for endpoint in (instance.source(), instance.sink()):
            _drop_schemas(endpoint.dsn, namespace)
        return
    if instance.system == "api":
        return  # it is no sink, and its collections go with the cell's bench
    for endpoint in (instance.source(), instance.sink()):
        _remove_files(Path(endpoint.dsn), namespace)


def clean_sink(instance: Instance, namespace: str) -> None:
    """As :func:`clean_namespace`, but a source table of that namespace stays."""
    if instance.system == "postgres":
        _drop_schemas(instance.sink().dsn, namespace)
    else:
        _remove_files(Path(instance.sink().dsn), namespace)


def _remove_files(root: Path, namespace: str) -> None:
    # A database is a file beside the instance's own; a namespace of files is a directory, hidden ones too.
    for folder in (root.parent, root):
        if folder.is_dir():
            for path in folder.glob(f"*{namespace}*"):
                _remove(path)


def _drop_schemas(dsn: str, namespace: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        roll_back(connection, namespace)
        found = connection.execute(
            "SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (namespace,)
        ).fetchall()
        for (name,) in found:
            connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(sql.Identifier(name)))
        _drop_slots(connection, namespace)


def _drop_slots(connection: psycopg.Connection, namespace: str) -> None:
    """A slot that nobody reads keeps the server's log for ever, and there are few of them."""
    slots = connection.execute(
        "SELECT slot_name, active_pid FROM pg_replication_slots "
        "WHERE database = current_database() AND starts_with(slot_name, %s)",
        (namespace,),
    ).fetchall()
    for name, pid in slots:
        if pid is not None:  # of an engine that was killed; the server has not noticed yet
            connection.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        connection.execute("SELECT pg_drop_replication_slot(%s)", (name,))
    publications = connection.execute(
        "SELECT pubname FROM pg_publication WHERE starts_with(pubname, %s)", (namespace,)
    ).fetchall()
    for (name,) in publications:
        connection.execute(sql.SQL("DROP PUBLICATION IF EXISTS {}").format(sql.Identifier(name)))


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
