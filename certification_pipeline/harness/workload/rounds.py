"""A workload: the initial rows of a table and the change rounds after it, made on demand.

Knows nothing of services, engines or the oracle.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa

from certification_pipeline.harness.workload.images import DAYS, EPOCH, FIRST_DAY, WINDOW, Image
from certification_pipeline.harness.workload.lifecycle import CODE, CODES, MIN_ROWS, Category, Lifecycle
from certification_pipeline.harness.workload.recipe import Drift, Recipe
from certification_pipeline.harness.workload.spec import TableSpec
from certification_pipeline.harness.workload.values import Ints

__all__ = ["WORKLOAD_VERSION", "Change", "Drift", "Workload"]

WORKLOAD_VERSION = 1
"""Raise it with every change of generated values: it is part of the names of cached source tables."""

_MATERIALIZED_CELLS = 1_250_000
"""Initial rows x columns up to which a workload keeps what it made (50 000 rows of ``standard``)."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change round, with whole new images of rows. Apply: drift, inserts, updates, deletes."""

    index: int
    spec: TableSpec
    """The table after this round's drift."""
    drift: Drift | None
    inserts: pa.Table
    updates: pa.Table
    deletes: pa.Table
    """Primary key columns only."""
    keys: Mapping[Category, pa.Table]
    """Primary keys by category; only categories that occur in this round."""


class Workload:
    """A deterministic table with its change rounds. Immutable; safe to share between threads."""

    def __init__(self, recipe: Recipe, rows: int, seed: int) -> None:
        if rows != 0 and rows < MIN_ROWS:
            raise ValueError(f"workload {recipe.name}: rows must be 0 or at least {MIN_ROWS}, not {rows}")
        if recipe.spec.primary_key != ("id",):
            raise ValueError(f"workload {recipe.name}: the primary key must be the one column 'id'")
        self.recipe = recipe
        self.name = recipe.name
        self.spec = recipe.spec
        self.table_name = recipe.spec.name
        self.rows = rows
        self.seed = seed
        self.changes = recipe.changes
        self.lifecycle = Lifecycle(rows, recipe.pattern)
        self._lock = threading.Lock()
        self._made: dict[int, Change] = {}

    def __repr__(self) -> str:
        return f"Workload({self.name!r}, rows={self.rows}, seed={self.seed})"

    @property
    def identity(self) -> str:
        """Equal identities mean equal rows, on any machine."""
        return f"{self.name}_{self.rows}_{self.seed}_v{WORKLOAD_VERSION}"

    def initial(self, batch_rows: int = 50_000) -> Iterator[pa.RecordBatch]:
        """The initial rows in key order, streamed; no batch at all when there are no rows."""
        if batch_rows < 1:
            raise ValueError(f"batch_rows must be positive, not {batch_rows}")
        if self._small:
            yield from self._initial_table.to_batches(max_chunksize=batch_rows)
            return
        for start in range(0, self.rows, batch_rows):
            yield self._initial_batch(start, min(start + batch_rows, self.rows))

    def change(self, index: int) -> Change:
        """Round ``index`` (1, 2, … :attr:`changes`); needs no earlier round. Kept for small tables."""
        if not 1 <= index <= self.changes:
            raise ValueError(f"workload {self.name} has rounds 1 to {self.changes}, not {index}")
        if not self._small:
            return self._make_change(index)
        with self._lock:
            if index not in self._made:
                self._made[index] = self._make_change(index)
            return self._made[index]

    def spec_after(self, index: int) -> TableSpec:
        """The table after round ``index``; 0 is the initial table."""
        return self.recipe.spec_after(index)

    def high_water(self, index: int) -> dt.datetime:
        """The greatest cursor among the rows of round ``index`` (0: the initial rows)."""
        return EPOCH + WINDOW * (index + 1) - dt.timedelta(microseconds=1)

    @property
    def partition_days(self) -> tuple[dt.date, ...]:
        """Ordinary partition dates, ascending; rows are spread evenly over them."""
        return tuple(FIRST_DAY + dt.timedelta(days=day) for day in range(DAYS))

    @property
    def vanishing_day(self) -> dt.date | None:
        """The partition whose rows round 1 deletes to the last; ``None`` where a workload has none."""
        return FIRST_DAY + dt.timedelta(days=DAYS) if self.recipe.pattern.deletes and self.rows else None

    @property
    def _small(self) -> bool:
        return self.rows * len(self.spec.columns) <= _MATERIALIZED_CELLS

    # --- rows ---------------------------------------------------------------------------------------

    @cached_property
    def _initial_table(self) -> pa.Table:
        if self.rows == 0:
            return self.spec.arrow_schema().empty_table()
        return pa.Table.from_batches([self._initial_batch(0, self.rows)])

    def _initial_batch(self, start: int, stop: int) -> pa.RecordBatch:
        index = np.arange(start, stop, dtype=np.int64)
        codes = np.full(len(index), CODE[Category.INSERT], dtype=np.int64)
        return self._images(0, index, codes)

    def _make_change(self, number: int) -> Change:
        keys = self.lifecycle.round(number)
        spec = self.spec_after(number)
        by_category = {Category.DELETE: keys.deletes}
        for index, codes in ((keys.inserts, keys.insert_codes), (keys.updates, keys.update_codes)):
            by_category |= {CODES[code]: index[codes == code] for code in np.unique(codes)}
        return Change(
            index=number,
            spec=spec,
            drift=self.recipe.drift if number == 1 else None,
            inserts=pa.Table.from_batches([self._images(number, keys.inserts, keys.insert_codes)]),
            updates=pa.Table.from_batches([self._images(number, keys.updates, keys.update_codes)]),
            deletes=self._key_table(keys.deletes),
            keys={category: self._key_table(index) for category, index in by_category.items() if len(index)},
        )

    def _key_table(self, index: Ints) -> pa.Table:
        schema = pa.schema([pa.field("id", pa.int64(), nullable=False)])
        return pa.table([pa.array(index + self.recipe.first_key)], schema=schema)

    def _images(self, number: int, index: Ints, codes: Ints) -> pa.RecordBatch:
        return Image(self.recipe, self.lifecycle, self.seed, number=number, index=index, codes=codes).batch()
