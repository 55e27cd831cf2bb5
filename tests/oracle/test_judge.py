"""What is said of a table: one that cannot be read, lacks columns, holds other types or other values."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.harness.oracle.compare import Comparison
from certification_pipeline.harness.oracle.contract import ContractError, Loss
from certification_pipeline.harness.oracle.oracle import History, Oracle, SinkView, Unreadable
from certification_pipeline.harness.workload.tables import build_workload
from tests.oracle.judging import FULL, ROWS, judge

from .fake import SPEC, FakeWorkload, table
from .sinks import Sinks

# --- tables that cannot be read -----------------------------------------------------------------------


def _gone(view: SinkView) -> None:
    if view.system == "parquet":
        shutil.rmtree(Path(view.dsn) / view.namespace / view.name)
    else:
        Path(view.dsn).unlink()


def _garbage(view: SinkView) -> None:
    path = Path(view.dsn)
    if view.system == "parquet":
        path = path / view.namespace / view.name / "part-1.parquet"
    path.write_bytes(b"this is not what it says it is" * 500)


def _truncated(view: SinkView) -> None:
    path = Path(view.dsn)
    if view.system == "parquet":
        path = path / view.namespace / view.name / "part-1.parquet"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def _emptied(view: SinkView) -> None:
    if view.system == "parquet":
        for path in (Path(view.dsn) / view.namespace / view.name).iterdir():
            path.rename(path.with_name("_" + path.name))
    else:
        Path(view.dsn).write_bytes(b"")


@pytest.mark.parametrize("system", ["duckdb", "sqlite", "parquet"])
@pytest.mark.parametrize("damage", [_gone, _garbage, _truncated, _emptied])
@pytest.mark.parametrize("rows", [5, 0])
def test_a_table_that_cannot_be_read_is_red(
    system: str, damage: Callable[[SinkView], None], rows: int, sinks: Sinks, oracle: Oracle
) -> None:
    workload = FakeWorkload(ROWS[:rows])
    sink = sinks.put(system, SPEC, table(ROWS))
    damage(sink)
    judgement = judge(oracle, workload, sink)
    assert judgement.outcome is Outcome.FAILED
    assert judgement.remark is not None
    assert sink.name in judgement.remark
    assert sink.dsn not in judgement.remark
    assert judgement.anomalies == ({Anomaly.LOST: rows} if rows else {})


@pytest.mark.integration
def test_a_missing_postgres_table_is_red_and_the_dsn_stays_secret(
    all_sinks: Sinks, oracle: Oracle, workload: FakeWorkload
) -> None:
    judgement = judge(oracle, workload, all_sinks.view("postgres", "never made"))
    assert judgement.remark == "postgres table public.never made: the table does not exist"
    dead = replace(all_sinks.view("postgres"), dsn="postgresql://me:hunter2secret@127.0.0.1:1/nowhere")
    judgement = judge(oracle, workload, dead)
    assert judgement.outcome is Outcome.FAILED
    assert "hunter2secret" not in judgement.model_dump_json()
    wrong = replace(dead, dsn="postgresql://me:hunter2secret@[/nowhere")
    assert "hunter2secret" not in judge(oracle, workload, wrong).model_dump_json()


def test_a_failure_of_the_oracle_itself_is_no_verdict_about_the_sink(
    sinks: Sinks, oracle: Oracle, workload: FakeWorkload, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise duckdb.OutOfMemoryException("no space left for spilling")

    monkeypatch.setattr(Comparison, "run", full)
    with pytest.raises(duckdb.OutOfMemoryException):
        judge(oracle, workload, sinks.put("duckdb", SPEC, table(ROWS[:2])))


def test_an_unknown_system_is_red(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    judgement = judge(oracle, workload, SinkView("clay_tablets", "x", "", "t"))
    assert judgement.outcome is Outcome.FAILED


@pytest.mark.parametrize("system", ["duckdb", "sqlite", "parquet"])
def test_no_rows_pass_only_where_none_are_expected(system: str, sinks: Sinks, oracle: Oracle) -> None:
    empty = sinks.put(system, SPEC, table([]))
    assert judge(oracle, FakeWorkload([]), empty).outcome is Outcome.PASSED
    judgement = judge(oracle, FakeWorkload(ROWS), empty)
    assert judgement.anomalies == {Anomaly.LOST: 5}
    assert judgement.outcome is Outcome.FAILED
    full = sinks.put(system, SPEC, table(ROWS))
    assert judge(oracle, FakeWorkload([]), full).anomalies == {Anomaly.PHANTOM: 5}


def test_a_history_without_loads_expects_nothing(
    sinks: Sinks, oracle: Oracle, workload: FakeWorkload
) -> None:
    full = sinks.put("parquet", SPEC, table(ROWS))
    judgement = oracle.judge("none", History(workload, ()), FULL, full)  # type: ignore[arg-type]
    assert judgement.anomalies == {Anomaly.PHANTOM: 5}


def test_loads_cannot_go_back_in_time(workload: FakeWorkload) -> None:
    with pytest.raises(ValueError, match="cannot be undone"):
        History(workload, (2, 1))  # type: ignore[arg-type]


# --- columns ------------------------------------------------------------------------------------------


def test_a_missing_column_is_lost_in_every_row(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    sink = sinks.put("duckdb", SPEC, table(ROWS).drop_columns(["note"]))
    judgement = judge(oracle, workload, sink)
    assert judgement.anomalies == {Anomaly.LOST: 5}
    assert judgement.columns == {"note": 5}
    assert judgement.samples[0].column == "note"
    none = judge(oracle, FakeWorkload([]), sinks.put("duckdb", SPEC, table([]).drop_columns(["note"])))
    assert none.outcome is Outcome.FAILED


def test_a_missing_key_column_is_red(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    judgement = judge(oracle, workload, sinks.put("duckdb", SPEC, table(ROWS).drop_columns(["id"])))
    assert judgement.outcome is Outcome.FAILED
    assert "key column missing: id" in str(judgement.remark)


def test_an_extra_column_must_be_declared(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    more = table(ROWS).append_column("_loaded_by", pa.array(["me"] * 5))
    sink = sinks.put("duckdb", SPEC, more)
    judgement = judge(oracle, workload, sink)
    assert judgement.remark == "unexpected columns: _loaded_by"
    assert judgement.outcome is Outcome.FAILED
    declared = replace(FULL, added_columns=("_loaded_*",))
    assert judge(oracle, workload, sink, declared).outcome is Outcome.PASSED


def test_case_is_folded_only_where_the_system_folds_it(
    sinks: Sinks, oracle: Oracle, workload: FakeWorkload
) -> None:
    shouting = table(ROWS).rename_columns([n.upper() for n in SPEC.column_names])
    loud = replace(
        SPEC,
        columns=tuple(replace(c, name=c.name.upper()) for c in SPEC.columns),
        primary_key=("ID",),
        cursor=None,
        partition=None,
    )
    for system, outcome in (
        ("duckdb", Outcome.PASSED),
        ("sqlite", Outcome.PASSED),
        ("parquet", Outcome.FAILED),
    ):
        assert judge(oracle, workload, sinks.put(system, loud, shouting)).outcome is outcome


# --- types and losses ---------------------------------------------------------------------------------


def test_a_type_that_is_not_permitted_corrupts_the_column(
    sinks: Sinks, oracle: Oracle, workload: FakeWorkload
) -> None:
    sink = sinks.put("duckdb", SPEC, table(ROWS), {"amount": "varchar"})
    judgement = judge(oracle, workload, sink)
    assert judgement.anomalies == {Anomaly.CORRUPT: 5}
    assert judgement.columns == {"amount": 5}
    assert (judgement.samples[0].expected, judgement.samples[0].actual) == ("type double", "type varchar")
    none = judge(oracle, FakeWorkload([]), sinks.put("duckdb", SPEC, table([]), {"amount": "varchar"}))
    assert none.remark == "types not permitted: amount is varchar"
    assert none.outcome is Outcome.FAILED


def test_sqlite_types_are_what_is_stored(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    sink = sinks.put("sqlite", SPEC, table(ROWS))
    with closing(sqlite3.connect(sink.dsn)) as connection:
        connection.execute(f"UPDATE {sink.name} SET note = x'6e6f74652033' WHERE id = 3")
        connection.commit()
    judgement = judge(oracle, workload, sink)
    assert judgement.columns == {"note": 5}
    assert judgement.remark == "types not permitted: note is blob"


def test_a_system_without_contract_is_red(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    sink = replace(sinks.put("duckdb", SPEC, table(ROWS)), types={})
    judgement = judge(oracle, workload, sink)
    assert judgement.outcome is Outcome.FAILED
    assert "no type contract" in str(judgement.remark)


def _floats(*values: float | None) -> list[dict[str, object]]:
    return [{**ROWS[0], "id": i, "amount": value} for i, value in enumerate(values, 1)]


NAN, INF = float("nan"), float("inf")


def test_a_declared_loss_is_applied_and_reported_only_where_it_happened(sinks: Sinks, oracle: Oracle) -> None:
    lossy = sinks.put("sqlite", SPEC, table(_floats(NAN, -0.0, INF, None, 1.5)))
    judgement = judge(oracle, FakeWorkload(_floats(NAN, -0.0, INF, None, 1.5)), lossy)
    assert judgement.outcome is Outcome.PASSED
    assert judgement.declared_losses["amount"] == "nan_to_null, negative_zero_to_zero"
    plain = judge(
        oracle, FakeWorkload(_floats(1.5, None)), sinks.put("sqlite", SPEC, table(_floats(1.5, None)))
    )
    assert "amount" not in plain.declared_losses


def test_an_undeclared_loss_is_corruption(sinks: Sinks, oracle: Oracle) -> None:
    sink = sinks.put("duckdb", SPEC, table(_floats(None, 0.0, 1.5)))
    judgement = judge(oracle, FakeWorkload(_floats(NAN, -0.0, 1.5)), sink)
    assert judgement.anomalies == {Anomaly.CORRUPT: 2}
    assert judgement.columns == {"amount": 2}


def test_a_loss_is_no_excuse_for_other_values(sinks: Sinks, oracle: Oracle) -> None:
    sink = sinks.put("sqlite", SPEC, table(_floats(None, None, 1.5)))
    judgement = judge(oracle, FakeWorkload(_floats(NAN, 2.5, 1.5)), sink)
    assert judgement.anomalies == {Anomaly.CORRUPT: 1}
    assert judgement.samples[0].key == {"id": "2"}


def test_a_sink_that_holds_the_value_cannot_claim_its_loss(sinks: Sinks, oracle: Oracle) -> None:
    rule = TypeRule(physical=("double",), loss=("nan_to_null",))
    sink = replace(
        sinks.put("duckdb", SPEC, table(_floats(NAN, None))), types={**sinks.types["duckdb"], "float64": rule}
    )
    judgement = judge(oracle, FakeWorkload(_floats(NAN, NAN)), sink)
    assert judgement.anomalies == {Anomaly.CORRUPT: 1}


def test_decimals_through_floats_are_corrupt_unless_declared(sinks: Sinks, oracle: Oracle) -> None:
    workload = build_workload("narrow", 60, 3)
    rows = pa.Table.from_batches(list(workload.initial()))
    sink = sinks.put("duckdb", workload.spec, rows, {"amount": "double"})
    judgement = judge(oracle, workload, sink)
    assert judgement.columns["amount"] == 60
    rule = TypeRule(physical=("double",), loss=(Loss.DECIMAL_AS_FLOAT,))
    declared = replace(sink, types={**sink.types, "decimal": rule})
    judgement = judge(oracle, workload, declared)
    assert judgement.outcome is Outcome.PASSED
    assert judgement.declared_losses == {"amount": "decimal_as_float"}


def test_an_unknown_loss_in_the_catalogue_is_an_error(
    sinks: Sinks, oracle: Oracle, workload: FakeWorkload
) -> None:
    sink = sinks.put("duckdb", SPEC, table(ROWS))
    rule = TypeRule(physical=("double",), loss=("rounds_a_little",))
    with pytest.raises(ContractError, match="rounds_a_little"):
        judge(oracle, workload, replace(sink, types={**sink.types, "float64": rule}))


# --- fingerprints -------------------------------------------------------------------------------------


def test_fingerprint_of_a_sink_changes_with_any_cell_and_not_with_order(sinks: Sinks, oracle: Oracle) -> None:
    prints = set()
    variants = [
        ROWS,
        [{**ROWS[0], "note": ""}, *ROWS[1:]],
        [{**ROWS[0], "note": None}, *ROWS[1:]],
        [{**ROWS[0], "amount": -0.0}, *ROWS[1:]],
        [{**ROWS[0], "amount": 0.0}, *ROWS[1:]],
        ROWS[1:],
        [*ROWS, ROWS[0]],
        [{**ROWS[0], "note": ROWS[1]["note"]}, {**ROWS[1], "note": ROWS[0]["note"]}, *ROWS[2:]],
    ]
    for rows in variants:
        one = oracle.fingerprint_sink(sinks.put("duckdb", SPEC, table(rows)), SPEC)
        other = oracle.fingerprint_sink(sinks.put("parquet", SPEC, table(rows[::-1])), SPEC)
        assert one == other
        prints.add(one.digest)
    assert len(prints) == len(variants)


def test_fingerprint_covers_columns_nobody_declared(sinks: Sinks, oracle: Oracle) -> None:
    def extra(value: str) -> SinkView:
        return sinks.put("duckdb", SPEC, table(ROWS).append_column("_seen", pa.array([value] * 5)))

    one, other = extra("a"), extra("b")
    assert oracle.fingerprint_sink(one, SPEC) != oracle.fingerprint_sink(other, SPEC)
    assert oracle.fingerprint_sink(one, SPEC, ("_*",)) == oracle.fingerprint_sink(other, SPEC, ("_*",))


def test_fingerprint_of_nothing_and_of_the_unreadable(sinks: Sinks, oracle: Oracle) -> None:
    assert oracle.fingerprint_sink(sinks.view("duckdb"), SPEC).digest == "absent"
    empty = oracle.fingerprint_sink(sinks.put("duckdb", SPEC, table([])), SPEC)
    assert (empty.rows, empty.digest == "absent") == (0, False)
    damaged = sinks.put("duckdb", SPEC, table(ROWS))
    _garbage(damaged)
    with pytest.raises(Unreadable):
        oracle.fingerprint_sink(damaged, SPEC)
