from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from certification_pipeline.harness.services import postgres_probes
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_dsn import PostgresDsnProvider, drop_database
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, free_port
from certification_pipeline.harness.services.provider import Instance, Provider, ServiceError
from certification_pipeline.redaction import Redactor
from tests.services.waiting import wait_gone

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]


@pytest.fixture
def admin(cluster: PostgresCluster) -> str:
    return postgres_probes.with_database(cluster.source().dsn, "postgres")


@pytest.fixture
def plain_role(admin: str) -> Iterator[str]:
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("CREATE ROLE plain LOGIN PASSWORD 'canary-password'")
        yield postgres_probes.url(
            {**psycopg.conninfo.conninfo_to_dict(admin), "user": "plain", "password": "canary-password"}
        )
        connection.execute("DROP ROLE plain")


def _provider(dsn: str, sink: str = "") -> PostgresDsnProvider:
    environ = {"CERTIFY_POSTGRES_DSN": dsn} | ({"CERTIFY_POSTGRES_SINK_DSN": sink} if sink else {})
    return PostgresDsnProvider(environ, redactor=Redactor(), guardian=Guardian())


def _databases(admin: str) -> set[str]:
    with psycopg.connect(admin) as connection:
        return {row[0] for row in connection.execute("SELECT datname FROM pg_database")}


def test_it_works_in_databases_of_its_own_and_drops_them_with_all_that_hangs_on_them(admin: str) -> None:
    before = _databases(admin)
    provider: Provider = _provider(admin)
    assert provider.probe().ok
    assert _databases(admin) == before
    instance: Instance = provider.start("Run 1/x")
    made = _databases(admin) - before
    assert len(made) == 2
    assert all(name.startswith("certify_run_1_x_") for name in made)
    assert instance.alive()
    assert instance.capabilities["pgoutput"]
    assert instance.source().dsn != instance.sink().dsn
    with psycopg.connect(instance.source().dsn, autocommit=True) as busy:
        busy.execute("CREATE TABLE t (i int)")
        busy.execute("SELECT pg_create_logical_replication_slot('held', 'pgoutput', true)")
        busy.execute("BEGIN")
        busy.execute("INSERT INTO t VALUES (1)")
        busy.execute("PREPARE TRANSACTION 'left'")
        instance.stop()
    instance.stop()
    assert _databases(admin) == before
    assert not instance.alive()


def test_what_it_made_is_dropped_when_it_was_killed(admin: str, cluster: PostgresCluster) -> None:
    before = _databases(admin)
    code = """
import os, signal
from certification_pipeline.harness.services.registry import ServiceContext, resolve
context = ServiceContext()
instance = resolve("postgres", context).start("doomed")
print(instance.provider, context.guardian.pid, flush=True)
input()
"""
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={"CERTIFY_POSTGRES_DSN": admin, "PATH": ""},
    )
    assert child.stdout is not None
    name, watchdog = child.stdout.readline().split()
    assert name == "dsn"
    assert len(_databases(admin) - before) == 2
    child.kill()
    child.wait()
    assert wait_gone(int(watchdog))
    assert _databases(admin) == before


def test_only_databases_of_ours_can_be_dropped(admin: str) -> None:
    with pytest.raises(ValueError, match="not a database this project makes"):
        drop_database(admin, "source")
    assert "source" in _databases(admin)


def test_a_role_that_may_not_create_databases_is_refused_by_the_probe(plain_role: str) -> None:
    answer = _provider(plain_role).probe()
    assert not answer.ok
    assert "may not create databases" in answer.detail
    with pytest.raises(ServiceError, match="CREATEDB"):
        _provider(plain_role).start("x")


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:canary-password@127.0.0.1:{port}/db",
        "postgresql://u:canary-password@127.0.0.1:not-a-port/db",
        "host=127.0.0.1 port={port} user=u password=canary-password",
        "host=127.0.0.1 canary-password",
        "postgresql://u:canary-password@/db?nonsense=1",
    ],
)
def test_a_dsn_that_does_not_work_is_said_without_its_password(dsn: str) -> None:
    answer = _provider(dsn.format(port=free_port())).probe()
    assert not answer.ok
    assert answer.detail.startswith("CERTIFY_POSTGRES_DSN: ")
    assert "CERTIFY_POSTGRES_DSN" in answer.remedy
    assert "canary" not in answer.detail + answer.remedy


def test_a_dead_sink_is_named_as_such(admin: str) -> None:
    answer = _provider(admin, f"postgresql://u@127.0.0.1:{free_port()}/db").probe()
    assert answer.detail.startswith("CERTIFY_POSTGRES_SINK_DSN: ")


def test_urls_survive_hostile_names() -> None:
    parameters = {
        "host": "::1",
        "port": 5,
        "user": "u@:/",
        "password": "p%@:/?#[]",
        "dbname": "d/b?",
        "application_name": "a b",
    }
    url = postgres_probes.url(parameters)
    assert psycopg.conninfo.conninfo_to_dict(url) == {k: str(v) for k, v in parameters.items()}
    socket = postgres_probes.url({"host": "/run/pg", "dbname": "d"})
    assert psycopg.conninfo.conninfo_to_dict(socket) == {"host": "/run/pg", "dbname": "d"}
    assert urlsplit(postgres_probes.with_database(url, "other")).path == "/other"
