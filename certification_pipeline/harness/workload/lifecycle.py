"""Which key lives when, and what happens to it in which round: closed formulas, no history kept.

A key is known by its *index* (0, 1, 2 …). Its class, ``index % 40``, decides its fate, so that any
round can be made without the rounds before it, and so that every key's earlier states are known:

========== ================================================================ =====================
class      what happens to its keys                                         share of the table
========== ================================================================ =====================
0          updated in every round                                           2.5 %
n          updated in round n only: cursor ties, NULL cursors, late rows    2.5 % a round
10 + n     updated in round n only: to NULL, from NULL, partition moved     2.5 % a round
20 + n     updated in round n - 1, deleted in round n, never back           2.5 % a round
30 + n     deleted in round n, inserted again in round n + 1                2.5 % a round
39         never touched; in the initial rows it carries the high-water mark
9, 19, 20  never touched
========== ================================================================ =====================

Each round also inserts new keys, 5 % of the initial rows; they have classes like all others.

Knows nothing of columns, values or services.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, StrEnum, auto

import numpy as np

from certification_pipeline.harness.workload.edges import EDGE_SLOTS
from certification_pipeline.harness.workload.values import Flags, Ints

CLASSES = 40
_NULLS, _LEAVING, _RETURNING = 10, 20, 30
"""Where the classes of round n begin; see the table above."""
MAX_CHANGES = 8
"""Rounds 1..8 have classes of their own."""
MIN_ROWS = EDGE_SLOTS
"""A smaller table has no room for the edge values; from 120 rows on every category is in every round."""
EDGE_BLOCK = 10_000
"""Edge values are planted again at the start of each block of so many rows."""


class Category(StrEnum):
    """Why a row is in a change round; scenarios and tests ask for rows by it."""

    INSERT = "insert"
    INSERT_HIGH_WATER = "insert_high_water"
    """Carries the round's greatest cursor."""
    INSERT_TIE = "insert_tie"
    """Its cursor equals the high-water mark of the round before."""
    INSERT_NULL_CURSOR = "insert_null_cursor"
    INSERT_LATE = "insert_late"
    """Behind the high-water mark by :data:`LATE_US`."""
    INSERT_TOO_LATE = "insert_too_late"
    """Behind the high-water mark by :data:`TOO_LATE_US`."""
    REINSERT = "reinsert"
    """A key that the round before deleted."""
    UPDATE_ALL = "update_all"
    UPDATE_ONE_COLUMN = "update_one_column"
    UPDATE_CURSOR_ONLY = "update_cursor_only"
    UPDATE_TO_NULL = "update_to_null"
    UPDATE_FROM_NULL = "update_from_null"
    UPDATE_PARTITION = "update_partition"
    """The row moves to another partition date."""
    UPDATE_TIE = "update_tie"
    UPDATE_NULL_CURSOR = "update_null_cursor"
    UPDATE_LATE = "update_late"
    UPDATE_TOO_LATE = "update_too_late"
    UPDATE_SILENT = "update_silent"
    """Data change, the cursor does not. In the workload ``silent_updates`` only."""
    DELETE = "delete"


class CursorRule(Enum):
    """What a category does to the cursor."""

    WINDOW = auto()
    HIGH_WATER = auto()
    TIE = auto()
    NULL = auto()
    LATE = auto()
    TOO_LATE = auto()
    KEEP = auto()


class DataRule(Enum):
    """What a category does to all columns but key, cursor and partition."""

    ALL = auto()
    ONE = auto()
    KEEP = auto()
    TO_NULL = auto()
    FROM_NULL = auto()


RULES: dict[Category, tuple[CursorRule, DataRule]] = {
    Category.INSERT: (CursorRule.WINDOW, DataRule.ALL),
    Category.INSERT_HIGH_WATER: (CursorRule.HIGH_WATER, DataRule.ALL),
    Category.INSERT_TIE: (CursorRule.TIE, DataRule.ALL),
    Category.INSERT_NULL_CURSOR: (CursorRule.NULL, DataRule.ALL),
    Category.INSERT_LATE: (CursorRule.LATE, DataRule.ALL),
    Category.INSERT_TOO_LATE: (CursorRule.TOO_LATE, DataRule.ALL),
    Category.REINSERT: (CursorRule.WINDOW, DataRule.ALL),
    Category.UPDATE_ALL: (CursorRule.WINDOW, DataRule.ALL),
    Category.UPDATE_ONE_COLUMN: (CursorRule.WINDOW, DataRule.ONE),
    Category.UPDATE_CURSOR_ONLY: (CursorRule.WINDOW, DataRule.KEEP),
    Category.UPDATE_TO_NULL: (CursorRule.WINDOW, DataRule.TO_NULL),
    Category.UPDATE_FROM_NULL: (CursorRule.WINDOW, DataRule.FROM_NULL),
    Category.UPDATE_PARTITION: (CursorRule.WINDOW, DataRule.KEEP),
    Category.UPDATE_TIE: (CursorRule.TIE, DataRule.ALL),
    Category.UPDATE_NULL_CURSOR: (CursorRule.NULL, DataRule.ALL),
    Category.UPDATE_LATE: (CursorRule.LATE, DataRule.ALL),
    Category.UPDATE_TOO_LATE: (CursorRule.TOO_LATE, DataRule.ALL),
    Category.UPDATE_SILENT: (CursorRule.KEEP, DataRule.ALL),
}
CODES: tuple[Category, ...] = tuple(Category)
CODE: dict[Category, int] = {category: code for code, category in enumerate(CODES)}


