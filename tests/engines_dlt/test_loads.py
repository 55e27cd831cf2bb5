"""What dlt does, sink by sink and strategy by strategy, against expectations written by hand.

These tests hold the driver to dlt's documentation: a strategy is mapped to the feature that does it. They
are no certification; the harness does that with an oracle.
"""

from __future__ import annotations

import json

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy, Support
from certification_pipeline.harness.engines.protocol import Error
from tests.engines_dlt.talking import Cell

pytestmark = pytest.mark.integration

SINKS = ("postgres", "duckdb", "sqlite", "parquet")
QUICK = {
    ("postgres", "incremental_append"),
    ("postgres", "incremental_merge"),
    ("postgres", "snapshot_diff"),
    ("duckdb", "replace"),
    ("sqlite", "partition_replace"),
    ("parquet", "full_refresh"),
}

INITIAL = (
    "INSERT INTO {table} VALUES"
    " (1, '2024-03-01 00:00:01+00', '2024-03-01', 10.5, 'one'),"
    " (2, '2024-03-01 00:00:02+00', '2024-03-01', 20.25, 'two'),"
    " (3, '2024-03-01 00:00:03+00', '2024-03-02', NULL, 'three'),"
    " (4, '2024-03-01 00:00:04+00', '2024-03-03', 40, 'four'),"
    " (5, NULL, '2024-03-03', 50, 'no cursor')"
)
CHANGE = (
    "UPDATE {table} SET amount = 11, updated_at = '2024-03-01 00:00:09+00' WHERE id = 1",
    "INSERT INTO {table} VALUES"
    " (6, '2024-03-01 00:00:04+00', '2024-03-04', 60, 'tied with the last one loaded'),"
    " (7, '2024-03-01 00:00:00+00', '2024-03-01', 70, 'late')",
    "DELETE FROM {table} WHERE id IN (2, 3)",
)

FIRST = {"one": 10.5, "two": 20.25, "three": None, "four": 40, "no cursor": 50}
SOURCE_AFTER = {
    "one": 11,
    "four": 40,
    "no cursor": 50,
    "tied with the last one loaded": 60,
    "late": 70,
}

# (strategy) -> the sink's (note, amount) after the change round and one more, idle, load.
EXPECTED: dict[str, list[tuple[str, float | None]]] = {
    "full_refresh": [*SOURCE_AFTER.items()],
    "snapshot_diff": [*SOURCE_AFTER.items()],
    "incremental_append": [
        ("one", 10.5),
        ("one", 11),
        ("two", 20.25),
        ("three", None),
        ("four", 40),
        ("tied with the last one loaded", 60),
    ],
    "incremental_merge": [
        ("one", 11),
        ("two", 20.25),
        ("three", None),
        ("four", 40),
        ("no cursor", 50),
        ("tied with the last one loaded", 60),
    ],
    # The slice is the first of March; 'three' came with an earlier, wider slice and stays.
    "replace": [("one", 11), ("late", 70), ("three", None)],
    # The second of March has vanished from the source and keeps its row.
    "partition_replace": [*SOURCE_AFTER.items(), ("three", None)],
    "scd2": [("one", 10.5), ("two", 20.25), ("three", None), *SOURCE_AFTER.items()],
}


def declared() -> list[tuple[str, str]]:
    engine = load_catalog().engines["dlt"]
    return [
        (sink, str(strategy))
        for sink in SINKS
        if (route := engine.route("postgres", sink))
        for strategy, claim in route.strategies.items()
        if claim.support is Support.FULL
    ]


def cases() -> list[object]:
    return [pytest.param(*case, marks=[] if case in QUICK else pytest.mark.nightly) for case in declared()]


def options(strategy: str, *, first: bool) -> dict[str, str]:
    match strategy:
        case "replace":
            until = "2024-03-03" if first else "2024-03-02"
            return {
                "partition_column": "business_date",
                "partition_from": "2024-03-01",
                "partition_to": until,
            }
        case "partition_replace":
            return {"partition_column": "business_date"}
        case "incremental_append":
            return {"cursor_nulls": "exclude"}
        case _:
            return {}


def change(cell: Cell, *statements: str) -> None:
    cell.sql(*(statement.format(table=f'"{cell.name}".events') for statement in statements))


def kept(cell: Cell, sink: str) -> list[tuple[str, float | None]]:
    return sorted(
        (
            (note, None if amount is None else float(amount))
            for note, amount in cell.read(sink, "note, amount")
        ),
        key=repr,
    )


