"""What is not a row: missing and damaged tables, columns, types, declared losses, drift, history."""

from __future__ import annotations

import datetime as dt
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
from certification_pipeline.catalog.vocabulary import Anomaly, DriftBehaviour, Outcome, Strategy
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.harness.engines.protocol import LoadOptions
from certification_pipeline.harness.oracle.compare import Comparison
from certification_pipeline.harness.oracle.contract import ContractError, Loss
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics, SinkView, Unreadable
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.spec import Column, LogicalType
from certification_pipeline.harness.workload.tables import build_workload

from .fake import SPEC, FakeWorkload, Round, table
from .sinks import Sinks

FULL = Semantics(Strategy.FULL_REFRESH)
ROWS = [
    {
        "id": key,
        "updated_at": dt.datetime(2024, 6, 1, 0, key, tzinfo=dt.UTC),
        "business_date": dt.date(2024, 6, key),
        "note": f"note {key}",
        "amount": key / 4,
    }
    for key in range(1, 6)
]


@pytest.fixture
def workload() -> FakeWorkload:
    return FakeWorkload(ROWS)


def judge(oracle: Oracle, workload: object, sink: SinkView, semantics: Semantics = FULL) -> RowJudgement:
    return oracle.judge("load", History(workload, (0,)), semantics, sink)  # type: ignore[arg-type]


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


# --- schema drift -------------------------------------------------------------------------------------


def _drifted(name: str) -> tuple[Workload, pa.Table, pa.Table]:
    """The workload, its rows before, and its rows after round 1 as the source shows them."""
    workload = build_workload(name, 120, 3)
    before = pa.Table.from_batches(list(workload.initial()))
    change = workload.change(1)
    touched = set(change.updates["id"].to_pylist()) | set(change.deletes["id"].to_pylist())
    stays = before.filter(pa.array([key not in touched for key in before["id"].to_pylist()]))
    drift = change.drift
    assert drift is not None
    if drift.new_name:
        stays = stays.rename_columns([drift.new_name if n == drift.column else n for n in stays.column_names])
    arrays = {
        n: stays[n] if n in stays.column_names else pa.nulls(stays.num_rows) for n in change.spec.column_names
    }
    stays = pa.table(arrays).cast(change.spec.arrow_schema())
    after = pa.concat_tables([stays, change.updates, change.inserts])
    return workload, before, after


def _judge_drift(
    oracle: Oracle,
    workload: Workload,
    sink: SinkView,
    behaviour: DriftBehaviour,
    strategy: Strategy = Strategy.FULL_REFRESH,
) -> RowJudgement:
    return oracle.judge("drift", History(workload, (0, 1)), Semantics(strategy, drift=behaviour), sink)


@pytest.mark.parametrize(
    "name",
    [
        "drift_add",
        "drift_drop",
        "drift_widen",
        "drift_rename",
        "drift_null",
        "drift_narrow",
        "drift_retype",
        "drift_widen_decimal",
    ],
)
def test_drift_applied_means_the_sink_follows(name: str, sinks: Sinks, oracle: Oracle) -> None:
    workload, before, after = _drifted(name)
    spec = workload.spec_after(1)
    good = sinks.put("duckdb", spec, after)
    assert _judge_drift(oracle, workload, good, DriftBehaviour.APPLIED).outcome is Outcome.PASSED
    old = sinks.put("duckdb", workload.spec, before)
    assert _judge_drift(oracle, workload, old, DriftBehaviour.APPLIED).outcome is Outcome.FAILED


def test_drift_kept_means_null_in_rows_loaded_later(sinks: Sinks, oracle: Oracle) -> None:
    workload, before, after = _drifted("drift_drop")
    untouched = {r["id"]: r["note"] for r in before.to_pylist()}
    change = workload.change(1)
    reloaded = set(change.updates["id"].to_pylist()) | set(change.inserts["id"].to_pylist())

    def with_notes(notes: list[str | None]) -> SinkView:
        return sinks.put("duckdb", workload.spec, after.append_column("note", pa.array(notes, pa.string())))

    keys = after["id"].to_pylist()
    full = _judge_drift(oracle, workload, with_notes([None] * len(keys)), DriftBehaviour.KEPT)
    assert full.outcome is Outcome.PASSED
    kept = [None if key in reloaded else untouched[key] for key in keys]
    xmin = _judge_drift(oracle, workload, with_notes(kept), DriftBehaviour.KEPT, Strategy.XMIN)
    assert xmin.outcome is Outcome.PASSED
    lost = _judge_drift(oracle, workload, with_notes([None] * len(keys)), DriftBehaviour.KEPT, Strategy.XMIN)
    assert lost.anomalies == {Anomaly.CORRUPT: sum(note is not None for note in kept)}
    assert set(lost.columns) == {"note"}