@dataclass(frozen=True, slots=True)
class Pattern:
    """How a workload deals categories and cursors; the defaults are the workload ``standard``."""

    repeat: tuple[Category, ...] = (
        Category.UPDATE_ALL,
        Category.UPDATE_ONE_COLUMN,
        Category.UPDATE_CURSOR_ONLY,
    )
    fresh: tuple[Category, ...] = (Category.UPDATE_NULL_CURSOR, Category.UPDATE_TIE, Category.UPDATE_LATE)
    nulls: tuple[Category, ...] = (
        Category.UPDATE_TO_NULL,
        Category.UPDATE_PARTITION,
        Category.UPDATE_FROM_NULL,
    )
    doomed: tuple[Category, ...] = (Category.UPDATE_TOO_LATE, Category.UPDATE_ALL)
    inserts: tuple[Category, ...] = (
        Category.INSERT,
        Category.INSERT_TIE,
        Category.INSERT_NULL_CURSOR,
        Category.INSERT_LATE,
        Category.INSERT_TOO_LATE,
        *(Category.INSERT,) * 15,
    )
    deletes: bool = True
    null_classes: tuple[int, ...] = (9, 11, 21, 29, 31)
    null_every: int = 5
    high_water_from_class: int = 39
    distinct_cursors: int | None = None
    """How many different cursors a round has beside the special ones; ``None``: a third of its rows."""


STANDARD = Pattern()
CURSOR_TIES = Pattern(
    fresh=(Category.UPDATE_TIE,),
    inserts=(Category.INSERT, Category.INSERT_TIE),
    high_water_from_class=20,  # half of the initial rows share the high-water mark
    distinct_cursors=3,
)
NULL_CURSOR = Pattern(
    fresh=(Category.UPDATE_NULL_CURSOR,),
    inserts=(Category.INSERT, Category.INSERT_NULL_CURSOR),
    null_classes=(9, *range(11, 20), 29, *range(31, 39)),
    null_every=1,
)
PUNCTUAL = Pattern(
    fresh=(Category.UPDATE_TIE,),
    doomed=(Category.UPDATE_ALL,),
    inserts=(Category.INSERT, Category.INSERT_TIE),
)
LATE = Pattern(
    fresh=(Category.UPDATE_LATE, Category.UPDATE_TOO_LATE),
    doomed=(Category.UPDATE_LATE, Category.UPDATE_ALL),
    inserts=(Category.INSERT, Category.INSERT_LATE, Category.INSERT_TOO_LATE),
    null_classes=(),
)
OUT_OF_ORDER = Pattern(
    fresh=(Category.UPDATE_LATE,),
    doomed=(Category.UPDATE_LATE, Category.UPDATE_ALL),
    inserts=(Category.INSERT, Category.INSERT_LATE, Category.INSERT_LATE),
    null_classes=(),
)
PLAIN = Pattern(
    fresh=(Category.UPDATE_ALL,),
    doomed=(Category.UPDATE_ALL,),
    inserts=(Category.INSERT,),
    null_classes=(),
)
"""Nothing ties, comes late or has no cursor: what goes wrong here, a disturbance did."""
SILENT = Pattern(nulls=(Category.UPDATE_SILENT,))
NO_DELETES = Pattern(deletes=False)


