"""A conversation with the driver over raw pipes, and a small source table with a history written by hand."""

from __future__ import annotations

import json
import os
import select
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import psycopg

from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.protocol import Described, Error, Event, Load, Result, parse_event

Row = tuple[Any, ...]


class Driver:
    """The driver's process. Every line it writes must be an event of the protocol."""

    def __init__(self, prepared: PreparedEngine, folder: Path) -> None:
        self._log = (folder / "stderr.log").open("wb")
        self.process = subprocess.Popen(
            prepared.command,
            env=dict(prepared.env),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.kill()
        self.process.wait()
        self._log.close()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe:
                pipe.close()

    def send(self, line: bytes) -> None:
        assert self.process.stdin
        self.process.stdin.write(line.rstrip(b"\n") + b"\n")
        self.process.stdin.flush()

    def event(self, timeout: float = 60) -> Event:
        assert self.process.stdout
        ready, _, _ = select.select([self.process.stdout], [], [], timeout)
        assert ready, "the driver says nothing"
        return parse_event(self.process.stdout.readline())

    def ask(self, request: dict[str, Any]) -> list[Event]:
        """All events up to the one that ends the request."""
        self.send(json.dumps(request).encode())
        events = [self.event()]
        while not isinstance(events[-1], Described | Result | Error):
            events.append(self.event())
        return events

    def children(self) -> list[int]:
        pid = self.process.pid
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
        return [int(child) for child in text.split()]

    def threads(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/task"))  # noqa: PTH208


@dataclass
class Cell:
    """A source table ``events`` in a schema of its own, and sinks of its own."""

    name: str
    source_dsn: str = field(repr=False)
    sink_dsn: str = field(repr=False)
    driver: Driver
    folder: Path

    def create(self) -> None:
        self.sql(
            f'CREATE SCHEMA "{self.name}"',
            f'CREATE TABLE "{self.name}".events (id bigint PRIMARY KEY, updated_at timestamptz,'
            " business_date date NOT NULL, amount numeric(38, 10), note text)",
        )

    def drop(self) -> None:
        self.sql(f'DROP SCHEMA "{self.name}" CASCADE')
        for schema in (self.name, f"{self.name}_staging"):
            self.sql(f'DROP SCHEMA IF EXISTS "{schema}" CASCADE', dsn=self.sink_dsn)

    def sql(self, *statements: str, dsn: str = "") -> list[Row]:
        """Run at the source (or ``dsn``); the rows of the last statement, if it has any."""
        with psycopg.connect(dsn or self.source_dsn, autocommit=True) as connection:
            for statement in statements:
                cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def load_request(self, strategy: str, sink: str, **options: Any) -> dict[str, Any]:
        dsn = {
            "postgres": self.sink_dsn,
            "duckdb": str(self.folder / "sink.duckdb"),
            "sqlite": str(self.folder / "sink.sqlite"),
            "parquet": str(self.folder / "files"),
        }[sink]
        request = {
            "type": "load",
            "run_id": "run-of-ours",
            "source": {
                "system": "postgres",
                "dsn": self.source_dsn,
                "namespace": self.name,
                "name": "events",
            },
            "sink": {
                "system": sink,
                "dsn": dsn,
                "namespace": "" if sink == "sqlite" else self.name,
                "name": "Events Kept",
            },
            "columns": [],
            "primary_key": ["id"],
            "cursor": "updated_at",
            "strategy": strategy,
            "options": options,
            "state_dir": str(self.folder / "state"),
            "manifest_path": "catalog/engines/dlt.yaml",
            "selector": "the cell",
        }
        return Load.model_validate(request).model_dump(mode="json")

    def load(self, strategy: str, sink: str, **options: Any) -> Event:
        """How the load ended; every event is of our run."""
        events = self.driver.ask(self.load_request(strategy, sink, **options))
        assert {getattr(event, "run_id", "") for event in events} == {"run-of-ours"}
        return events[-1]

    def loaded(self, strategy: str, sink: str, **options: Any) -> Result:
        """A load that must succeed."""
        end = self.load(strategy, sink, **options)
        assert isinstance(end, Result), end
        return end

    def read(self, sink: str, columns: str = "id, amount, note") -> list[Row]:
        """The sink, read without dlt, ordered by all columns."""
        query = f"SELECT {columns} FROM {{}} ORDER BY " + ", ".join(
            str(place + 1) for place in range(columns.count(",") + 1)
        )
        match sink:
            case "postgres":
                return self.sql(query.format(f'"{self.name}"."Events Kept"'), dsn=self.sink_dsn)
            case "sqlite":
                with closing(sqlite3.connect(self.folder / "sink.sqlite")) as connection:
                    return connection.execute(query.format('"Events Kept"')).fetchall()
            case "duckdb":
                with duckdb.connect(str(self.folder / "sink.duckdb"), read_only=True) as connection:
                    return connection.execute(query.format(f'"{self.name}"."Events Kept"')).fetchall()
            case _:
                files = self.folder / "files" / self.name / "Events Kept" / "*.parquet"
                table = f"read_parquet('{files}', union_by_name = true)"
                with duckdb.connect() as connection:
                    return connection.execute(query.format(table)).fetchall()
