"""Rows as they are right after a round, and the clock and calendar of all workloads.

The clock is simple. Round ``n`` (0: the initial rows) owns the hour ``[EPOCH + n h, EPOCH + (n + 1) h)``;
ordinary cursors of the round lie inside it, and its high-water mark is the last microsecond. Only three
kinds of rows break that, on purpose: ties with the high-water mark of the round before, NULL cursors, and
late rows. A pair (key, cursor) names one version of a row only, except in the workload ``silent_updates``.

Knows nothing of services, engines or the oracle.
"""

from __future__ import annotations

import datetime as dt

import numpy as np
import pyarrow as pa

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.lifecycle import (
    CODE,
    CODES,
    RULES,
    Category,
    CursorRule,
    DataRule,
    Lifecycle,
)
from certification_pipeline.harness.workload.recipe import Recipe
from certification_pipeline.harness.workload.spec import ARROW_TYPES, Column, LogicalType
from certification_pipeline.harness.workload.values import Draws, Flags, Ints, NullRule, generate

EPOCH = dt.datetime(2024, 6, 1, tzinfo=dt.UTC)
WINDOW = dt.timedelta(hours=1)
LATE = dt.timedelta(minutes=10)
"""How far (to within 3 ms) late rows are behind the high-water mark: a lookback of 15 minutes finds them."""
TOO_LATE = dt.timedelta(days=3)
"""How far rows are behind that no sensible lookback finds."""
FIRST_DAY = dt.date(2024, 5, 20)
DAYS = 10
"""Ordinary partitions: ten days from FIRST_DAY. Day 11 vanishes in round 1; round n adds day 11 + n."""

