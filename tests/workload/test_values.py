"""Generated values: deterministic, sliceable, and with every edge value in every table."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.harness.workload.edges import EDGE_SLOTS, LONG_TEXT, edge_values
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.spec import ARROW_TYPES, LogicalType
from certification_pipeline.harness.workload.tables import RECIPES, build_workload
from certification_pipeline.harness.workload.values import Draws, NullRule, generate

from .replay import columns_of, exact, initial_table

TYPES = list(LogicalType)


def _values(
    logical: LogicalType, index: np.ndarray, seed: int = 1, name: str = "c", version: int = 0
) -> list:
    draws = Draws(seed, name, index, version)
    return generate(logical, draws, None, nullable=True, nulls=NullRule()).to_pylist()


@given(
    logical=st.sampled_from(TYPES),
    index=st.lists(st.integers(0, 2**40), min_size=1, max_size=30),
    seed=st.integers(0, 2**63),
)
@settings(max_examples=150, deadline=None)
def test_a_value_depends_on_its_row_only(logical: LogicalType, index: list[int], seed: int) -> None:
    together = _values(logical, np.array(index), seed)
    alone = [_values(logical, np.array([i]), seed)[0] for i in index]
    assert exact(together) == exact(alone)


@pytest.mark.parametrize("logical", TYPES)
def test_seed_column_and_version_all_matter(logical: LogicalType) -> None:
    index = np.arange(200)
    base = _values(logical, index)
    assert exact(base) != exact(_values(logical, index, seed=2))
    assert exact(base) != exact(_values(logical, index, name="d"))
    assert exact(base) != exact(_values(logical, index, version=1))


@pytest.mark.parametrize("logical", TYPES)
def test_generated_arrays_are_valid_and_spread_out(logical: LogicalType) -> None:
    draws = Draws(5, "c", np.arange(5000), 0)
    values = generate(logical, draws, None, nullable=True, nulls=NullRule())
    values.validate(full=True)
    assert values.type == ARROW_TYPES[logical]
    assert 200 < values.null_count < 450  # one in 16 of 5000 is 312
    distinct = len({repr(value) for value in values.to_pylist()})
    assert distinct == 3 if logical is LogicalType.BOOL else distinct > 1000


def test_decimals_use_all_ten_fraction_digits_and_both_signs() -> None:
    values = [v for v in _values(LogicalType.DECIMAL, np.arange(1000)) if v is not None]
    assert any(v % 1 and str(v)[-1] != "0" for v in values)
    assert min(values) < 0 < max(values)


@pytest.mark.parametrize("logical", TYPES)
def test_edge_lists_leave_room_for_null_and_hold_no_value_twice(logical: LogicalType) -> None:
    edges = edge_values(logical)
    edges.validate(full=True)
    assert len(edges) < EDGE_SLOTS
    assert edges.null_count == 0
    assert len({repr(exact(v)) for v in edges.to_pylist()}) == len(edges)


def test_edges_hold_what_the_issue_names() -> None:
    text = edge_values(LogicalType.TEXT).to_pylist()
    assert {"", "\\N", "👩\u200d👩\u200d👧\u200d👦", "cafe\u0301", "line\nfeed", "tab\tinside"} <= set(text)
    assert 8000 <= len(LONG_TEXT.encode()) <= 8200
    assert not any("\0" in value for value in text)  # PostgreSQL cannot hold it
    assert bytes(range(256)) in edge_values(LogicalType.BYTES).to_pylist()
    floats = [exact(value) for value in edge_values(LogicalType.FLOAT64).to_pylist()]
    for value in (float("nan"), float("inf"), float("-inf"), -0.0, 5e-324, 1e308, 0.1):
        assert exact(value) in floats
    dates = [d.isoformat() for d in edge_values(LogicalType.DATE).to_pylist()]
    assert {"0001-01-01", "9999-12-31", "1970-01-01"} <= set(dates)
    ints = edge_values(LogicalType.INT64).to_pylist()
    assert {-(2**63), 2**63 - 1, 2**53 + 1} <= set(ints)


@pytest.mark.parametrize("name", sorted(set(RECIPES) - {"empty", "wide"}))
@pytest.mark.parametrize("rows", [60, 1000])
def test_every_edge_value_and_null_is_in_every_column_that_can_hold_it(name: str, rows: int) -> None:
    workload = build_workload(name, rows, 3)
    table = initial_table(workload)
    for logical in TYPES:
        for column in columns_of(workload, logical):
            if logical is not (workload.recipe.values_as or {}).get(column, logical):
                continue
            held = {repr(exact(value)) for value in table.column(column).to_pylist()}
            missing = [v for v in edge_values(logical).to_pylist() if repr(exact(v)) not in held]
            assert not missing, f"{column} lacks {missing[:3]}"
            assert (table.column(column).null_count > 0) == workload.spec.column(column).nullable, column


def test_types_has_each_type_nullable_and_not() -> None:
    seen = Counter((c.type, c.nullable) for c in build_workload("types", 60, 1).spec.columns)
    assert all(seen[(logical, nullable)] >= 1 for logical in TYPES for nullable in (True, False))


def test_one_row_does_not_carry_all_extremes() -> None:
    workload = build_workload("standard", 60, 1)
    offsets = {Draws(1, c.name, np.arange(1), 0).rotation for c in workload.spec.columns}
    assert len(offsets) > 10


@given(
    name=st.sampled_from(["standard", "types", "funky", "cursor_ties", "null_cursor", "drift_widen"]),
    rows=st.integers(60, 400),
    batch_rows=st.integers(9, 500),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=20, deadline=None)
def test_batches_of_any_size_hold_the_same_rows(name: str, rows: int, batch_rows: int, seed: int) -> None:
    workload = Workload(RECIPES[name], rows, seed)
    whole = workload._initial_batch(0, rows)
    # Made chunk by chunk, not sliced from the kept table.
    chunks = [workload._initial_batch(a, min(a + batch_rows, rows)) for a in range(0, rows, batch_rows)]
    pieces = pa.Table.from_batches(chunks)
    for column in whole.schema.names:
        assert exact(pieces.column(column).to_pylist()) == exact(whole.column(column).to_pylist())
    assert sum(batch.num_rows for batch in workload.initial(batch_rows)) == rows
    assert max(batch.num_rows for batch in workload.initial(batch_rows)) <= batch_rows


def test_large_tables_are_streamed_not_kept() -> None:
    workload = build_workload("standard", 100_000_000, 1)
    before = pa.total_allocated_bytes()
    batches = list(itertools.islice(workload.initial(20_000), 3))
    assert [batch.num_rows for batch in batches] == [20_000] * 3
    assert pa.total_allocated_bytes() - before < 200_000_000
    assert "_initial_table" not in vars(workload)


def test_a_million_narrow_rows_stream_in_flat_memory() -> None:
    workload = build_workload("narrow", 1_000_000, 1)
    peak = rows = last = 0
    for batch in workload.initial():
        rows += batch.num_rows
        assert batch.column(0)[0].as_py() == last + 1
        last = batch.column(0)[-1].as_py()
        peak = max(peak, pa.total_allocated_bytes())
    assert (rows, last) == (1_000_000, 1_000_000)
    assert peak < 150_000_000
