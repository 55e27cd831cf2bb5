"""rec.two_phase_commit with the real engine: green, red for each defect, cantTell without a witness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness import in_doubt
from certification_pipeline.harness.cleaning import clean_namespace
from certification_pipeline.harness.engines.environment import prepare
from certification_pipeline.harness.faults.commits import KillAfterCommit
from certification_pipeline.harness.faults.process import Kill
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster
from certification_pipeline.harness.services.provider import Availability, Instance
from certification_pipeline.harness.services.registry import ServiceContext, resolve
from certification_pipeline.harness.worker import CellResult
from certification_pipeline.harness.workshop import DEFECT_VARIABLE
from tests.harness.conftest import Shop
from tests.harness.test_runner import judged

pytestmark = pytest.mark.integration

ENGINE = "reference_two_phase"
DEFECTS = {
    # what the first red judgement is about
    "prepare_in_name_only": "PREPARE TRANSACTION",
    "decide_after_commit": "decided, not committed: resolved",
    "forget_to_resolve": "load_ended",
    "commit_in_doubt": "prepared, not decided: resolved",
    "leave_prepared_behind": "load_ended",
}


@pytest.fixture
def parquet(shop: Shop, tmp_path: Path) -> Iterator[Instance]:
    context = ServiceContext(work_dir=tmp_path, redactor=shop.redactor, guardian=shop.guardian)
    provider = resolve("parquet", context)
    assert not isinstance(provider, Availability)
    instance = provider.start("two-phase")
    yield instance
    instance.stop()


def played(
    shop: Shop,
    sink: str = "postgres",
    strategy: Strategy = Strategy.INCREMENTAL_MERGE,
    defect: str = "",
    services: dict[str, Instance] | None = None,
) -> CellResult:
    prepared = prepare(ENGINE, shop.catalog.engine(ENGINE).driver, lambda _: None)
    if defect:
        prepared = replace(prepared, env={**prepared.env, DEFECT_VARIABLE: defect})
    opened = replace(
        shop.open({}), engines={ENGINE: prepared}, services={**shop.services, **(services or {})}
    )
    key = CellKey(
        engine=ENGINE, source="postgres", sink=sink, strategy=strategy, scenario="rec.two_phase_commit"
    )
    cell = PlannedCell(key=key, scenario_version=1, rows=60, seed=1, required=True, disposition="run")
    [result] = run_cells([cell], opened, 1)
    return result


@pytest.mark.nightly
def test_killed_between_its_phases_on_the_wire(shop: Shop) -> None:
    result = played(shop)
    assert judged(result) is Outcome.PASSED, [j for j in result.judgements if j.outcome is not Outcome.PASSED]
    assert [fault.fault for fault in result.faults] == [
        "commits.record",
        "commits.kill_after",
        "commits.kill_before",
        "commits.kill_after",
        "commits.kill_before",
    ]
    assert all(fault.witness for fault in result.faults)
    resolved = [load for load in result.loads if "resolve" in load.phases]
    assert len(resolved) == 4


@pytest.mark.nightly
@pytest.mark.parametrize("strategy", [Strategy.FULL_REFRESH, Strategy.INCREMENTAL_APPEND])
def test_killed_between_its_phases_among_files(shop: Shop, parquet: Instance, strategy: Strategy) -> None:
    result = played(shop, "parquet", strategy, services={"parquet": parquet})
    assert judged(result) is Outcome.PASSED, [j for j in result.judgements if j.outcome is not Outcome.PASSED]
    assert [fault.fault for fault in result.faults] == ["process.kill", "process.kill"]


@pytest.mark.nightly
@pytest.mark.parametrize("defect", DEFECTS)
def test_each_defect_is_red(shop: Shop, defect: str) -> None:
    result = played(shop, defect=defect)
    assert judged(result) is Outcome.FAILED
    red = next(j for j in result.judgements if j.outcome is not Outcome.PASSED)
    assert DEFECTS[defect] in (red.name if red.kind == "check" else red.step)
    with psycopg.connect(shop.services["postgres"].sink().dsn) as connection:
        assert not connection.execute("SELECT gid FROM pg_prepared_xacts").fetchall(), "the bench cleans up"


@pytest.mark.nightly
@pytest.mark.parametrize(("fault", "sink"), [(KillAfterCommit, "postgres"), (Kill, "parquet")])
def test_without_a_witness_nothing_is_said(
    shop: Shop, parquet: Instance, monkeypatch: pytest.MonkeyPatch, fault: type, sink: str
) -> None:
    monkeypatch.setattr(
        fault, "hears" if sink == "postgres" else "hear", _idle_wire if sink == "postgres" else _idle
    )
    result = played(shop, sink, services={"parquet": parquet})
    assert result.reason is ReasonCode.NO_WITNESS
    assert judged(result) is Outcome.CANT_TELL


async def _idle_wire(*_: object) -> None: ...


def _idle(*_: object) -> None: ...


def test_a_server_that_prepares_nothing_leaves_the_cell_untested(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresCluster, "capabilities", {"prepared_transactions": False})
    result = played(shop)
    assert (judged(result), result.reason) == (Outcome.UNTESTED, ReasonCode.SERVICE_UNAVAILABLE)
    assert result.detail == "this postgres has no prepared_transactions, which the strategy needs"
    assert "max_prepared_transactions" in str(result.remedy)


def test_what_hangs_is_seen_by_its_locks_and_cleaned_away(
    cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(in_doubt, "READER_WAITS", "50ms")
    dsn = cluster.sink().dsn
    with psycopg.connect(dsn, autocommit=True) as connection:
        for schema in ("c_hang", "c_other"):
            connection.execute(f"CREATE SCHEMA {schema}".encode())
            connection.execute(f"CREATE TABLE {schema}.t (i int)".encode())
            connection.execute("BEGIN")
            connection.execute(f"ALTER TABLE {schema}.t ADD j int".encode())
            connection.execute(f"PREPARE TRANSACTION 'named after nothing, {schema}'".encode())
        assert in_doubt.prepared_in_postgres(dsn, "c_hang") == ("named after nothing, c_hang",)
        assert not in_doubt.can_be_read(dsn, "c_hang", "t")
        clean_namespace(cluster, "c_hang")
        assert in_doubt.prepared_in_postgres(dsn, "c_hang") == ()
        assert in_doubt.prepared_in_postgres(dsn, "c_other") == ("named after nothing, c_other",)
        in_doubt.roll_back(connection, "c_other")
        assert in_doubt.can_be_read(dsn, "c_other", "t")
        clean_namespace(cluster, "c_other")


def test_what_hangs_among_files_is_found_by_the_engines_own_patterns(tmp_path: Path) -> None:
    folder = tmp_path / ".prepared" / "orders"
    folder.mkdir(parents=True)
    (tmp_path / "orders").mkdir()
    (folder / "certify:1").symlink_to("nowhere")
    assert in_doubt.prepared_in_files(tmp_path, [".prepared/*/*"]) == (".prepared/orders/certify:1",)
    (folder / "certify:1").unlink()
    assert in_doubt.prepared_in_files(tmp_path, [".prepared/*/*"]) == ()
