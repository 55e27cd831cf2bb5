"""Columns that came, went or changed on the way."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, DriftBehaviour, Outcome, Strategy
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics, SinkView
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.spec import Column, LogicalType
from certification_pipeline.harness.workload.tables import build_workload

from .fake import table
from .sinks import Sinks


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
