"""A source disturbed on purpose: the rows stay known, faults leave witnesses, and nothing stays behind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import (
    Anomaly,
    LateRows,
    OnPositionLost,
    Outcome,
    ReasonCode,
    Strategy,
)
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.faults import source as faults
from certification_pipeline.harness.scenarios import cdc, event
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster
from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.postgres_source import PostgresSource
from certification_pipeline.harness.workload.tables import build_workload
from tests.harness.conftest import Stage, outcome, red

pytestmark = pytest.mark.integration


@pytest.mark.parametrize("manner", [one for one in Manner if one is not Manner.PLAIN])
def test_every_manner_leaves_the_rows_of_a_plain_round(cluster: PostgresCluster, manner: Manner) -> None:
    workload = build_workload("drift_add" if manner is Manner.TWO_LAYOUTS else "steady", 120, 1)
    dsn, tables = cluster.source().dsn, []
    for name, how in (("plain", Manner.PLAIN), ("other", manner)):
        with PostgresSource(dsn, f"manner_{manner}", name) as source:
            source.seed(workload)
            # The second round of a workload with a drift has none.
            for index in (1,) if manner is Manner.TWO_LAYOUTS else (1, 2):
                with source.open_transaction() as transaction:
                    transaction.apply(workload.change(index), how)
                    transaction.commit()
            tables.append(source.qualified_name)
    with psycopg.connect(dsn) as connection:
        one, other = (f"SELECT t::text FROM {table} AS t" for table in tables)
        differ = f"(({one}) EXCEPT ALL ({other})) UNION ALL (({other}) EXCEPT ALL ({one}))"
        assert connection.execute(differ.encode()).fetchall() == []


def test_what_a_cell_made_at_the_source_goes_with_it(stage: Stage, cluster: PostgresCluster) -> None:
    bench = stage.bench("cdc.truncate", Strategy.CDC)
    bench.seed("steady")
    with psycopg.connect(cluster.source().dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('made_by_a_load', 'pgoutput')")
        bench.slots = ("made_by_a_load",)
        bench.close()
        assert connection.execute("SELECT slot_name FROM pg_replication_slots").fetchall() == []


# --- no witness, no verdict -----------------------------------------------------------------------------


def halted(bench: Bench, scenario: Callable[[Bench], None]) -> Halt:
    try:
        with pytest.raises(Halt) as halt:
            scenario(bench)
        return halt.value
    finally:
        bench.close()


def test_writes_that_nobody_saw_during_the_load_prove_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The copy engine says nothing before its load has ended: the writer cannot know that it began."""
    monkeypatch.setattr(faults, "PATIENCE_SECONDS", 0.1)
    bench = stage.bench("cdc.snapshot_handoff", Strategy.CDC)
    assert halted(bench, cdc.snapshot_handoff).reason is ReasonCode.NO_WITNESS
    assert [fault.witness for fault in bench.faults] == [None]
    assert bench.judgements == []


def test_an_engine_without_a_slot_cannot_lose_one(stage: Stage) -> None:
    bench = stage.bench("cdc.slot_lost", Strategy.CDC)
    assert halted(bench, cdc.slot_lost).reason is ReasonCode.NOTHING_TO_DISTURB


def test_a_slot_that_stays_is_no_lost_slot(
    stage: Stage, cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fault suppressed: the drop does nothing."""
    bench = stage.bench("cdc.slot_lost", Strategy.CDC)
    with psycopg.connect(cluster.source().dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('stays', 'pgoutput')")
        try:
            bench.slots = ("stays",)
            with monkeypatch.context() as patch:
                patch.setattr(PostgresSource, "drop_slot", lambda self, name: None)
                with pytest.raises(Halt) as halt:
                    cdc.slot_lost(bench)
            assert halt.value.reason is ReasonCode.NO_WITNESS
        finally:
            bench.close()
    assert bench.faults[-1].witness is None


# --- declared, and held to it ---------------------------------------------------------------------------


def claiming(bench: Bench, **said: object) -> Bench:
    return Bench(replace(bench.station, claim=bench.station.claim.model_copy(update=said)))


def test_a_gap_behind_an_exit_0_is_red_with_its_rows(stage: Stage, cluster: PostgresCluster) -> None:
    """The copy engine sees no deletes, and has no position: to it nothing was lost."""
    bench = claiming(stage.bench("cdc.slot_lost", Strategy.CDC), position_lost=OnPositionLost.STOPS)
    with psycopg.connect(cluster.source().dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_create_logical_replication_slot('one_to_lose', 'pgoutput')")
    bench.slots = ("one_to_lose",)
    cdc.slot_lost(bench)
    bench.close()
    assert any(j.kind == "check" and j.observed == "result" for j in bench.judgements), red(bench)
    assert bench.judgements[-1].kind == "rows"
    assert bench.judgements[-1].anomalies.get(Anomaly.RESURRECTED_DELETE), red(bench)


@pytest.mark.parametrize(("fault", "expected"), [("", Outcome.PASSED), ("counts_late", Outcome.FAILED)])
def test_late_rows_are_counted_right_or_not_at_all(stage: Stage, fault: str, expected: Outcome) -> None:
    bench = claiming(stage.bench("event.late", Strategy.INCREMENTAL_MERGE), late=LateRows.DROPPED)
    stage.fault(fault)
    try:
        event.late(bench)
    finally:
        stage.fault("")
        bench.close()
    assert outcome(bench) is expected, red(bench)
    counted = [j for j in bench.judgements if j.kind == "check" and j.name == "late_rows"]
    assert [j.observed for j in counted] == [999 if fault else event.NOT_REPORTED] * 2


@pytest.mark.nightly
def test_late_rows_that_are_not_taken_are_red_where_all_are_declared_taken(stage: Stage) -> None:
    bench = claiming(stage.bench("event.late", Strategy.INCREMENTAL_MERGE), late=LateRows.TAKEN)
    event.late(bench)
    bench.close()
    assert any(j.kind == "rows" and j.anomalies.get(Anomaly.LOST) for j in bench.judgements), red(bench)


def test_rows_of_a_transaction_that_rolled_back_are_told_by_name(stage: Stage) -> None:
    """Committed all the same: to the judge, who is told otherwise, that is an engine that read too early."""
    bench = stage.bench("cdc.txn_abort", Strategy.XMIN)
    bench.seed("steady")
    bench.load_and_judge()
    bench.source.apply(bench.workload.change(1))
    bench.aborted = (1,)
    bench.load()
    judgement = bench.judge("wrong on purpose")
    bench.close()
    change = bench.workload.change(1)
    images = change.inserts.num_rows + change.updates.num_rows
    assert judgement.anomalies == {Anomaly.ABORTED_READ: images}
    assert {sample.anomaly for sample in judgement.samples} == {Anomaly.ABORTED_READ}
    assert all(sample.actual for sample in judgement.samples if sample.column is None)
