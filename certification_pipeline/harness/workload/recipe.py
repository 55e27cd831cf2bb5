"""What defines a workload, but for its size and seed: the table, how rows change, and the drift.

Knows nothing of values or of services.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.lifecycle import MAX_CHANGES, STANDARD, Pattern
from certification_pipeline.harness.workload.spec import Column, LogicalType, TableSpec


@dataclass(frozen=True, slots=True)
class Drift:
    """One schema change. It happens at the start of its round, before any row of the round.

    ``column`` is the name before the drift (for ``add``: the new column's name). ``new_type`` is set
    for ``add`` and for type changes, ``new_name`` for ``rename``.
    """

    kind: DriftKind
    column: str
    new_name: str | None = None
    new_type: LogicalType | None = None

    def apply_to(self, spec: TableSpec) -> TableSpec:
        """The table after the drift."""
        if self.kind is DriftKind.ADD:
            if self.new_type is None:
                raise ValueError("a drift 'add' needs new_type")
            return replace(spec, columns=(*spec.columns, Column(self.column, self.new_type, nullable=True)))
        spec.column(self.column)  # KeyError names a column that is not there
        columns = [self._changed(column) for column in spec.columns if not self._drops(column)]
        return replace(spec, columns=tuple(columns))

    def _drops(self, column: Column) -> bool:
        return self.kind is DriftKind.DROP and column.name == self.column

    def _changed(self, column: Column) -> Column:
        if column.name != self.column:
            return column
        return Column(
            name=self.new_name or column.name,
            type=self.new_type or column.type,
            nullable=column.nullable or self.kind is DriftKind.NULL,
        )


@dataclass(frozen=True, slots=True)
class Recipe:
    """What defines a workload, but for size and seed."""

    name: str
    spec: TableSpec
    changes: int = 2
    pattern: Pattern = STANDARD
    drift: Drift | None = None
    """Happens in round 1."""
    values_as: Mapping[str, LogicalType] | None = None
    """Columns whose values are drawn from a narrower type than the column has."""
    first_key: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.changes <= MAX_CHANGES:
            raise ValueError(f"workload {self.name}: changes must be 0 to {MAX_CHANGES}")

    def spec_after(self, index: int) -> TableSpec:
        """The table after round ``index``; 0 is the initial table."""
        return self.drift.apply_to(self.spec) if self.drift and index >= 1 else self.spec
