"""Dagster's history in PostgreSQL with a connection kept: the same tables, and a server that may go away."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import dagster as dg
import psycopg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.instance.ref import InstanceRef
from dagster_postgres.event_log import PostgresEventLogStorage
from psycopg.conninfo import conninfo_to_dict

from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.orchestration.stack_history import KeptPostgresEventLog, StackHistory
from certification_pipeline.redaction import Redactor
from tests.orchestration.stacks.stack import eventually

if TYPE_CHECKING:
    import psycopg2.extensions

pytestmark = pytest.mark.integration

DOCKER = Path(__file__).parents[2] / "docker"


def said(text: str) -> dg.EventLogEntry:
    return dg.EventLogEntry(
        error_info=None, level=20, user_message=text, run_id="r1", timestamp=1.0, dagster_event=None
    )


def read(log: PostgresEventLogStorage) -> list[str]:
    return [entry.user_message for entry in log.get_logs_for_run("r1")]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """An empty database's DSN."""
    with Guardian() as guardian:
        cluster = PostgresWheelProvider(redactor=Redactor(), guardian=guardian).start("stack-history")
        try:
            yield cluster.sink().dsn
        finally:
            cluster.stop()


@pytest.fixture
def url(server: str) -> Iterator[str]:
    """As Dagster is told; what a test wrote goes with it."""
    at = conninfo_to_dict(server)
    place = f"{quote(str(at['host']), safe='')}:{at['port']}/{at['dbname']}"
    url = f"postgresql+psycopg2://{at['user']}:{quote(str(at['password']), safe='')}@{place}"
    yield url
    PostgresEventLogStorage(url).wipe()


@pytest.fixture
def log(url: str) -> Iterator[KeptPostgresEventLog]:
    made = KeptPostgresEventLog(url)
    yield made
    made.dispose()


def connections(log: PostgresEventLogStorage, work: int) -> int:
    """How many are opened for that many events."""
    opened = []

    def count(*_: object) -> None:
        opened.append(1)

    sa.event.listen(log._engine, "connect", count)
    for number in range(work):
        log.store_event(said(str(number)))
    return len(opened)


def others(administrator: psycopg.Connection[Any]) -> int:
    """Connections of programs to this database."""
    asked = administrator.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
        "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
    )
    return int((asked.fetchone() or (-1,))[0])


def test_dagsters_own_storage_reads_what_was_written_and_goes_on_with_it(
    log: KeptPostgresEventLog, url: str
) -> None:
    log.store_event(said("one"))
    dagsters = PostgresEventLogStorage(url)
    assert read(dagsters) == ["one"]
    dagsters.store_event(said("two"))
    assert read(log) == ["one", "two"]
    log.dispose()
    assert read(log) == ["one", "two"]


def test_events_share_a_connection(log: KeptPostgresEventLog, url: str) -> None:
    assert connections(PostgresEventLogStorage(url), 10) >= 10, "what it is there for"
    assert connections(log, 10) == 1


def test_a_server_that_closed_it_is_asked_for_another(log: KeptPostgresEventLog, server: str) -> None:
    """As a restart of the database does between two events."""
    log.store_event(said("before"))
    with psycopg.connect(server, autocommit=True) as administrator:
        assert others(administrator) >= 1, "the connection was kept"
        administrator.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    log.store_event(said("after"))
    assert read(log) == ["before", "after"]


def test_one_that_vanished_without_a_word_is_not_waited_for_for_ever(log: KeptPostgresEventLog) -> None:
    """A machine that lost its power, a firewall that forgot: nothing short of that can be done to it here."""
    with log._connect() as connection:
        held = cast("psycopg2.extensions.connection", connection.connection.dbapi_connection)
        told = held.get_dsn_parameters()
    assert int(told["tcp_user_timeout"]) == 30_000, "milliseconds"
    patience = int(told["keepalives_count"]) * int(told["keepalives_interval"])
    assert int(told["keepalives_idle"]) + patience == 60, "seconds"


def test_nothing_is_open_afterwards(log: KeptPostgresEventLog, server: str) -> None:
    log.store_event(said("one"))
    log.dispose()
    with psycopg.connect(server, autocommit=True) as administrator:
        # A server's process outlives its client by moments.
        eventually("the connection is gone", lambda: others(administrator) == 0, 60)


def test_the_shipped_file_names_it(server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    at = conninfo_to_dict(server)
    shipped = yaml.safe_load((DOCKER / "dagster.yaml").read_text())
    place = shipped["storage"]["custom"]["config"]["postgres_db"]
    place["port"] = int(str(at["port"]))
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"storage": shipped["storage"]}))
    for name, key in (("HOST", "host"), ("USER", "user"), ("PASSWORD", "password"), ("DB", "dbname")):
        monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", str(at[key]))
    storage = InstanceRef.from_dir(str(tmp_path)).storage
    assert isinstance(storage, StackHistory)
    assert isinstance(storage.event_log_storage, KeptPostgresEventLog)
    storage.event_log_storage.store_event(said("by configuration"))
    assert read(KeptPostgresEventLog(storage.postgres_url)) == ["by configuration"]
    storage.event_log_storage.wipe()