def test_a_row_delivered_again_unchanged_may_keep_or_lose_the_dropped_column(
    sinks: Sinks, oracle: Oracle
) -> None:
    """Ties with the high-water mark come again; an engine may recognise them, or write them anew."""
    workload = build_workload("drift_drop", 120, 3)
    change = workload.change(1)
    held = {r["id"]: r for batch in workload.initial() for r in batch.to_pylist()}
    high = max(row["updated_at"] for row in held.values() if row["updated_at"])
    new = {r["id"]: r for r in (*change.updates.to_pylist(), *change.inserts.to_pylist())}
    # What a merge takes: late rows stay behind.
    taken = {k: r for k, r in new.items() if r["updated_at"] is None or r["updated_at"] >= high}
    gone_at_source = set(new) - set(taken)
    tied = {k for k, r in held.items() if r["updated_at"] in (None, high)} - set(taken) - gone_at_source
    assert tied

    def judged(emptied: set[int]) -> RowJudgement:
        rows = [{**row, "note": None} if key in emptied else row for key, row in held.items()]
        rows = [row for row in rows if row["id"] not in taken]
        rows += [{**row, "note": None} for row in taken.values()]
        sink = sinks.put("duckdb", workload.spec, table(rows, workload.spec))
        return _judge_drift(oracle, workload, sink, DriftBehaviour.KEPT, Strategy.INCREMENTAL_MERGE)

    assert judged(set()).outcome is Outcome.PASSED
    assert judged(tied).outcome is Outcome.PASSED
    untouched = {k for k, r in held.items() if r["note"] is not None} - tied - set(taken)
    assert judged(untouched).anomalies == {Anomaly.CORRUPT: len(untouched)}


def test_drift_ignored_judges_every_other_column(sinks: Sinks, oracle: Oracle) -> None:
    workload, _, after = _drifted("drift_rename")
    without = sinks.put("duckdb", workload.spec, after.drop_columns(["remark"]))
    assert _judge_drift(oracle, workload, without, DriftBehaviour.IGNORED).outcome is Outcome.PASSED
    amounts = after["amount"].to_pylist()[::-1]
    wrong = after.drop_columns(["remark", "amount"]).append_column(
        "amount", pa.array(amounts, pa.decimal128(38, 10))
    )
    judgement = _judge_drift(
        oracle, workload, sinks.put("duckdb", workload.spec, wrong), DriftBehaviour.IGNORED
    )
    assert set(judgement.columns) == {"amount"}
    added, _, rows = _drifted("drift_add")
    came = _judge_drift(oracle, added, sinks.put("duckdb", added.spec_after(1), rows), DriftBehaviour.IGNORED)
    assert came.remark == "unexpected columns: added"


def test_a_narrowing_that_is_ignored_is_still_judged_as_the_wide_type(sinks: Sinks, oracle: Oracle) -> None:
    """Every value still fits, so a corrupted one has no excuse."""
    workload, _, after = _drifted("drift_narrow")
    name = workload.change(1).drift.column  # type: ignore[union-attr]
    wide = after.cast(workload.spec.arrow_schema())
    good = sinks.put("duckdb", workload.spec, wide)
    assert _judge_drift(oracle, workload, good, DriftBehaviour.IGNORED).outcome is Outcome.PASSED
    zeroed = wide.set_column(wide.column_names.index(name), name, pa.array([0] * len(wide), pa.int64()))
    red = _judge_drift(oracle, workload, sinks.put("duckdb", workload.spec, zeroed), DriftBehaviour.IGNORED)
    assert set(red.columns) == {name}


def test_drift_to_a_new_column(sinks: Sinks, oracle: Oracle) -> None:
    workload, before, after = _drifted("drift_retype")
    change = workload.change(1)
    reloaded = set(change.updates["id"].to_pylist()) | set(change.inserts["id"].to_pylist())
    old = {r["id"]: r["small"] for r in before.to_pylist()}
    rows = after.to_pylist()
    for row in rows:
        new = row["small"]
        row["small"] = old.get(row["id"])
        row["small__text"] = new if row["id"] in reloaded else None
    columns = (*workload.spec.columns, Column("small__text", LogicalType.TEXT))
    spec = replace(workload.spec, columns=columns)

    def judged(rows: list[dict[str, object]]) -> RowJudgement:
        sink = sinks.put("duckdb", spec, table(rows, spec))
        return _judge_drift(oracle, workload, sink, DriftBehaviour.NEW_COLUMN, Strategy.XMIN)

    assert judged(rows).outcome is Outcome.PASSED
    lost = [{**row, "small__text": None} for row in rows]
    assert judged(lost).columns.keys() == {"small (new type)"}
    overwritten = [row if row["id"] in reloaded else {**row, "small": 4711} for row in rows]
    assert judged(overwritten).columns.keys() == {"small"}


# --- scd2 ---------------------------------------------------------------------------------------------

SCD2 = replace(
    SPEC,
    columns=(
        *SPEC.columns,
        Column("from_ts", LogicalType.TIMESTAMPTZ),
        Column("to_ts", LogicalType.TIMESTAMPTZ),
    ),
)


