"""A workload made by hand, and the same strategies as the oracle's models, as naive Python."""

from __future__ import annotations

import datetime as dt
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from certification_pipeline.harness.workload.recipe import Drift
from certification_pipeline.harness.workload.spec import ARROW_TYPES, Column, LogicalType, TableSpec

Row = dict[str, Any]
_numbers = itertools.count()

SPEC = TableSpec(
    "fake",
    (
        Column("id", LogicalType.INT64, nullable=False),
        Column("updated_at", LogicalType.TIMESTAMPTZ),
        Column("business_date", LogicalType.DATE),
        Column("note", LogicalType.TEXT),
        Column("amount", LogicalType.FLOAT64),
    ),
)
EPOCH = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
FIRST_DAY = dt.date(2024, 5, 20)


def table(rows: Sequence[Row], spec: TableSpec = SPEC) -> pa.Table:
    return pa.Table.from_pylist(
        list(rows), schema=pa.schema([(c.name, ARROW_TYPES[c.type]) for c in spec.columns])
    )


@dataclass
class FakeChange:
    index: int
    spec: TableSpec
    drift: Drift | None
    inserts: pa.Table
    updates: pa.Table
    deletes: pa.Table


@dataclass
class Round:
    inserts: list[Row] = field(default_factory=list)
    updates: list[Row] = field(default_factory=list)
    deletes: list[int] = field(default_factory=list)
    drift: Drift | None = None


class FakeWorkload:
    """Shaped like ``harness.workload.rounds.Workload``."""

    def __init__(self, initial: Sequence[Row], rounds: Sequence[Round] = (), spec: TableSpec = SPEC) -> None:
        self.spec = spec
        self.identity = f"fake_{next(_numbers)}"
        self.first = list(initial)
        self.rounds = list(rounds)

    def initial(self, batch_rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        yield from table(self.first, self.spec).to_batches(max_chunksize=batch_rows)

    def spec_after(self, index: int) -> TableSpec:
        spec = self.spec
        for one in self.rounds[:index]:
            spec = one.drift.apply_to(spec) if one.drift else spec
        return spec

    def change(self, index: int) -> FakeChange:
        one = self.rounds[index - 1]
        spec = self.spec_after(index)
        keys = pa.table({"id": pa.array(one.deletes, pa.int64())})
        return FakeChange(index, spec, one.drift, table(one.inserts, spec), table(one.updates, spec), keys)

    def source_after(self, index: int) -> dict[int, Row]:
        """The source's rows, replayed by hand (rounds without drift)."""
        rows = {row["id"]: row for row in self.first}
        for one in self.rounds[:index]:
            rows |= {row["id"]: row for row in (*one.inserts, *one.updates)}
            for key in one.deletes:
                rows.pop(key, None)
        return rows
