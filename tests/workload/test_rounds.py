"""Change rounds: replayed row by row, they must be what they claim."""

from __future__ import annotations

import datetime as dt

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.images import LATE, TOO_LATE, WINDOW
from certification_pipeline.harness.workload.lifecycle import Category
from certification_pipeline.harness.workload.recipe import Drift
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.harness.workload.tables import DRIFT_SPEC, RECIPES, build_workload

from .replay import Row, apply, exact, exact_rows, initial_table

DRIFTS = sorted(name for name in RECIPES if name.startswith("drift_"))
CURSOR_WORKLOADS = sorted(set(RECIPES) - {"silent_updates", "empty", "wide", *DRIFTS})


def _keyed(table: pa.Table) -> dict[int, Row]:
    return {row["id"]: row for row in table.to_pylist()}


def _changed(old: Row, new: Row) -> set[str]:
    return {name for name in new if exact(new[name]) != exact(old.get(name))}


@given(
    name=st.sampled_from(sorted(set(RECIPES) - {"wide", *DRIFTS})),
    rows=st.one_of(st.just(0), st.integers(60, 900)),
    seed=st.integers(0, 2**32),
)
@settings(max_examples=60, deadline=None)
def test_rounds_touch_live_keys_once_and_keep_schema(name: str, rows: int, seed: int) -> None:
    workload = Workload(RECIPES[name], rows, seed)
    state = _keyed(initial_table(workload))
    assert len(state) == rows
    for number in range(1, workload.changes + 1):
        change = workload.change(number)
        touched = [*change.inserts["id"], *change.updates["id"], *change.deletes["id"]]
        assert len(set(touched)) == len(touched)
        for images in (change.inserts, change.updates):
            assert images.schema == change.spec.arrow_schema()
            images.validate(full=True)
            for field in images.schema:
                assert field.nullable or images[field.name].null_count == 0, field.name
        apply(state, change)


