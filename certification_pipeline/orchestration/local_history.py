"""Dagster's history on this machine with its files kept open: what `dagster.yaml` names as the storage.

Dagster's own SQLite storage makes an engine for every statement, and opens, syncs and folds up the file, some
two thousand times a run: most of what Dagster cost was that (docs/adr/0024). Files and tables are Dagster's
own: either storage goes on with the other's.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, Self

import dagster as dg
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.sqlite import SQLITE_BUSY_TIMEOUT_SECONDS
from dagster._core.storage.sqlite_storage import (
    DagsterSqliteStorage,
    _event_logs_directory,
)
from dagster._serdes import ConfigurableClassData
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import NullPool

MOST_OPEN = 8
"""Files at once: the index, and the logs of runs that go on or are looked at."""


class LocalHistory(DagsterSqliteStorage):
    """As `storage: sqlite`, but for its event log; the same directories."""

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        super().__init__(base_dir, inst_data)
        self._event_log_storage = KeptEventLog(_event_logs_directory(base_dir))

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> Self:
        """Dagster's own would make Dagster's own."""
        return cls.from_local(inst_data=inst_data, **config_value)


class _Open(NamedTuple):
    """A file by its identity, which is not its name: it may have been removed or replaced meanwhile."""

    identity: tuple[int, int]
    engine: Engine
    anchor: sqlite3.Connection
    """Does nothing: it is there, so that no other connection is the last, which would fold up the file."""


class KeptEventLog(SqliteEventLogStorage):
    """Dagster's event log. Every statement has a connection of its own, as in Dagster's; the file stays open.

    A commit is handed to the system and not waited for until it is on the disk: what a process wrote survives
    its death; after a loss of power the last events may be missing, and no verdict rests on them.
    """

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._open: dict[str, _Open] = {}
        super().__init__(base_dir, inst_data)

    def store_event(self, event: dg.EventLogEntry) -> None:
        """Who follows a run waits for its file to change, and SQLite writes beside it until it is closed."""
        super().store_event(event)
        with suppress(OSError):  # wiped meanwhile
            os.utime(self.path_for_shard(event.run_id))

    def dispose(self) -> None:
        """Close everything."""
        super().dispose()
        with self._db_lock:
            for shard in list(self._open):
                self._close(shard)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[Connection]:
        with (
            self._db_lock,
            self._engine(shard).connect() as connection,
            connection.begin(),
        ):
            yield connection

    def _engine(self, shard: str) -> Engine:
        if shard in self._open and self._open[shard].identity != self._identity(shard):
            self._close(shard)
            self._initialized_dbs.discard(shard)
        found = self._open.pop(shard, None) or self._opened(shard)
        self._open[shard] = found  # the newest is the last
        while len(self._open) > MOST_OPEN:
            self._close(next(iter(self._open)))
        return found.engine

    def _opened(self, shard: str) -> _Open:
        options: dict[str, float] = {"timeout": SQLITE_BUSY_TIMEOUT_SECONDS}
        engine = create_engine(self.conn_string_for_shard(shard), poolclass=NullPool, connect_args=options)
        event.listen(engine, "connect", _not_waited_for)
        if shard not in self._initialized_dbs or self._identity(shard) is None:
            self._initdb(engine)
            self._initialized_dbs.add(shard)
        anchor = sqlite3.connect(
            self.path_for_shard(shard), timeout=SQLITE_BUSY_TIMEOUT_SECONDS, check_same_thread=False
        )
        anchor.execute("PRAGMA schema_version").fetchall()  # only now it is opened
        return _Open(self._identity(shard) or (0, 0), engine, anchor)

    def _identity(self, shard: str) -> tuple[int, int] | None:
        try:
            found = Path(self.path_for_shard(shard)).stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _close(self, shard: str) -> None:
        found = self._open.pop(shard)
        found.engine.dispose()
        found.anchor.close()


def _not_waited_for(connection: sqlite3.Connection, _: object) -> None:
    connection.execute("PRAGMA synchronous=NORMAL")