_US = dt.timedelta(microseconds=1)
_EPOCH_US = (EPOCH - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // _US
_WINDOW_US, _LATE_US, _TOO_LATE_US = WINDOW // _US, LATE // _US, TOO_LATE // _US
_FIRST_DAY_NUMBER = (FIRST_DAY - dt.date(1970, 1, 1)).days


class Image:
    """The rows ``index`` right after round ``number`` treated them as the category ``codes`` say."""

    def __init__(
        self, recipe: Recipe, lifecycle: Lifecycle, seed: int, *, number: int, index: Ints, codes: Ints
    ) -> None:
        self.recipe, self.lifecycle, self.seed = recipe, lifecycle, seed
        self.number, self.index, self.codes = number, index, codes
        self.birth = self.lifecycle.birth(index)
        self.reborn = codes == CODE[Category.REINSERT]
        self.cursor_rules = np.array([RULES[c][0].value if c in RULES else 0 for c in CODES])[codes]
        self.data_rules = np.array([RULES[c][1].value if c in RULES else 0 for c in CODES])[codes]
        columns = recipe.spec.columns
        special = {*recipe.spec.primary_key, recipe.spec.cursor, recipe.spec.partition}
        self.data_columns = [column.name for column in columns if column.name not in special]

    def batch(self) -> pa.RecordBatch:
        """Whole rows, in the shape the table has after the round's drift."""
        spec = self.recipe.spec_after(self.number)
        arrays = []
        for column in spec.columns:
            if column.name in spec.primary_key:
                arrays.append(pa.array(self.index + self.recipe.first_key))
            elif column.name == spec.cursor:
                arrays.append(self._cursor())
            elif column.name == spec.partition:
                arrays.append(self._partition())
            else:
                arrays.append(self._data(column))
        return pa.record_batch(arrays, schema=spec.arrow_schema())

    def _cursor(self) -> pa.Array:
        """The cursor column."""
        column = self.recipe.spec.column(str(self.recipe.spec.cursor))
        draws = self._draws(column.name, np.full(len(self.index), self.number))
        if self.number == 0:
            cursor, null = self._first_cursor(draws)
        else:
            before = _EPOCH_US + self.number * _WINDOW_US - 1  # the high-water mark of the round before
            jitter = 2 * (self.index % 1000)  # keeps late cursors odd, hence apart from ordinary ones
            cursor = self._ordinary(draws)
            for rule, values in (
                (CursorRule.HIGH_WATER, before + _WINDOW_US),
                (CursorRule.TIE, before),
                (CursorRule.LATE, before - _LATE_US - jitter),
                (CursorRule.TOO_LATE, before - _TOO_LATE_US - jitter),
            ):
                cursor = np.where(self.cursor_rules == rule.value, values, cursor)
            first, first_null = self._first_cursor(self._draws(column.name, np.zeros_like(self.index)), 0)
            keep = self.cursor_rules == CursorRule.KEEP.value
            cursor = np.where(keep, first, cursor)
            null = np.where(keep, first_null, self.cursor_rules == CursorRule.NULL.value)
        return pa.array(cursor, mask=null).cast(ARROW_TYPES[column.type])

    def _first_cursor(self, draws: Draws, number: int | None = None) -> tuple[Ints, Flags]:
        high = _EPOCH_US + _WINDOW_US - 1
        cursor = np.where(self.lifecycle.high_water(self.index), high, self._ordinary(draws, number))
        return cursor, self.lifecycle.null_cursor(self.index)

    def _ordinary(self, draws: Draws, number: int | None = None) -> Ints:
        """Cursors on an even grid inside the round's hour; about three rows share one."""
        number = self.number if number is None else number
        rows = self.lifecycle.rows if number == 0 else self.lifecycle.rows // 7
        distinct = self.recipe.pattern.distinct_cursors or max(1, rows // 3)
        step = _WINDOW_US // 2 // (distinct + 1) * 2
        return _EPOCH_US + number * _WINDOW_US + draws.below(0, distinct) * step

    def _partition(self) -> pa.Array:
        """The partition column: the day of birth, unless the row moves or is born again."""
        name = str(self.recipe.spec.partition)
        version = np.where(self.reborn, self.number, self.birth)
        draws = self._draws(name, version)
        day = draws.below(0, DAYS)
        day = np.where(self.lifecycle.new_partition(self.index) & ~self.reborn, DAYS + self.birth, day)
        day = np.where(self.lifecycle.lost_partition(self.index), DAYS, day)
        moves = self.codes == CODE[Category.UPDATE_PARTITION]
        day = np.where(moves, (day + 1 + draws.below(1, DAYS - 1)) % DAYS, day)
        return pa.array((day + _FIRST_DAY_NUMBER).astype(np.int32)).cast(pa.date32())

    def _data(self, column: Column) -> pa.Array:
        """Any other column, as its type is after this round's drift."""
        drift = self.recipe.drift if self.number >= 1 else None
        name = drift.column if drift and column.name == drift.new_name else column.name
        version = self._versions(name)
        if drift is None or name != drift.column:
            return self._generate(name, column.type, column.nullable, version)
        old = version < 1  # values written before the drift, as the ALTER TABLE left them
        new = self._generate(name, column.type, column.nullable, version)
        if drift.kind is DriftKind.ADD:
            past = pa.nulls(len(self.index), ARROW_TYPES[column.type])
        else:
            before = self.recipe.spec.column(name)
            past = self._generate(name, before.type, before.nullable, version).cast(ARROW_TYPES[column.type])
        picks = np.arange(len(self.index)) + np.where(old, len(self.index), 0)
        return pa.concat_arrays([new, past]).take(pa.array(picks))

    def _generate(self, name: str, logical: LogicalType, nullable: bool, version: Ints) -> pa.Array:
        narrower = (self.recipe.values_as or {}).get(name)
        drawn = narrower if narrower and logical is self.recipe.spec.column(name).type else logical
        values = generate(
            drawn,
            self._draws(name, version),
            self.lifecycle.slots(self.index, version),
            nullable=nullable,
            nulls=self._null_rule(version),
        )
        return values if drawn is logical else values.cast(ARROW_TYPES[logical])

    def _null_rule(self, version: Ints) -> NullRule:
        written = version == self.number
        born = (version == 0) & self.lifecycle.born_null(self.index)
        return NullRule(
            always=born | (written & (self.data_rules == DataRule.TO_NULL.value)),
            never=written & (self.data_rules == DataRule.FROM_NULL.value),
        )

    def _versions(self, name: str) -> Ints:
        """The round that last wrote this column of each row."""
        version = np.where(self.data_rules == DataRule.KEEP.value, self.birth, self.number)
        if self.number == 0:
            return version
        count = len(self.data_columns)
        one = self.data_rules == DataRule.ONE.value
        if name not in self.data_columns or not one.any():  # an added column is not among those written alone
            return np.where(one, self.birth, version)
        # Round m writes, of a row that is updated one column at a time, column (m - 1 + place) % count.
        place = self.data_columns.index(name)
        behind = (self.number - 1 + self.index // 120 - place) % count
        last = self.number - behind
        return np.where(one, np.where(last > self.birth, last, self.birth), version)

    def _draws(self, name: str, version: Ints) -> Draws:
        return Draws(self.seed, name, self.index, version)