@given(name=st.sampled_from(CURSOR_WORKLOADS), rows=st.integers(60, 2000), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_key_and_cursor_name_one_version_only(name: str, rows: int, seed: int) -> None:
    workload = Workload(RECIPES[name], rows, seed)
    cursor = workload.spec.cursor
    tables = [initial_table(workload)]
    for number in range(1, workload.changes + 1):
        tables += [workload.change(number).inserts, workload.change(number).updates]
    versions = [pair for t in tables for pair in zip(t["id"].to_pylist(), t[cursor].to_pylist(), strict=True)]
    assert len(set(versions)) == len(versions)


@given(rows=st.integers(60, 2000), name=st.sampled_from(CURSOR_WORKLOADS), seed=st.integers(0, 2**32))
@settings(max_examples=40, deadline=None)
def test_cursors_keep_to_their_hour_but_for_ties_nulls_and_late_rows(rows: int, name: str, seed: int) -> None:
    workload = Workload(RECIPES[name], rows, seed)
    cursor = workload.spec.cursor
    first = [value for value in initial_table(workload)[cursor].to_pylist() if value]
    assert max(first) == workload.high_water(0)
    assert min(first) > workload.high_water(0) - WINDOW
    for number in range(1, workload.changes + 1):
        change, before = workload.change(number), workload.high_water(number - 1)
        images = {**_keyed(change.inserts), **_keyed(change.updates)}
        assert max(row[cursor] for row in images.values() if row[cursor]) == workload.high_water(number)
        for category, keys in change.keys.items():
            for key in keys["id"].to_pylist():
                if category is Category.DELETE:
                    continue
                value = images[key][cursor]
                match category.value.split("_", 1)[1] if "_" in category else "":
                    case "tie":
                        assert value == before
                    case "null_cursor":
                        assert value is None
                    case "late":
                        assert LATE <= before - value < LATE + dt.timedelta(milliseconds=3)
                    case "too_late":
                        assert TOO_LATE <= before - value < TOO_LATE + dt.timedelta(milliseconds=3)
                    case "high_water":
                        assert value == workload.high_water(number)
                    case _:
                        assert before < value < workload.high_water(number)


@pytest.mark.parametrize("rows", [120, 1000, 10_000])
@pytest.mark.parametrize("seed", [1, 2])
def test_every_category_is_in_standard_and_is_what_it_says(rows: int, seed: int) -> None:
    workload = build_workload("standard", rows, seed)
    state = _keyed(initial_table(workload))
    cursor, partition = workload.spec.cursor, workload.spec.partition
    nullable = {c.name for c in workload.spec.columns if c.nullable} - {cursor, partition}
    for number in (1, 2, 3, 4):
        change = workload.change(number)
        expected = set(Category) - {Category.UPDATE_SILENT}
        if number == 1:
            expected -= {Category.REINSERT}  # nothing was deleted yet
        assert set(change.keys) == expected
        updates = _keyed(change.updates)
        listed = [
            key for c, keys in change.keys.items() if c.startswith("update") for key in keys["id"].to_pylist()
        ]
        assert sorted(listed) == sorted(updates)
        for category, keys in change.keys.items():
            for key in keys["id"].to_pylist():
                if not category.startswith("update"):
                    continue
                differs = _changed(state[key], updates[key])
                assert cursor in differs
                data = differs - {cursor}
                match category:
                    case Category.UPDATE_CURSOR_ONLY:
                        assert data == set()
                    case Category.UPDATE_PARTITION:
                        assert data == {partition}
                    case Category.UPDATE_ONE_COLUMN:
                        assert len(data) <= 1  # a boolean may be drawn the same again
                        assert partition not in data
                    case Category.UPDATE_TO_NULL:
                        assert all(updates[key][name] is None for name in nullable)
                        assert any(state[key][name] is not None for name in nullable)
                    case Category.UPDATE_FROM_NULL:
                        assert all(updates[key][name] is not None for name in nullable)
                        assert all(state[key][name] is None for name in nullable) or key > rows
                    case _:
                        assert len(data) > 5
        apply(state, change)


def test_standard_rounds_have_the_sizes_that_were_asked_for() -> None:
    workload = build_workload("standard", 10_000, 42)
    one, two = workload.change(1), workload.change(2)
    assert (one.inserts.num_rows, one.updates.num_rows, one.deletes.num_rows) == (500, 1000, 500)
    assert (two.inserts.num_rows, two.deletes.num_rows) == (750, 524)  # 250 of them come back
    back = set(two.keys[Category.REINSERT]["id"].to_pylist())
    assert len(back) == 250
    assert back < set(one.deletes["id"].to_pylist())


def test_one_column_updates_write_different_columns() -> None:
    workload = build_workload("standard", 10_000, 42)
    state, change = _keyed(initial_table(workload)), workload.change(1)
    images = _keyed(change.updates)
    keys = change.keys[Category.UPDATE_ONE_COLUMN]["id"].to_pylist()
    written = {name for key in keys for name in _changed(state[key], images[key])}
    assert len(written) > 12


def test_initial_rows_have_ties_nulls_and_a_shared_high_water_mark() -> None:
    standard = initial_table(build_workload("standard", 10_000, 1))["updated_at"].to_pylist()
    assert 100 < standard.count(None) < 500
    assert standard.count(max(filter(None, standard))) == 250
    assert len(set(standard)) < 5_000
    ties = initial_table(build_workload("cursor_ties", 1000, 1))["updated_at"].to_pylist()
    assert ties.count(max(filter(None, ties))) > 400
    assert len(set(ties)) <= 5
    nulls = initial_table(build_workload("null_cursor", 1000, 1))["updated_at"].to_pylist()
    assert nulls.count(None) > 300


def test_a_partition_vanishes_in_round_1_and_one_appears() -> None:
    workload = build_workload("standard", 1000, 1)
    state = _keyed(initial_table(workload))
    days = {row["business_date"] for row in state.values()}
    assert days == {*workload.partition_days, workload.vanishing_day}
    apply(state, workload.change(1))
    after = {row["business_date"] for row in state.values()}
    assert workload.vanishing_day not in after
    assert len(after - days) == 1
    assert set(workload.partition_days) <= after


def test_rounds_need_no_earlier_round_and_are_the_same_each_time() -> None:
    alone = Workload(RECIPES["standard"], 500, 9).change(3)
    workload = Workload(RECIPES["standard"], 500, 9)
    third = [workload.change(number) for number in (1, 2, 3)][2]
    assert exact_rows(alone.updates.to_pylist()) == exact_rows(third.updates.to_pylist())
    assert exact_rows(alone.inserts.to_pylist()) == exact_rows(third.inserts.to_pylist())
    other = Workload(RECIPES["standard"], 500, 10).change(3)
    assert exact_rows(other.updates.to_pylist()) != exact_rows(third.updates.to_pylist())


def test_silent_updates_change_data_but_not_the_cursor() -> None:
    workload = build_workload("silent_updates", 1000, 4)
    state = _keyed(initial_table(workload))
    for number in (1, 2):
        change = workload.change(number)
        images = _keyed(change.updates)
        silent = change.keys[Category.UPDATE_SILENT]["id"].to_pylist()
        assert len(silent) == 25
        for key in silent:
            assert "note" in _changed(state[key], images[key]) or "amount" in _changed(
                state[key], images[key]
            )
            assert images[key]["updated_at"] == state[key]["updated_at"]
        apply(state, change)


@pytest.mark.parametrize("name", DRIFTS)
def test_drift_is_in_round_1_only_with_rows_of_the_new_shape(name: str) -> None:
    workload = build_workload(name, 600, 8)
    one, two = workload.change(1), workload.change(2)
    assert one.drift == RECIPES[name].drift
    assert two.drift is None
    assert one.spec == two.spec == workload.spec_after(1) != workload.spec
    assert one.deletes.num_rows == two.deletes.num_rows == 0
    assert one.inserts.num_rows
    assert one.updates.num_rows
    state = _keyed(initial_table(workload))
    for change in (one, two):
        assert change.updates.schema == change.spec.arrow_schema()
        apply(state, change)


def _round_1(name: str) -> tuple[dict[int, Row], dict[int, Row], list[int]]:
    """Initial rows, rows after round 1's statements, keys updated in the cursor only."""
    workload = build_workload(name, 600, 8)
    change = workload.change(1)
    images = {**_keyed(change.inserts), **_keyed(change.updates)}
    untouched_data = change.keys[Category.UPDATE_CURSOR_ONLY]["id"].to_pylist()
    return _keyed(initial_table(workload)), images, untouched_data


def test_drift_values() -> None:
    _, images, kept = _round_1("drift_add")
    assert any(row["added"] for row in images.values())
    assert all(images[key]["added"] is None for key in kept)
    _, images, _ = _round_1("drift_drop")
    assert all("note" not in row for row in images.values())
    old, images, kept = _round_1("drift_widen")
    assert max(abs(row["small"]) for row in images.values() if row["small"] is not None) > 2**31
    assert all(images[key]["small"] == old[key]["small"] for key in kept)
    old, images, kept = _round_1("drift_widen_decimal")
    assert any(row["big"] % 1 for row in images.values() if row["big"] is not None)
    assert all(images[key]["big"] == old[key]["big"] for key in kept)
    old, images, _ = _round_1("drift_narrow")
    assert all(-(2**31) <= row["big"] < 2**31 for row in old.values() if row["big"] is not None)
    old, images, kept = _round_1("drift_rename")
    assert all(images[key]["remark"] == old[key]["note"] for key in kept)
    old, images, _ = _round_1("drift_null")
    assert all(row["required"] is not None for row in old.values())
    assert any(row["required"] is None for row in images.values())
    old, images, kept = _round_1("drift_retype")
    assert any(row["small"] and not row["small"].lstrip("-").isdigit() for row in images.values())
    assert all(images[key]["small"] == (None if (v := old[key]["small"]) is None else str(v)) for key in kept)


def test_bad_input_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no workload 'nope'; there are: standard"):
        build_workload("nope", 100, 1)
    with pytest.raises(ValueError, match="rows must be 0 or at least 60, not 59"):
        build_workload("standard", 59, 1)
    with pytest.raises(ValueError, match="has rounds 1 to 4, not 5"):
        build_workload("standard", 60, 1).change(5)
    with pytest.raises(ValueError, match="batch_rows"):
        next(build_workload("standard", 60, 1).initial(0))
    with pytest.raises(KeyError):
        Drift(DriftKind.DROP, "absent").apply_to(DRIFT_SPEC)
    with pytest.raises(ValueError, match="needs new_type"):
        Drift(DriftKind.ADD, "x").apply_to(DRIFT_SPEC)


def test_funky_names_are_as_nasty_as_promised() -> None:
    names = build_workload("funky", 60, 1).spec.column_names
    assert len({name.lower() for name in names}) < len(names)
    assert max(len(name.encode()) for name in names) == 63
    assert len({name.encode()[:62] for name in names}) < len(names)
    one_case = build_workload("funky_one_case", 60, 1).spec.column_names
    assert len({name.lower() for name in one_case}) == len(one_case)


def test_wide_and_empty() -> None:
    wide = build_workload("wide", 60, 1)
    assert len(wide.spec.columns) == 500
    assert {c.type for c in wide.spec.columns} == set(LogicalType)
    empty = build_workload("empty", 10_000, 1)
    assert list(empty.initial()) == []
    assert empty.vanishing_day is None
    change = empty.change(1)
    assert change.inserts.num_rows == change.updates.num_rows == change.deletes.num_rows == 0
    assert not change.keys


def test_workloads_are_made_once_a_process() -> None:
    workload = build_workload("standard", 1000, 77)
    assert build_workload("standard", 1000, 77) is workload
    assert workload.change(1) is workload.change(1)
