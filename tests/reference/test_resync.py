"""Replays: the scope becomes the source's, all else stays, the position does not move."""

from __future__ import annotations

from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory, ReplayKind, Strategy
from certification_pipeline.harness.engines.protocol import Error, Replay, RunRecord
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.resync import BY_KEY, BY_SLICE
from tests.reference.conftest import Pipeline, only

pytestmark = pytest.mark.integration

CREATE = "CREATE TABLE {t} (id bigint PRIMARY KEY, note text, updated_at timestamptz, day date)"
ROWS = """INSERT INTO {t} SELECT g, 'n' || g, '2024-01-01'::timestamptz + g * interval '1 hour',
    '2024-01-01'::date + (g % 4)::int FROM generate_series(1, 40) g"""
SLICE: dict[str, Any] = {
    "partition_column": "day",
    "partition_from": "2024-01-01",
    "partition_to": "2024-01-05",
}
WINDOW = Replay(kind=ReplayKind.WINDOW, run_id="r", column="day", start="2024-01-02", stop="2024-01-04")
PARTITION = Replay(kind=ReplayKind.PARTITION, run_id="r", column="day", start="2024-01-02")
KEYS = Replay(kind=ReplayKind.KEY_RANGE, run_id="r", column="id", start="9", stop="21")
RESUME = Replay(kind=ReplayKind.RESUME, run_id="r")
SCOPES = {"window": WINDOW, "partition": PARTITION, "keys": KEYS}


def options(strategy: Strategy) -> dict[str, Any]:
    return SLICE if strategy in BY_SLICE else {}


def loaded(pipeline: Pipeline, strategy: Strategy) -> Pipeline:
    """40 rows loaded; then, at the source only: updates, deletes, inserts and moves, in and out of scope."""
    pipeline.sql(CREATE, ROWS)
    pipeline.load(strategy, **options(strategy))
    late = "updated_at = '2024-03-01'"
    pipeline.sql(
        f"UPDATE {{t}} SET note = 'changed', {late} WHERE id IN (9, 10, 23, 24)",
        "DELETE FROM {t} WHERE id IN (13, 14, 27, 28)",
        "INSERT INTO {t} VALUES (41, 'new', '2024-03-02', '2024-01-02')",
        "INSERT INTO {t} VALUES (44, 'new', '2024-03-02', '2024-01-01')",
        f"UPDATE {{t}} SET day = '2024-01-01', {late} WHERE id = 17",
        f"UPDATE {{t}} SET day = '2024-01-02', {late} WHERE id = 20",
    )
    return pipeline


def contents(pipeline: Pipeline) -> dict[int, tuple[str, str]]:
    found: dict[int, tuple[str, str]] = {}
    for key, note, day in pipeline.rows("id, note, day"):
        assert key not in found, f"key {key} twice"
        found[key] = (note, str(day))
    return found


def source(pipeline: Pipeline) -> dict[int, tuple[str, str]]:
    query = f'SELECT id, note, day::text FROM "{pipeline.name}"'
    return {key: (note, day) for key, note, day in pipeline.databases.at_source.execute(query.encode())}


def inside(scope: Replay, key: int, row: tuple[str, str] | None) -> bool:
    assert scope.start is not None
    if row is None:
        return False
    if scope.kind is ReplayKind.PARTITION:
        return row[1] == scope.start
    assert scope.stop is not None
    if scope.kind is ReplayKind.KEY_RANGE:
        return int(scope.start) <= key < int(scope.stop)
    return scope.start <= row[1] < scope.stop


def resync(pipeline: Pipeline, strategy: Strategy, scope: Replay, defect: Defect | None = None) -> RunRecord:
    return pipeline.load(strategy, defect, replay=scope, **options(strategy))


@pytest.mark.parametrize("name", SCOPES)
@pytest.mark.parametrize("strategy", BY_KEY)
def test_by_key_every_key_in_scope_on_either_side_becomes_the_sources(
    to_postgres: Pipeline, strategy: Strategy, name: str
) -> None:
    scope = SCOPES[name]
    before = contents(loaded(to_postgres, strategy))
    truth = source(to_postgres)
    record = resync(to_postgres, strategy, scope)
    keys = {k for side in (before, truth) for k, row in side.items() if inside(scope, k, row)}
    expected = {k: row for k, row in before.items() if k not in keys}
    expected |= {k: truth[k] for k in keys if k in truth}
    assert contents(to_postgres) == expected
    assert record.state_after == record.state_before, "a position is about loads"
    again = resync(to_postgres, strategy, scope)
    assert (contents(to_postgres), again.loaded_rows, again.deleted_rows) == (expected, 0, 0)
    to_postgres.load(strategy)
    arrived = contents(to_postgres)
    assert {k: arrived[k] for k in truth} == truth, "the next load misses nothing outside of the scope"


@pytest.mark.parametrize("scope", [WINDOW, PARTITION])
@pytest.mark.parametrize("strategy", BY_SLICE)
def test_by_slice_the_scope_is_replaced(to_postgres: Pipeline, strategy: Strategy, scope: Replay) -> None:
    loaded(to_postgres, strategy)
    before = to_postgres.rows("id, note, day")
    resync(to_postgres, strategy, scope)
    for _ in range(2):
        after = set(to_postgres.rows("id, note, day"))
        outside = {row for row in before if not inside(scope, row[0], (row[1], str(row[2])))}
        wanted = {(k, *row) for k, row in source(to_postgres).items() if inside(scope, k, row)}
        assert {(k, n, str(d)) for k, n, d in after - outside} == wanted
        assert outside <= after
        resync(to_postgres, strategy, scope)