def test_the_catalogue_declares_what_is_expected_here() -> None:
    assert {strategy for _, strategy in declared()} == set(EXPECTED)


@pytest.mark.parametrize(("sink", "strategy"), cases())
def test_a_change_round_and_an_idle_rerun(cell: Cell, sink: str, strategy: str) -> None:
    change(cell, INITIAL)
    first = cell.loaded(strategy, sink, **options(strategy, first=True)).record
    selected = {"replace": 3, "incremental_append": 4}.get(strategy, 5)
    assert first.extracted_rows == first.staged_rows == selected
    assert kept(cell, sink) == sorted(list(FIRST.items())[:selected], key=repr)

    change(cell, *CHANGE)
    second = cell.loaded(strategy, sink, **options(strategy, first=False)).record
    assert kept(cell, sink) == sorted(EXPECTED[strategy], key=repr)

    third = cell.loaded(strategy, sink, **options(strategy, first=False)).record
    assert kept(cell, sink) == sorted(EXPECTED[strategy], key=repr), "after the idle rerun"
    if strategy == "incremental_append":
        assert (second.inserted_rows, third.inserted_rows) == (2, 0)
        assert third.state_after
        cursor = third.state_after["cursors"]["updated_at"]  # type: ignore[index,call-overload]
        assert str(cursor).startswith("2024-03-01 00:00:09")
    if strategy == "full_refresh":
        assert second.loaded_rows == third.loaded_rows == len(SOURCE_AFTER)


def test_scd2_closes_changed_and_deleted_versions_and_opens_new_ones(cell: Cell) -> None:
    change(cell, INITIAL)
    cell.loaded("scd2", "postgres")
    change(cell, *CHANGE)
    cell.loaded("scd2", "postgres")
    versions = cell.read("postgres", "note, amount, _dlt_valid_to IS NULL, _dlt_valid_to > _dlt_valid_from")
    still_open = [(note, amount) for note, amount, is_open, _ in versions if is_open]
    assert sorted(still_open) == sorted(SOURCE_AFTER.items())
    closed = [(note, later) for note, _, is_open, later in versions if not is_open]
    assert sorted(closed) == [("one", True), ("three", True), ("two", True)]


@pytest.mark.parametrize("sink", ["postgres", pytest.param("duckdb", marks=pytest.mark.nightly)])
def test_snapshot_diff_does_not_rewrite_unchanged_rows(cell: Cell, sink: str) -> None:
    change(cell, INITIAL)
    cell.loaded("snapshot_diff", sink)
    before: dict[str, str] = dict(cell.read(sink, "note, _dlt_load_id"))
    change(cell, *CHANGE)
    cell.loaded("snapshot_diff", sink)
    after: dict[str, str] = dict(cell.read(sink, "note, _dlt_load_id"))
    assert {note for note in after if after[note] == before.get(note)} == {"four", "no cursor"}


ADBC_AND_EMPTY_FILES = pytest.mark.xfail(
    reason="dlt 1.31.0 cannot load an empty Parquet file into PostgreSQL (docs/findings/dlt.md)", strict=True
)


@pytest.mark.parametrize(
    "sink",
    [
        "duckdb",
        pytest.param("postgres", marks=[pytest.mark.nightly, ADBC_AND_EMPTY_FILES]),
        pytest.param("sqlite", marks=pytest.mark.nightly),
        pytest.param("parquet", marks=pytest.mark.nightly),
    ],
)
def test_an_empty_source_gives_an_empty_table_and_an_emptied_one_empties_it(cell: Cell, sink: str) -> None:
    cell.loaded("full_refresh", sink)
    assert cell.read(sink) == []
    change(cell, INITIAL)
    cell.loaded("full_refresh", sink)
    assert len(cell.read(sink)) == len(FIRST)
    change(cell, "TRUNCATE {table}")
    cell.loaded("full_refresh", sink)
    assert cell.read(sink) == []


def test_a_lost_working_folder_is_restored_from_the_sink(cell: Cell) -> None:
    change(cell, INITIAL)
    cell.loaded("incremental_append", "postgres", cursor_nulls="exclude")
    (cell.folder / "state").rename(cell.folder / "lost")
    again = cell.loaded("incremental_append", "postgres", cursor_nulls="exclude").record
    assert again.inserted_rows == 0
    assert len(cell.read("postgres")) == 4


