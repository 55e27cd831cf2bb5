"""The named workloads. One place that says what each table looks like and what happens to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.lifecycle import (
    CURSOR_TIES,
    LATE,
    MAX_CHANGES,
    NO_DELETES,
    NULL_CURSOR,
    OUT_OF_ORDER,
    PLAIN,
    PUNCTUAL,
    SILENT,
)
from certification_pipeline.harness.workload.recipe import Drift, Recipe
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.spec import Column, LogicalType, TableSpec

T = LogicalType

_KEY = Column("id", T.INT64, nullable=False)
_CURSOR = Column("updated_at", T.TIMESTAMPTZ)
_PARTITION = Column("business_date", T.DATE, nullable=False)
_HEAD = (_KEY, _CURSOR, _PARTITION)

STANDARD_SPEC = TableSpec(
    name="standard",
    columns=(
        *_HEAD,
        Column("status", T.TEXT, nullable=False),
        Column("quantity", T.INT32, nullable=False),
        Column("amount", T.DECIMAL),
        Column("ratio", T.FLOAT64),
        Column("active", T.BOOL),
        Column("small_count", T.INT16),
        Column("medium_count", T.INT32),
        Column("big_count", T.INT64),
        Column("title", T.TEXT),
        Column("note", T.TEXT),
        Column("born_on", T.DATE),
        Column("local_time", T.TIMESTAMP),
        Column("happened_at", T.TIMESTAMPTZ),
        Column("payload", T.BYTES),
        Column("token", T.UUID),
        Column("document", T.JSON),
        Column("numbers", T.INT_ARRAY),
        Column("labels", T.TEXT_ARRAY),
    ),
)

NARROW_SPEC = TableSpec(name="narrow", columns=(*_HEAD, Column("amount", T.DECIMAL), Column("note", T.TEXT)))

TYPES_SPEC = TableSpec(
    name="types",
    columns=(
        *_HEAD,
        *(
            Column(f"{logical}_{suffix}", logical, nullable)
            for logical in LogicalType
            for suffix, nullable in (("null", True), ("required", False))
        ),
    ),
)

WIDE_COLUMNS = 500
_CYCLE = tuple(LogicalType)
WIDE_SPEC = TableSpec(
    name="wide",
    columns=(*_HEAD, *(Column(f"c{n:03}", _CYCLE[n % len(_CYCLE)]) for n in range(len(_HEAD), WIDE_COLUMNS))),
)

_FUNKY_NAMES = (
    "Order",
    "select",
    "from",
    "user",
    "group",
    "table",
    "rowid",
    "with space",
    " leading blank",
    "trailing blank ",
    'double"quote',
    'two""quotes',
    "single'quote",
    "back`tick",
    "back\\slash",
    "[bracket]",
    "{brace}",
    "semi;colon",
    "com,ma",
    "dot.ted",
    "colon:name",
    "question?",
    "$1",
    "100",
    "1st",
    "percent%s",
    "%(name)s",
    "%",
    "--",
    "/* */",
    "equals=1",
    "tab\there",
    "ünïcödé",
    "e\u0301t\u00e9",
    "日本語",
    "🚀",
    "n" * 63,
    # PostgreSQL cuts names at 63 bytes: these two differ in the last one only.
    "p" * 62 + "1",
    "p" * 62 + "2",
    "é" * 31 + "x",
)
_CASE_PAIRS = ("order", "SELECT", "Mixed", "mIXED")


def _funky(name: str, names: tuple[str, ...]) -> TableSpec:
    types = (T.TEXT, T.INT32, T.DECIMAL)
    return TableSpec(
        name=name,
        columns=(
            _KEY,
            Column("Updated At", T.TIMESTAMPTZ),
            Column("business.date", T.DATE, nullable=False),
            *(Column(text, types[place % len(types)]) for place, text in enumerate(names)),
        ),
        cursor="Updated At",
        partition="business.date",
    )


FUNKY_TABLE = 'Select "weird" 100% it\'s.ünï 🚀'
FUNKY_SPEC = _funky(FUNKY_TABLE, (*_FUNKY_NAMES, *_CASE_PAIRS))
FUNKY_ONE_CASE_SPEC = _funky(FUNKY_TABLE, _FUNKY_NAMES)

DRIFT_SPEC = TableSpec(
    name="drift",
    columns=(
        *_HEAD,
        Column("amount", T.DECIMAL),
        Column("note", T.TEXT),
        Column("small", T.INT32),
        Column("big", T.INT64),
        Column("required", T.TEXT, nullable=False),
    ),
)


def _drift(name: str, drift: Drift, values_as: Mapping[str, LogicalType] | None = None) -> Recipe:
    spec = replace(DRIFT_SPEC, name=name)
    return Recipe(name, spec, pattern=NO_DELETES, drift=drift, values_as=values_as)


_RECIPES = (
    Recipe("standard", STANDARD_SPEC, changes=4),
    Recipe("narrow", NARROW_SPEC, changes=4),
    Recipe("empty", replace(NARROW_SPEC, name="empty")),
    Recipe("wide", WIDE_SPEC),
    # Keys beyond 2**53: an engine that passes integers through floats folds neighbours together.
    Recipe("types", TYPES_SPEC, first_key=2**53 + 1),
    Recipe("funky", FUNKY_SPEC),
    Recipe("funky_one_case", FUNKY_ONE_CASE_SPEC),
    Recipe("cursor_ties", replace(NARROW_SPEC, name="cursor_ties"), pattern=CURSOR_TIES),
    Recipe("null_cursor", replace(NARROW_SPEC, name="null_cursor"), pattern=NULL_CURSOR),
    Recipe("punctual", replace(NARROW_SPEC, name="punctual"), pattern=PUNCTUAL),
    # Neither ties nor NULL cursors: what is wrong is wrong about late rows.
    Recipe("late", replace(NARROW_SPEC, name="late"), pattern=LATE),
    Recipe("out_of_order", replace(NARROW_SPEC, name="out_of_order"), changes=3, pattern=OUT_OF_ORDER),
    # As many rounds as there can be, for loads that are broken one after the other.
    Recipe("steady", replace(NARROW_SPEC, name="steady"), changes=MAX_CHANGES, pattern=PLAIN),
    Recipe("silent_updates", replace(NARROW_SPEC, name="silent_updates"), pattern=SILENT),
    _drift("drift_add", Drift(DriftKind.ADD, "added", new_type=T.TEXT)),
    _drift("drift_drop", Drift(DriftKind.DROP, "note")),
    _drift("drift_widen", Drift(DriftKind.WIDEN, "small", new_type=T.INT64)),
    _drift("drift_widen_decimal", Drift(DriftKind.WIDEN, "big", new_type=T.DECIMAL)),
    # All values fit the narrower type from the start, else PostgreSQL refuses the drift.
    _drift("drift_narrow", Drift(DriftKind.NARROW, "big", new_type=T.INT32), {"big": T.INT32}),
    _drift("drift_rename", Drift(DriftKind.RENAME, "note", new_name="remark")),
    _drift("drift_null", Drift(DriftKind.NULL, "required")),
    # Every old value has a text form, so WIDEN is the nearest kind; no store calls it compatible.
    _drift("drift_retype", Drift(DriftKind.WIDEN, "small", new_type=T.TEXT)),
)
RECIPES: dict[str, Recipe] = {recipe.name: recipe for recipe in _RECIPES}
"""All workloads by name.

``funky`` has names that differ in case only; for sinks whose names ignore case (DuckDB, SQLite) take
``funky_one_case``. ``silent_updates`` changes data without moving the cursor: no cursor strategy can
see that, and none of the other workloads does it.
"""


@lru_cache(maxsize=32)
def build_workload(name: str, rows: int, seed: int) -> Workload:
    """The named workload, made once a process. ``empty`` ignores ``rows``; others need 0 or at least 60.

    Raises ``ValueError`` that names the workloads there are, or the bad number.
    """
    if name not in RECIPES:
        raise ValueError(f"no workload {name!r}; there are: {', '.join(RECIPES)}")
    return Workload(RECIPES[name], 0 if name == "empty" else rows, seed)
