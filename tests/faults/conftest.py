"""A real PostgreSQL with a wire in front of it, and clients in processes that can be killed."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Side
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.faults.fault import Arena, Fault
from certification_pipeline.harness.faults.link import Link
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.redaction import Redactor

_NUMBERS = itertools.count(1)

PRELUDE = """
import sys, psycopg
from psycopg import sql
dsn, table = sys.argv[1:]
"""


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    with Guardian() as watching:
        yield watching


@pytest.fixture(scope="session")
def cluster(redactor: Redactor, guardian: Guardian) -> Iterator[PostgresCluster]:
    instance = PostgresWheelProvider(redactor=redactor, guardian=guardian).start("fault-tests")
    yield instance
    instance.stop()


@dataclass
class Client:
    """A program that speaks to the server through the wire; stands in for an engine's load."""

    process: subprocess.Popen[str]
    killed: bool = False

    @property
    def pid(self) -> int:
        return self.process.pid

    def kill(self) -> None:
        self.killed = True
        self.process.kill()
        self.process.wait()

    def kill_load(self) -> tuple[int, ...]:
        self.kill()
        return (self.pid,)

    def ends(self) -> str:
        """``killed``, ``ok``, or the last line of what it complained about."""
        _, complaint = self.process.communicate(timeout=30)
        if self.killed:
            return "killed"
        return "ok" if self.process.returncode == 0 else complaint.strip().splitlines()[-1]


@dataclass
class Wired:
    """A table ``(id int primary key, word text)``, a wire to it, and one client at a time."""

    link: Link
    direct: str
    table: str
    client: Client | None = None
    clients: list[Client] = field(default_factory=list)

    @property
    def arena(self) -> Arena:
        def session() -> EngineSession:
            if self.client is None:
                raise LookupError
            return cast("EngineSession", self.client)

        links = {Side.SOURCE: self.link, Side.SINK: self.link}
        return Arena(session=session, links=links, services={}, state_dir=Path("/x"), sink_files=None)

    def start(self, body: str) -> Client:
        process = subprocess.Popen(
            [sys.executable, "-c", PRELUDE + body, self.link.dsn, self.table],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.client = Client(process)
        self.clients.append(self.client)
        return self.client

    def run(self, body: str) -> str:
        return self.start(body).ends()

    def here(self, body: str) -> str:
        """As :meth:`run`, within this process: quicker, and nobody can kill it."""
        try:
            exec(body, {"psycopg": psycopg, "dsn": self.link.dsn, "table": self.table})
        except psycopg.Error as error:
            return str(error)
        return "ok"

    @contextmanager
    def under(self, fault: Fault) -> Iterator[None]:
        try:
            fault.arm(self.arena)
            yield
        finally:
            fault.heal()

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.direct, autocommit=True) as own:
            return own.execute(query).fetchall()

    def ids(self) -> list[int]:
        return [row[0] for row in self.ask(f"SELECT id FROM {self.table} ORDER BY id")]

    def tell(self, statement: str) -> None:
        with psycopg.connect(self.direct, autocommit=True) as own:
            own.execute(statement)


@pytest.fixture(scope="module")
def shared_wire(cluster: PostgresCluster) -> Iterator[Wired]:
    with lay(cluster.sink().dsn) as made:
        yield made


@pytest.fixture
def wired(cluster: PostgresCluster) -> Iterator[Wired]:
    with lay(cluster.sink().dsn) as made:
        yield made


@contextmanager
def lay(direct: str) -> Iterator[Wired]:
    table = f"t{next(_NUMBERS)}"
    link = Link(direct)
    link.open()
    made = Wired(link, direct, table)
    made.tell(f"CREATE TABLE {table} (id int PRIMARY KEY, word text)")
    try:
        yield made
    finally:
        for client in made.clients:
            if client.process.poll() is None:
                client.kill()
            assert client.process.stderr is not None
            client.process.stderr.close()
        link.close()
        made.tell(f"DROP TABLE {table}")
