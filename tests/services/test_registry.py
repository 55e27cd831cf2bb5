from __future__ import annotations

import importlib.util
import sqlite3
from importlib.metadata import version as version_of
from pathlib import Path

import duckdb
import pyarrow
import pytest

from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_dsn import PostgresDsnProvider
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider, free_port
from certification_pipeline.harness.services.provider import Availability, Instance, ServiceError
from certification_pipeline.harness.services.registry import ServiceContext, probe_all, resolve

REACHABLE = ("postgres", "api", "duckdb", "sqlite", "parquet", "delta", "iceberg", "hudi")
UNREACHABLE = ("mssql", "mysql", "clickhouse", "kafka", "bigquery")


@pytest.fixture
def context(tmp_path: Path, guardian: Guardian) -> ServiceContext:
    return ServiceContext(work_dir=tmp_path / "work", guardian=guardian, environ={})


def _start(system: str, context: ServiceContext, run_id: str = "run") -> Instance:
    provider = resolve(system, context)
    assert not isinstance(provider, Availability)
    return provider.start(run_id)


def test_what_is_there_and_what_is_not() -> None:
    answers = probe_all([*REACHABLE, *UNREACHABLE, "postgres"], ServiceContext(environ={}))
    assert {system for system, answer in answers.items() if answer.ok} == set(REACHABLE)
    assert set(answers) == {*REACHABLE, *UNREACHABLE}
    for system in UNREACHABLE:
        assert "not built yet" in answers[system].detail
        assert answers[system].remedy
    assert probe_all([]) == {}


def test_a_misspelt_system_is_not_one_that_is_merely_absent() -> None:
    answer = resolve("postgre")
    assert isinstance(answer, Availability)
    assert not answer.ok
    assert "'postgre'" in answer.detail


def test_probing_starts_and_writes_nothing(context: ServiceContext) -> None:
    guardian = Guardian()
    probe_all(REACHABLE, ServiceContext(work_dir=context.work_dir, guardian=guardian, environ={}))
    assert guardian.pid is None
    assert context.work_dir is not None
    assert not context.work_dir.exists()


def test_an_explicit_dsn_comes_first_and_never_falls_back() -> None:
    assert isinstance(resolve("postgres", ServiceContext(environ={})), PostgresWheelProvider)
    dead = ServiceContext(
        environ={"CERTIFY_POSTGRES_DSN": f"postgresql://u:canary-pw@127.0.0.1:{free_port()}/d"}
    )
    answer = resolve("postgres", dead)
    assert isinstance(answer, Availability)
    assert not answer.ok
    assert "canary" not in str(answer)


@pytest.mark.integration
def test_an_explicit_dsn_that_works_is_taken(cluster: Instance) -> None:
    context = ServiceContext(environ={"CERTIFY_POSTGRES_DSN": cluster.source().dsn})
    assert isinstance(resolve("postgres", context), PostgresDsnProvider)


@pytest.mark.parametrize(
    ("system", "version"),
    [
        ("duckdb", duckdb.__version__),
        ("sqlite", sqlite3.sqlite_version),
        ("parquet", pyarrow.__version__),
        ("delta", version_of("deltalake")),
        ("iceberg", version_of("pyiceberg")),
        ("hudi", pyarrow.__version__),
    ],
)
def test_embedded_instances_are_directories_of_their_own(
    system: str, version: str, context: ServiceContext
) -> None:
    first, second = _start(system, context, "a/../b"), _start(system, context, "a/../b")
    assert context.work_dir is not None
    paths = [Path(e.dsn) for i in (first, second) for e in (i.source(), i.sink())]
    assert len(set(paths)) == 4
    assert all(path.is_absolute() and context.work_dir in path.parents for path in paths)
    assert (first.system, first.provider, first.version) == (system, "embedded", version)
    assert first.alive()
    first.stop()
    first.stop()
    assert not first.alive()
    assert second.alive()
    second.stop()
    assert list(context.work_dir.iterdir()) == []


def test_embedded_capabilities_are_measured(context: ServiceContext) -> None:
    measured = {system: _start(system, context).capabilities["transactional_ddl"] for system in REACHABLE[2:]}
    files = ("parquet", "delta", "iceberg", "hudi")
    assert measured == {"duckdb": True, "sqlite": True, **dict.fromkeys(files, False)}


def test_a_directory_that_somebody_replaced_is_not_ours(context: ServiceContext) -> None:
    instance = _start("sqlite", context)
    home = Path(instance.source().dsn).parent
    home.rename(home.with_name("away"))
    home.mkdir()
    assert not instance.alive()


def test_a_work_dir_that_cannot_be_is_an_error_with_a_remedy(tmp_path: Path, guardian: Guardian) -> None:
    (tmp_path / "file").write_text("")
    provider = resolve("duckdb", ServiceContext(work_dir=tmp_path / "file", guardian=guardian, environ={}))
    assert not isinstance(provider, Availability)
    with pytest.raises(ServiceError, match=r"cannot make a directory.*free disk space"):
        provider.start("x")


def test_a_lakehouse_without_its_library_is_unavailable_and_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "deltalake" else there(name)
    )
    answer = probe_all(["delta", "iceberg"])
    assert answer["iceberg"].ok
    assert not answer["delta"].ok
    assert answer["delta"].remedy == "pip install deltalake"
