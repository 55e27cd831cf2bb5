"""Which columns the sink must show, and with which values, when the source's schema drifted.

The declared :class:`DriftBehaviour` is applied to the states of the schema that loads saw; a row shows
the columns of the schema at the load that wrote it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import DriftBehaviour
from certification_pipeline.harness.oracle.model.source_log import Layout
from certification_pipeline.harness.workload.spec import LogicalType


@dataclass(frozen=True, slots=True)
class Field:
    """One column the sink must show. ``value`` is SQL over the log (``l``) and the state (``s``).

    ``variant_of``: the engine names this column itself; it starts with the name of that column.
    ``unless``: SQL condition for rows in which any value is right.
    """

    name: str
    type: LogicalType
    value: str
    image: str
    """The column in an arbitrary image of the row, for telling stale values; SQL over the log (``l``)."""
    variant_of: str | None = None
    unless: str | None = None


@dataclass(frozen=True, slots=True)
class Projection:
    """All columns the sink must show; ``tolerated`` ones may be there or not and are not judged."""

    fields: tuple[Field, ...]
    tolerated: frozenset[str] = frozenset()


def project(
    layouts: Sequence[Layout], behaviour: DriftBehaviour | None, redelivers: Sequence[int] = ()
) -> Projection:
    """``layouts``: the schema at each load, in order; not empty.

    ``redelivers``: for a strategy that selects rows again which an earlier load took already (ties with the
    high-water mark, NULL cursors), the round each load saw.
    """
    last = layouts[-1]
    if all(layout.slots == last.slots for layout in layouts):
        return _plain(last)
    match behaviour:
        case DriftBehaviour.KEPT:
            return _kept(layouts, redelivers)
        case DriftBehaviour.IGNORED:
            return _ignored(layouts)
        case DriftBehaviour.NEW_COLUMN:
            return _new_column(layouts)
        case _:  # applied; and 'stops', where no load after the drift may have succeeded
            return _plain(last)


def _plain(layout: Layout) -> Projection:
    return Projection(tuple(_field(layout, name) for name in layout.spec.column_names))


def _field(layout: Layout, name: str) -> Field:
    value = f"l.{layout.slot(name)}"
    return Field(name, layout.spec.column(name).type, value, value)


def _kept(layouts: Sequence[Layout], redelivers: Sequence[int]) -> Projection:
    """Columns of every schema seen; a row has NULL where the schema of its load had no such column.

    A row that was only delivered again, unchanged, may have been written again or left alone: in it the
    columns of the drift, old and new, may be as either leaves them.
    """
    last = layouts[-1]
    fields = []
    for name in _all_names(layouts):
        holder = last if name in last.slots else next(la for la in reversed(layouts) if name in la.slots)
        if all(layout.slots.get(name) == last.slots.get(name) for layout in layouts):
            fields.append(_field(last, name))
            continue
        cases = " ".join(
            f"WHEN s.load = {load} THEN l.{layout.slot(name)}"
            for load, layout in enumerate(layouts)
            if layout.slots.get(name) == holder.slots[name]
        )
        again = " OR ".join(
            f"(s.load = {load} AND l.round <= {redelivers[load - 1]})" for load in range(1, len(redelivers))
        )
        value = f"CASE {cases} END"
        image = f"l.{holder.slot(name)}"
        fields.append(Field(name, holder.spec.column(name).type, value, image, unless=again or None))
    return Projection(tuple(fields))


def _ignored(layouts: Sequence[Layout]) -> Projection:
    """What drifted is not judged, except that an added column must not come along.

    A column that merely narrowed is judged as its old type: whatever the source may hold now still fits.
    """
    first, last = layouts[0], layouts[-1]
    fields = []
    for name in first.spec.column_names:
        if first.slots[name] == last.slots.get(name):
            fields.append(_field(last, name))
        elif name in last.slots and _narrowed(first.spec.column(name).type, last.spec.column(name).type):
            cases = " ".join(f"WHEN s.load = {i} THEN l.{la.slot(name)}" for i, la in enumerate(layouts))
            fields.append(
                Field(name, first.spec.column(name).type, f"CASE {cases} END", f"l.{last.slot(name)}")
            )
    return Projection(tuple(fields), frozenset(first.slots) - {field.name for field in fields})


_INTEGERS = (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64)
"""Narrowest first; a number is spelt the same in all of them."""


def _narrowed(old: LogicalType, new: LogicalType) -> bool:
    return {old, new} <= set(_INTEGERS) and _INTEGERS.index(new) < _INTEGERS.index(old)


def _new_column(layouts: Sequence[Layout]) -> Projection:
    """A retyped column keeps what it held; later values go to a column that the engine names."""
    first, last = layouts[0], layouts[-1]
    fields = []
    for name in _all_names(layouts):
        if name not in first.slots or name not in last.slots or first.slots[name] == last.slots[name]:
            holder = last if name in last.slots else first
            fields.append(_field(holder, name))
            continue
        before = ", ".join(str(i) for i, la in enumerate(layouts) if la.slots[name] == first.slots[name])
        old, new = first.slot(name), last.slot(name)
        is_before = f"s.load IN ({before})"
        fields.append(
            Field(name, first.spec.column(name).type, f"l.{old}", f"l.{old}", unless=f"NOT ({is_before})")
        )
        fields.append(
            Field(
                f"{name} (new type)",
                last.spec.column(name).type,
                f"CASE WHEN {is_before} THEN NULL ELSE l.{new} END",
                f"l.{new}",
                variant_of=name,
            )
        )
    return Projection(tuple(fields))


def _all_names(layouts: Sequence[Layout]) -> list[str]:
    return list(dict.fromkeys(itertools.chain.from_iterable(la.spec.column_names for la in layouts)))
