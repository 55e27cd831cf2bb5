"""The vocabulary of strategy plans."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from certification_pipeline.reference.dialects.base import Dialect
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column

OP = f"{RESERVED_PREFIX}op"
"""Control column of a change stage: what the row's key needs."""
UPSERT, DELETE = "U", "D"
ORIGIN = f"{RESERVED_PREFIX}origin_"
"""Control columns: the key under which the row was last seen, to find values the log left out."""
UNCHANGED = f"{RESERVED_PREFIX}unchanged_"
"""Control columns: true where the log left the value out (PostgreSQL: unchanged TOAST)."""


class Reads(StrEnum):
    """Which rows a strategy asks the source for."""

    SNAPSHOT = "snapshot"
    SLICE = "slice"
    CURSOR = "cursor"
    XMIN = "xmin"
    CHANGES = "changes"
    DAYS = "days"


class Counts(StrEnum):
    """What a statement's row count means in the run record."""

    INSERTED = "inserted"
    UPDATED = "updated"
    DELETED = "deleted"
    VERSIONED = "versioned"
    """scd2: a version closed because a newer one follows; the newer one is in the inserted count too."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Statement:
    """One set-based statement over stage and target."""

    counts: Counts
    sql: str
    applies_deletes: bool = False
    """It acts on keys that are gone from the source."""


@dataclass(frozen=True, slots=True)
class Tables:
    """Everything a plan may speak about. Names are raw; ``target`` and ``stage`` are quoted and qualified."""

    dialect: Dialect
    target: str
    stage: str
    columns: tuple[Column, ...]
    """Staged data columns, named and typed as in the target."""
    keys: tuple[str, ...]
    kept: tuple[str, ...] = ()
    """Target columns that the source no longer has."""
    cursor: str | None = None
    partition: str | None = None
    slice_from: str | None = None
    slice_to: str | None = None
    now: str = ""
    """This run's instant, ISO, UTC, microseconds."""
    unchanged: tuple[str, ...] = ()
    """Staged columns with values the log left out."""

    @property
    def names(self) -> list[str]:
        """Staged data columns."""
        return [column.name for column in self.columns]

    @property
    def values(self) -> tuple[Column, ...]:
        """Staged data columns outside the key."""
        return tuple(column for column in self.columns if column.name not in self.keys)

    def match(self, left: str = "t.", right: str = "s.") -> str:
        """Same key; keys are never NULL."""
        quote = self.dialect.quote
        return " AND ".join(f"{left}{quote(key)} = {right}{quote(key)}" for key in self.keys)

    def absent(self, where: str = "") -> str:
        """No target row has the stage row's key (and ``where`` holds for it)."""
        return f"NOT EXISTS (SELECT 1 FROM {self.target} AS t WHERE {self.match()}{where})"

    def insert(self, where: str = "", extra: Sequence[tuple[str, str]] = ()) -> str:
        """INSERT from the stage; ``extra`` are (column, expression) beyond the staged ones."""
        columns = self.dialect.names([*self.names, *(name for name, _ in extra)])
        values = ", ".join([self.dialect.names(self.names, "s."), *(value for _, value in extra)])
        condition = f" WHERE {where}" if where else ""
        return f"INSERT INTO {self.target} ({columns}) SELECT {values} FROM {self.stage} AS s{condition}"


@dataclass(frozen=True, slots=True)
class StrategyPlan:
    """One strategy, declared."""

    reads: Reads
    write: Callable[[Tables], list[Statement]]
    swaps: bool = False
    """The stage becomes the target; the schema is the source's."""
    adds: tuple[Column, ...] = ()
    """Columns of the target that the strategy itself fills."""
    needs_key: bool = True
    needs_cursor: bool = False
    needs_partition: bool = False
