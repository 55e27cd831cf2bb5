"""The yardstick: the plainest thing that moves the same rows, binary COPY out of the source into the sink.

Sinks that are files get the bytes in a file: no engine can be cheaper than that.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import psycopg

PIPE = "binary COPY out of the source, piped into binary COPY into a table of the sink"
FILE = "binary COPY out of the source, into a file"


class Moved(NamedTuple):
    """What one raw copy took."""

    rows: int
    bytes: int
    wall_seconds: float
    client_cpu_seconds: float


def raw_path(sink: str) -> str:
    """What is done, in words, for the evidence."""
    return PIPE if sink == "postgres" else FILE


def columns_of(source_dsn: str, table: str) -> str:
    """The columns of the quoted ``table`` as a CREATE TABLE takes them: types, and no key or constraint."""
    query = """
        SELECT string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), ', ' ORDER BY attnum)
        FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"""
    with psycopg.connect(source_dsn) as connection:
        row = connection.execute(query, (table,)).fetchone()
    assert row is not None
    return str(row[0])


def copy_raw(source_dsn: str, table: str, columns: str, sink_dsn: str | None, folder: Path) -> Moved:
    """Copy the quoted ``table`` once, connecting included; removing it again is outside of the time.

    Client CPU is that of this thread, which does all the work: psycopg starts no other.
    """
    wall, cpu = time.perf_counter(), time.thread_time()
    if sink_dsn is None:
        path = folder / "raw.copy"
        with path.open("wb") as file, psycopg.connect(source_dsn) as reader:
            rows, size = _drain(reader, table, file.write)
        spent = time.perf_counter() - wall, time.thread_time() - cpu
        path.unlink()
        return Moved(rows, size, *spent)
    with psycopg.connect(source_dsn) as reader, psycopg.connect(sink_dsn) as writer:
        writer.execute(f"CREATE TABLE certify_raw ({columns})".encode())
        with writer.cursor() as into:
            with into.copy("COPY certify_raw FROM STDIN (FORMAT binary)") as write:
                _, size = _drain(reader, table, write.write)
            rows = into.rowcount
        writer.commit()
        spent = time.perf_counter() - wall, time.thread_time() - cpu
        writer.execute("DROP TABLE certify_raw")
    return Moved(rows, size, *spent)


def _drain(reader: psycopg.Connection, table: str, write: Callable[[bytes], object]) -> tuple[int, int]:
    """Rows and bytes of the whole table."""
    size = 0
    with reader.cursor() as out:
        with out.copy(f"COPY {table} TO STDOUT (FORMAT binary)".encode()) as read:
            for data in read:
                size += len(data)
                write(bytes(data))
        return out.rowcount, size