def _at(day: int | None) -> dt.datetime | None:
    return None if day is None else dt.datetime(2025, 1, day, tzinfo=dt.UTC)


def _scd2(oracle: Oracle, sinks: Sinks, versions: list[tuple[str, int | None, int | None]]) -> RowJudgement:
    """One key whose note goes a -> b -> (deleted) -> c over four loads."""
    base = ROWS[0]
    workload = FakeWorkload(
        [{**base, "note": "a"}],
        [
            Round(updates=[{**base, "note": "b"}]),
            Round(deletes=[1]),
            Round(inserts=[{**base, "note": "c"}]),
        ],
    )
    rows = [{**base, "note": note, "from_ts": _at(start), "to_ts": _at(end)} for note, start, end in versions]
    semantics = Semantics(Strategy.SCD2, scd2_columns=("from_ts", "to_ts"))
    history = History(workload, (0, 1, 2, 3))  # type: ignore[arg-type]
    return oracle.judge("scd2", history, semantics, sinks.put("duckdb", SCD2, table(rows, SCD2)))


@pytest.mark.parametrize(
    ("versions", "anomalies", "columns"),
    [
        ([("a", 1, 2), ("b", 2, 3), ("c", 4, None)], {}, set()),
        ([("c", 4, None), ("b", 2, 3), ("a", 1, 2)], {}, set()),
        ([("a", 1, 2), ("b", 2, 4), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # delete was not seen
        ([("a", 1, 2), ("b", 2, None), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # never closed
        ([("a", 1, 3), ("b", 2, 3), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # overlap
        ([("a", 1, 2), ("b", 3, 3), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"to_ts"}),  # gap
        (
            [("a", 2, 1), ("b", 2, 3), ("c", 4, None)],
            {Anomaly.CORRUPT: 1},
            {"to_ts"},
        ),  # ends before it begins
        ([("a", 1, 2), ("b", 2, 3)], {Anomaly.LOST: 1}, set()),
        ([("b", 2, 3), ("c", 4, None)], {Anomaly.LOST: 1}, set()),
        ([("a", None, 2), ("b", 2, 3), ("c", 4, None)], {Anomaly.CORRUPT: 1}, {"from_ts", "to_ts"}),
        ([("a", 1, 2), ("b", 2, 3), ("c", 4, None), ("c", 4, None)], {Anomaly.DUPLICATE: 1}, set()),
    ],
)
def test_history_is_judged_by_openness_contiguity_and_order(
    versions: list[tuple[str, int | None, int | None]],
    anomalies: dict[Anomaly, int],
    columns: set[str],
    sinks: Sinks,
    oracle: Oracle,
) -> None:
    judgement = _scd2(oracle, sinks, versions)
    assert judgement.anomalies == anomalies
    assert set(judgement.columns) == columns
    assert judgement.outcome is (Outcome.FAILED if anomalies else Outcome.PASSED)


def test_versions_in_the_wrong_order_are_corrupt(sinks: Sinks, oracle: Oracle) -> None:
    """The same rows, equally open and contiguous; only the order in which they begin is wrong."""
    base = ROWS[0]
    rounds = [Round(updates=[{**base, "note": note}]) for note in ("b", "c")]
    history = History(FakeWorkload([{**base, "note": "a"}], rounds), (0, 1, 2))  # type: ignore[arg-type]
    semantics = Semantics(Strategy.SCD2, scd2_columns=("from_ts", "to_ts"))

    def judged(notes: str) -> RowJudgement:
        rows = [
            {**base, "note": note, "from_ts": _at(day), "to_ts": _at(day + 1 if day < 3 else None)}
            for day, note in enumerate(notes, 1)
        ]
        return oracle.judge("scd2", history, semantics, sinks.put("duckdb", SCD2, table(rows, SCD2)))

    assert judged("abc").outcome is Outcome.PASSED
    judgement = judged("bac")
    assert judgement.anomalies == {Anomaly.CORRUPT: 2}
    assert judgement.columns == {"from_ts": 2}
    assert judgement.outcome is Outcome.FAILED


def test_two_slices_of_one_replace(sinks: Sinks, oracle: Oracle, workload: FakeWorkload) -> None:
    """Rows outside the second slice must have stayed."""
    options = tuple(
        LoadOptions(partition_from=f"2024-06-0{low}", partition_to=f"2024-06-0{low + 2}") for low in (1, 3)
    )
    history = History(workload, (0, 0), options)  # type: ignore[arg-type]
    kept = sinks.put("duckdb", SPEC, table(ROWS[:4]))
    assert oracle.judge("r", history, Semantics(Strategy.REPLACE), kept).outcome is Outcome.PASSED
    wiped = sinks.put("duckdb", SPEC, table(ROWS[2:4]))
    assert oracle.judge("r", history, Semantics(Strategy.REPLACE), wiped).anomalies == {Anomaly.LOST: 2}