@pytest.mark.nightly
def test_what_an_earlier_attempt_left_is_finished_first_and_then_new_rows_are_taken(cell: Cell) -> None:
    change(cell, INITIAL)
    cell.loaded("incremental_append", "postgres", cursor_nulls="exclude")
    sink_table = f'"{cell.name}"."Events Kept"'
    cell.sql(
        f'CREATE FUNCTION "{cell.name}".refuse() RETURNS trigger LANGUAGE plpgsql AS'
        " $$ BEGIN RAISE EXCEPTION 'not now'; END $$",
        f'CREATE TRIGGER refuse BEFORE INSERT ON {sink_table} EXECUTE FUNCTION "{cell.name}".refuse()',
        dsn=cell.sink_dsn,
    )
    change(cell, CHANGE[0])
    failed = cell.load("incremental_append", "postgres", cursor_nulls="exclude")
    assert isinstance(failed, Error)
    assert failed.record
    assert failed.record.state_after
    assert failed.record.state_after["pending_packages"] is True

    cell.sql(f"DROP TRIGGER refuse ON {sink_table}", dsn=cell.sink_dsn)
    change(cell, "INSERT INTO {table} VALUES (8, '2024-03-01 00:00:10+00', '2024-03-05', 80, 'eight')")
    record = cell.loaded("incremental_append", "postgres", cursor_nulls="exclude").record
    assert record.state_after
    assert record.state_after["finished_old_packages"], "the record says that an old package was finished"
    assert record.inserted_rows == 1, "of this run; the old package's row is not counted twice"
    assert kept(cell, "postgres") == sorted(
        [("one", 10.5), ("two", 20.25), ("three", None), ("four", 40), ("one", 11), ("eight", 80)], key=repr
    )


def test_values_that_break_other_configurations_of_dlt_arrive(cell: Cell) -> None:
    """NaN, JSON of every kind and bytes: what decided for Arrow, Parquet and JSON as text."""
    documents = (
        "true",
        "0",
        "null",
        '"text"',
        '{"n": 123456789012345678901234567890, "d": 0.10}',
        "[1, null]",
    )
    change(cell, "ALTER TABLE {table} ADD ratio double precision, ADD document jsonb, ADD payload bytea")
    for key, document in enumerate(documents):
        values = f"({key}, '2024-03-01', '2024-03-01', 1, 'x', 'NaN', '{document}', '\\xff00')"
        cell.sql(f'INSERT INTO "{cell.name}".events VALUES {values}')
    for sink in ("postgres", "duckdb"):
        cell.loaded("full_refresh", sink)
        columns = "id, CAST(ratio AS varchar), CAST(document AS varchar)"
        rows = cell.read(sink, columns)
        assert [row[1].lower() for row in rows] == ["nan"] * len(documents)
        assert [json.loads(row[2]) for row in rows] == [json.loads(document) for document in documents]


def test_a_type_change_stops_before_anything_is_loaded(cell: Cell) -> None:
    change(cell, INITIAL)
    cell.loaded("incremental_merge", "postgres")
    before = cell.read("postgres")
    change(cell, "ALTER TABLE {table} ALTER amount TYPE text", CHANGE[0].replace("11", "'eleven'"))
    end = cell.load("incremental_merge", "postgres")
    assert isinstance(end, Error)
    assert end.category is FailureCategory.SCHEMA
    assert cell.read("postgres") == before


def test_new_dropped_and_nullable_columns_follow_the_documentation(cell: Cell) -> None:
    change(cell, INITIAL, "ALTER TABLE {table} ADD old text NOT NULL DEFAULT 'x'")
    cell.loaded("incremental_merge", "postgres")
    change(
        cell,
        "ALTER TABLE {table} DROP old",
        "ALTER TABLE {table} ADD added int",
        "UPDATE {table} SET added = 7, updated_at = '2024-03-02' WHERE id = 1",
    )
    cell.loaded("incremental_merge", "postgres")
    rows = {row[0]: row[1:] for row in cell.read("postgres", "id, old, added")}
    assert rows[1] == (None, 7)
    assert rows[2] == ("x", None)


def test_every_strategy_of_the_vocabulary_is_declared_one_way_or_another() -> None:
    engine = load_catalog().engines["dlt"]
    for sink in SINKS:
        route = engine.route("postgres", sink)
        assert route
        assert set(route.strategies) == set(Strategy)