@dataclass(frozen=True, slots=True)
class RoundKeys:
    """Key indices of one round, with the category code of each inserted or updated row."""

    inserts: Ints
    insert_codes: Ints
    updates: Ints
    update_codes: Ints
    deletes: Ints


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The fate of every key of a table that starts with ``rows`` rows."""

    rows: int
    pattern: Pattern = STANDARD

    @property
    def inserts_per_round(self) -> int:
        """New keys a round: 5 % of the initial rows."""
        return self.rows // 20

    def population(self, number: int) -> int:
        """How many indices exist after round ``number`` (deleted ones included)."""
        return self.rows + number * self.inserts_per_round

    def birth(self, index: Ints) -> Ints:
        """The round that first inserted each index; 0 for the initial rows."""
        return np.where(index < self.rows, 0, 1 + (index - self.rows) // max(1, self.inserts_per_round))

    def slots(self, index: Ints, version: Ints) -> Ints:
        """Which edge value each version of each row carries, -1 for none."""
        place = np.where(index < self.rows, index % EDGE_BLOCK, self._nth(index))
        place = np.where(version == self.birth(index), place, (index // CLASSES) % (EDGE_BLOCK // CLASSES))
        return np.where(place < EDGE_SLOTS, place, -1)

    def born_null(self, index: Ints) -> Flags:
        """Initial rows with NULL in every nullable column: those that ``UPDATE_FROM_NULL`` fills later."""
        kind = index % CLASSES - _NULLS
        filled = self._deal(self.pattern.nulls, index // CLASSES) == CODE[Category.UPDATE_FROM_NULL]
        return np.asarray((index < self.rows) & (kind >= 1) & (kind <= MAX_CHANGES) & filled)

    def null_cursor(self, index: Ints) -> Flags:
        """Initial rows whose cursor is NULL."""
        chosen = np.isin(index % CLASSES, self.pattern.null_classes)
        return np.asarray(chosen & ((index // CLASSES) % self.pattern.null_every == 0))

    def high_water(self, index: Ints) -> Flags:
        """Initial rows that carry the greatest cursor; with a NULL cursor, NULL wins."""
        return np.asarray(index % CLASSES >= self.pattern.high_water_from_class)

    def lost_partition(self, index: Ints) -> Flags:
        """Initial rows of the partition that vanishes whole in round 1."""
        leaves = (index < self.rows) & (index % CLASSES == _LEAVING + 1) & self.pattern.deletes
        return np.asarray(leaves & (index // CLASSES % 2 == 0))

    def new_partition(self, index: Ints) -> Flags:
        """Rows inserted in a later round that open a partition of their own."""
        return np.asarray((index >= self.rows) & (self._nth(index) % 5 == 0))

    def round(self, number: int) -> RoundKeys:
        """All keys of one round. A key occurs at most once; updates and deletes meet live keys only."""
        before, after = self.population(number - 1), self.population(number)
        fresh = np.arange(before, after, dtype=np.int64)
        codes = self._deal(self.pattern.inserts, self._nth(fresh))
        if number > 1 and self.pattern.deletes:
            back = self._members(_RETURNING + number - 1, self.population(number - 2))
        else:
            back = np.empty(0, dtype=np.int64)
        insert_codes = np.concatenate([codes, np.full(len(back), CODE[Category.REINSERT], dtype=np.int64)])
        insert_codes[:1] = CODE[Category.INSERT_HIGH_WATER]
        deletes = [self._members(_LEAVING + number, before), self._members(_RETURNING + number, before)]
        updates, update_codes = self._updates(number)
        return RoundKeys(
            inserts=np.concatenate([fresh, back]),
            insert_codes=insert_codes,
            updates=updates,
            update_codes=update_codes,
            deletes=np.concatenate(deletes) if self.pattern.deletes else np.empty(0, dtype=np.int64),
        )

    def _updates(self, number: int) -> tuple[Ints, Ints]:
        before = self.population(number - 1)
        pattern = self.pattern
        deals = {
            0: pattern.repeat,
            number: pattern.fresh,
            _NULLS + number: pattern.nulls,
            _LEAVING + number + 1: pattern.doomed,
        }
        members = [self._members(kind, before) for kind in deals]
        codes = [
            self._deal(deal, index // CLASSES) for deal, index in zip(deals.values(), members, strict=True)
        ]
        index, code = np.concatenate(members), np.concatenate(codes)
        # A later-born key may already have had this very cursor: (key, cursor) must name one version only.
        bound = [CODE[Category.UPDATE_TIE], CODE[Category.UPDATE_NULL_CURSOR], CODE[Category.UPDATE_SILENT]]
        code = np.where((index >= self.rows) & np.isin(code, bound), CODE[Category.UPDATE_ALL], code)
        return index, code

    def _nth(self, index: Ints) -> Ints:
        """Place of a later-born index among the keys born in the same round."""
        return np.asarray((index - self.rows) % max(1, self.inserts_per_round))

    @staticmethod
    def _members(kind: int, population: int) -> Ints:
        return np.arange(kind, population, CLASSES, dtype=np.int64)

    @staticmethod
    def _deal(categories: tuple[Category, ...], place: Ints) -> Ints:
        codes = np.array([CODE[category] for category in categories], dtype=np.int64)
        return np.asarray(codes[place % len(codes)])