@pytest.mark.parametrize(
    "strategy", [Strategy.INCREMENTAL_MERGE, Strategy.PARTITION_REPLACE, Strategy.FULL_REFRESH]
)
def test_every_sink(pipeline: Pipeline, strategy: Strategy) -> None:
    loaded(pipeline, strategy)
    resync(pipeline, strategy, PARTITION)
    truth = {(k, *row) for k, row in source(pipeline).items() if row[1] == "2024-01-02"}
    rows = [(k, note, str(day)) for k, note, day in pipeline.rows("id, note, day")]
    assert {row for row in rows if row[2] == "2024-01-02"} == truth
    assert (13, "n13", "2024-01-02") not in rows
    assert (27, "n27", "2024-01-04") in rows, "deleted at the source, and outside of the scope"


@only("postgres", "duckdb")
def test_a_failed_resync_leaves_the_sink_as_it_was(pipeline: Pipeline) -> None:
    loaded(pipeline, Strategy.SNAPSHOT_DIFF)
    before = contents(pipeline)
    pipeline.sql("ALTER TABLE {t} ALTER COLUMN note TYPE text[] USING ARRAY[note]")
    assert isinstance(pipeline.attempt(Strategy.SNAPSHOT_DIFF, replay=WINDOW), Error)
    assert contents(pipeline) == before


@pytest.mark.parametrize(
    ("strategy", "scope", "category", "says"),
    [
        (Strategy.SCD2, WINDOW, FailureCategory.UNSUPPORTED, "history"),
        (Strategy.INCREMENTAL_APPEND, WINDOW, FailureCategory.UNSUPPORTED, "log of versions"),
        (Strategy.PARTITION_REPLACE, KEYS, FailureCategory.UNSUPPORTED, "knows no keys"),
        (
            Strategy.XMIN,
            WINDOW.model_copy(update={"start": "2024-01-04"}),
            FailureCategory.CONFIGURATION,
            "empty",
        ),
        (Strategy.XMIN, KEYS.model_copy(update={"start": "30"}), FailureCategory.CONFIGURATION, "empty"),
        (Strategy.XMIN, KEYS.model_copy(update={"start": "a"}), FailureCategory.CONFIGURATION, "integers"),
        (Strategy.XMIN, WINDOW.model_copy(update={"stop": None}), FailureCategory.CONFIGURATION, "stop"),
        (Strategy.XMIN, WINDOW.model_copy(update={"column": "nope"}), FailureCategory.SCHEMA, "nope"),
        (
            Strategy.REPLACE,
            WINDOW.model_copy(update={"stop": "2024-01-09"}),
            FailureCategory.CONFIGURATION,
            "slice",
        ),
    ],
)
def test_what_cannot_be_resynced_is_an_error(
    to_postgres: Pipeline, strategy: Strategy, scope: Replay, category: FailureCategory, says: str
) -> None:
    loaded(to_postgres, strategy)
    before = to_postgres.rows("id, note", "1, 2")
    last = to_postgres.attempt(strategy, replay=scope, **options(strategy))
    assert isinstance(last, Error)
    assert last.category is category
    assert says in last.message
    assert to_postgres.rows("id, note", "1, 2") == before


@pytest.mark.parametrize("scope", [WINDOW, RESUME])
def test_nothing_to_replay_before_the_first_load(to_postgres: Pipeline, scope: Replay) -> None:
    to_postgres.sql(CREATE, ROWS)
    last = to_postgres.attempt(Strategy.XMIN, replay=scope)
    assert isinstance(last, Error)
    assert last.category is FailureCategory.STATE


def test_resume_goes_on_from_the_checkpoint(to_postgres: Pipeline) -> None:
    loaded(to_postgres, Strategy.INCREMENTAL_MERGE)
    to_postgres.load(Strategy.INCREMENTAL_MERGE, replay=RESUME)
    arrived = contents(to_postgres)
    assert {k: arrived[k] for k in source(to_postgres)} == source(to_postgres)


@pytest.mark.parametrize("defect", [None, *(d for d in Defect if d.startswith("replay_"))])
def test_each_planted_defect_is_visible(to_postgres: Pipeline, defect: Defect | None) -> None:
    loaded(to_postgres, Strategy.INCREMENTAL_MERGE)
    to_postgres.databases.at_sink.execute(
        f"INSERT INTO \"out\".\"{to_postgres.name}\" VALUES (900, 'x', NULL, '2024-01-01')".encode()
    )
    resync(to_postgres, Strategy.INCREMENTAL_MERGE, PARTITION, defect)
    rows = to_postgres.rows("id, note")
    keys = [key for key, _ in rows]
    seen = {
        Defect.REPLAY_WIDENS_SCOPE: 900 not in keys,
        Defect.REPLAY_APPENDS: len(keys) > len(set(keys)),
        Defect.REPLAY_DOES_NOTHING: (9, "changed") not in rows,
    }
    if defect is not Defect.REPLAY_MOVES_STATE:
        assert {name for name, there in seen.items() if there} == ({defect} if defect else set())
        return
    to_postgres.load(Strategy.INCREMENTAL_MERGE)
    assert (23, "n23") in to_postgres.rows("id, note"), "the next load passes by what changed outside"
