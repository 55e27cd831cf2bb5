"""The one schema-evolution planner: pure, shared by all sinks (seed 002, schema evolution guidance).

Dialects introspect tables into :class:`~.schema.Column` and render the steps; nothing here knows SQL.
Rules: a column new at the source is added, NULL allowed; one that is gone from the source is kept and
gets NULL; a wider type is followed; for a narrower one the sink's wider type stays; NOT NULL is relaxed,
never imposed; a rename is an added and a kept column. Anything else breaks readers and is never
automatic: the plan is a refusal, unless ``new_column`` is configured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import RESERVED_PREFIX, Column, ColumnType, decimal_params


@dataclass(frozen=True, slots=True)
class AddColumn:
    """Add a column, NULL allowed."""

    column: Column


@dataclass(frozen=True, slots=True)
class WidenColumn:
    """Change a column's type to one that holds every value of the old one."""

    name: str
    type: ColumnType


@dataclass(frozen=True, slots=True)
class RelaxColumn:
    """Drop a NOT NULL."""

    name: str


Step = AddColumn | WidenColumn | RelaxColumn


@dataclass(frozen=True, slots=True)
class Mapping:
    """Where a source column goes."""

    source: Column
    target: Column


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do to the sink's table before rows are written, and how columns map.

    ``kept`` are sink columns without a source: rows written from now on have NULL there. ``untouched`` are
    sink columns whose values moved to a new column: an update leaves them as they are.
    """

    mappings: tuple[Mapping, ...]
    steps: tuple[Step, ...] = ()
    kept: tuple[str, ...] = ()
    untouched: tuple[str, ...] = ()


_INTEGERS = (LogicalType.INT16, LogicalType.INT32, LogicalType.INT64)
_DIGITS = {LogicalType.INT16: 5, LogicalType.INT32: 10, LogicalType.INT64: 19}


def widens(narrow: ColumnType, wide: ColumnType) -> bool:
    """Whether ``wide`` holds every value of ``narrow`` without changing its meaning (and they differ)."""
    match narrow.kind, wide.kind:
        case None, _:
            return False
        case _ if narrow == wide:
            return False
        case LogicalType.TEXT, LogicalType.TEXT:
            return not wide.params or (bool(narrow.params) and narrow.params[0] < wide.params[0])
        case number, LogicalType.DECIMAL if number is LogicalType.DECIMAL or number in _INTEGERS:
            return _fits(narrow, wide)
        case small, large if small in _INTEGERS and large in _INTEGERS:
            return _INTEGERS.index(small) < _INTEGERS.index(large)
    return False


def _fits(number: ColumnType, wide: ColumnType) -> bool:
    """Whether a decimal type has room for every integer or decimal of another type."""
    if not wide.params or (number.kind is LogicalType.DECIMAL and not number.params):
        return not wide.params
    whole, scale = _places(number)
    wide_whole, wide_scale = _places(wide)
    return whole <= wide_whole and scale <= wide_scale


def _places(kind: ColumnType) -> tuple[int, int]:
    """Digits before and after the point."""
    if kind.kind in _DIGITS:
        return _DIGITS[kind.kind], 0
    precision, scale = decimal_params(kind)
    return precision - scale, scale


def follow(source: tuple[Column, ...], fold: Callable[[str], str]) -> Plan:
    """The plan for a table that is made anew: exactly the source's columns."""
    _refuse_names(source, fold)
    return Plan(tuple(Mapping(column, column) for column in source))


def plan(
    source: tuple[Column, ...],
    sink: tuple[Column, ...],
    on_type_change: Literal["stop", "new_column"],
    fold: Callable[[str], str],
    keys: frozenset[str] = frozenset(),
) -> Plan:
    """Compare and decide; raises :class:`LoadError` ``schema`` for what must not happen by itself.

    ``sink`` is without columns the strategy itself adds. ``fold`` is how the sink compares names. ``keys``
    are columns rows are identified by: their type may widen, never move to another column.
    """
    _refuse_names(source, fold)
    there = {fold(column.name): column for column in sink}
    mappings: list[Mapping] = []
    steps: list[Step] = []
    untouched: list[str] = []
    for column in source:
        found = there.get(fold(column.name))
        if found is None:
            added = column.as_nullable()
            steps.append(AddColumn(added))
            mappings.append(Mapping(column, added))
            continue
        target = found
        if not (column.type.same_as(found.type) or widens(column.type, found.type)):
            if widens(found.type, column.type):
                target = Column(found.name, column.type, found.nullable)
                steps.append(WidenColumn(found.name, column.type))
            elif on_type_change == "new_column" and column.name not in keys:
                target = Column(f"{column.name}__{_suffix(column.type)}", column.type)
                untouched.append(found.name)
                if not found.nullable:
                    steps.append(RelaxColumn(found.name))
                steps += _new_column(target, there, fold)
                mappings.append(Mapping(column, target))
                continue
            else:
                raise LoadError(
                    FailureCategory.SCHEMA,
                    f"column {column.name!r} is {column.type} at the source and {found.type} in the sink: "
                    f"a breaking change is never automatic; convert the sink's column by hand"
                    + ("" if column.name in keys else ", or set on_type_change: new_column"),
                )
        if column.nullable and not found.nullable:
            steps.append(RelaxColumn(found.name))
            target = target.as_nullable()
        mappings.append(Mapping(column, target))
    taken = {fold(mapping.target.name) for mapping in mappings} | {fold(name) for name in untouched}
    gone = [column for column in sink if fold(column.name) not in taken]
    steps += [RelaxColumn(column.name) for column in gone if not column.nullable]
    return Plan(tuple(mappings), tuple(steps), tuple(c.name for c in gone), tuple(untouched))


def _new_column(target: Column, there: dict[str, Column], fold: Callable[[str], str]) -> list[Step]:
    """Steps that make the column of the new type, unless an earlier run made it."""
    found = there.get(fold(target.name))
    if found is None:
        return [AddColumn(target)]
    if found.type.same_as(target.type):
        return []
    raise LoadError(
        FailureCategory.SCHEMA,
        f"column {target.name!r} is already in the sink with type {found.type}, not {target.type}: rename it",
    )


def _suffix(kind: ColumnType) -> str:
    return (
        str(kind.kind) if kind.kind is not None else "".join(c if c.isalnum() else "_" for c in kind.native)
    )


def _refuse_names(source: tuple[Column, ...], fold: Callable[[str], str]) -> None:
    seen: dict[str, str] = {}
    for column in source:
        if column.name.startswith(RESERVED_PREFIX):
            raise LoadError(
                FailureCategory.SCHEMA,
                f"column {column.name!r}: names beginning with {RESERVED_PREFIX} are reserved by the engine",
            )
        if (other := seen.setdefault(fold(column.name), column.name)) != column.name:
            raise LoadError(
                FailureCategory.SCHEMA,
                f"columns {other!r} and {column.name!r} are one name to the sink, which ignores case: "
                f"rename one of them at the source",
            )
