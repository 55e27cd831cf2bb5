"""What the tests hold workloads against: a plain, row-by-row replay, and bit-exact comparison of values."""

from __future__ import annotations

import datetime as dt
import json
import struct
from decimal import Decimal
from typing import Any

import pyarrow as pa

from certification_pipeline.harness.workload.rounds import Change, Workload
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.harness.workload.tables import RECIPES

Row = dict[str, Any]


def initial_table(workload: Workload, batch_rows: int = 50_000) -> pa.Table:
    return pa.Table.from_batches(list(workload.initial(batch_rows)), workload.spec.arrow_schema())


def apply(rows: dict[int, Row], change: Change) -> None:
    """Apply a round by hand; fails when it touches keys it must not."""
    for row in change.inserts.to_pylist():
        assert row["id"] not in rows, f"round {change.index} inserts the live key {row['id']}"
        rows[row["id"]] = row
    for row in change.updates.to_pylist():
        assert row["id"] in rows, f"round {change.index} updates the absent key {row['id']}"
        rows[row["id"]] = row
    for key in change.deletes.column("id").to_pylist():
        assert key in rows, f"round {change.index} deletes the absent key {key}"
        del rows[key]


def after_drift(name: str, row: Row) -> Row:
    """What the drift makes of an old row."""
    drift = RECIPES[name].drift
    assert drift is not None
    row = dict(row)
    match name:
        case "drift_add":
            row[drift.column] = None
        case "drift_drop":
            del row[drift.column]
        case "drift_rename":
            row[str(drift.new_name)] = row.pop(drift.column)
        case "drift_retype":
            row[drift.column] = None if row[drift.column] is None else str(row[drift.column])
        case "drift_widen_decimal":
            row[drift.column] = None if row[drift.column] is None else Decimal(row[drift.column])
    return row


def exact(value: Any) -> Any:
    """A value such that ``==`` means equal to the bit: NaN equals NaN, -0.0 differs from 0.0, 1 from True."""
    if isinstance(value, float):
        return "float", struct.pack(">d", value)
    if isinstance(value, list):
        return [exact(item) for item in value]
    if isinstance(value, dt.datetime) and value.tzinfo:
        return "instant", value.astimezone(dt.UTC).replace(tzinfo=None)
    if isinstance(value, Decimal):
        return "decimal", value
    return type(value).__name__, value


def exact_rows(rows: list[Row]) -> list[dict[str, Any]]:
    return [{name: exact(value) for name, value in row.items()} for row in rows]


def parsed_json(text: str | None) -> Any:
    return None if text is None else json.loads(text, parse_float=Decimal, parse_int=int)


def columns_of(workload: Workload, logical: LogicalType) -> list[str]:
    """Data columns of that type: neither key, cursor nor partition."""
    spec = workload.spec
    special = {*spec.primary_key, spec.cursor, spec.partition}
    return [c.name for c in spec.columns if c.type is logical and c.name not in special]
