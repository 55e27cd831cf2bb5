"""One transaction over PostgreSQL and Parquet, killed at every boundary there is: all of it or nothing."""

from __future__ import annotations

import itertools
import multiprocessing
import signal
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from psycopg import errors

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error, Phase, Result
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.engine import run_load
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sinks.parquet_files import VersionedTable
from certification_pipeline.reference.two_phase.log import Decision, DecisionLog
from tests.reference.conftest import Databases, Pipeline
from tests.reference.dying import NEVER, PIPELINE, Place, coordinating, dies, transact

pytestmark = pytest.mark.integration

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.reference.dying"])
NUMBERS = itertools.count(1)
BOUNDARIES = 16
"""Before and after: begin, two prepares, prepared, decided, two commits, done."""
AFTER_BEGIN, AFTER_FIRST_PREPARE, AFTER_PREPARED, AFTER_DECIDED, AFTER_FIRST_COMMIT = 2, 4, 8, 10, 12


@pytest.fixture
def place(databases: Databases, tmp_path: Path) -> Place:
    return Place(databases.sink, tmp_path, f"two{next(NUMBERS)}")


def killed(place: Place, row: int, boundary: int, defect: Defect | None = None) -> bool:
    process = PROCESSES.Process(target=dies, args=(place, row, boundary, defect))
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode != 0


def decision(place: Place) -> Decision | None:
    """What the log says of the last transaction, without writing to it."""
    last = place.log.read_bytes().rpartition(b'"event":"begin"')[2] if place.log.exists() else b""
    return Decision.COMMIT if b'"decision":"commit"' in last else None


def rows(place: Place, databases: Databases) -> tuple[list[int], list[int]]:
    try:
        found = databases.at_sink.execute(f'SELECT id FROM two."{place.name}" ORDER BY 1'.encode()).fetchall()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        found = []
    files = sorted((place.folder / "lake" / place.name).glob("*.parquet"))
    return [row for (row,) in found], sorted(
        i for file in files for i in pq.read_table(file)["id"].to_pylist()
    )


def hanging(place: Place, databases: Databases) -> list[str]:
    """What waits in both places, by looking, not by asking the participants."""
    found = databases.at_sink.execute("SELECT gid FROM pg_prepared_xacts").fetchall()
    return [*(gid for (gid,) in found), *(p.name for p in place.folder.glob("lake/.prepared/*/*"))]


def recover(place: Place, defect: Defect | None = None) -> None:
    with coordinating(place, defect) as (coordinator, _, _):
        coordinator.resolve()
        coordinator.sweep(PIPELINE)


def clear(databases: Databases) -> None:
    for (gid,) in databases.at_sink.execute("SELECT gid FROM pg_prepared_xacts").fetchall():
        databases.at_sink.execute(f"ROLLBACK PREPARED '{gid}'".encode())


@pytest.mark.nightly
def test_killed_at_every_boundary_it_is_all_or_nothing_as_the_log_says(
    place: Place, databases: Databases
) -> None:
    there: list[int] = []
    for boundary in range(1, BOUNDARIES + 1):
        assert killed(place, boundary, boundary), f"it outlived boundary {boundary}"
        if decision(place) is Decision.COMMIT:
            there.append(boundary)
        recover(place)
        assert rows(place, databases) == (there, there), boundary
        assert not hanging(place, databases), boundary
        recover(place)  # again: nothing is reversed
        assert rows(place, databases) == (there, there), boundary
    assert there == list(range(AFTER_DECIDED, BOUNDARIES + 1))
    assert not killed(place, NEVER, NEVER), "there are as many boundaries as were counted"


def test_a_lost_log_means_abort_and_leaves_nothing(place: Place, databases: Databases) -> None:
    transact(place, 1)
    assert killed(place, 2, AFTER_PREPARED)
    assert len(hanging(place, databases)) == 2
    place.log.unlink()
    recover(place)
    assert not hanging(place, databases)
    assert rows(place, databases) == ([1], [1])
    transact(place, 3)
    assert rows(place, databases) == ([1, 3], [1, 3])


def test_another_pipelines_transaction_is_left_alone_and_stands_in_the_way(
    place: Place, databases: Databases
) -> None:
    assert killed(place, 1, AFTER_PREPARED)
    place.log.unlink()
    with coordinating(place) as (coordinator, postgres, parquet):
        coordinator.resolve()
        coordinator.sweep("another")
        assert len(hanging(place, databases)) == 2
        for sink in (postgres, parquet):
            with pytest.raises(LoadError) as caught:
                sink.begin()
            assert caught.value.category is FailureCategory.CONFLICT
            sink.rollback()
    recover(place)


def test_an_opposite_decision_that_comes_later_reverses_nothing(place: Place, databases: Databases) -> None:
    assert killed(place, 1, AFTER_PREPARED)
    with coordinating(place) as (coordinator, _, _):
        for participant in coordinator._participants.values():
            [gid] = participant.prepared()
            assert participant.commit(gid)
            assert not participant.commit(gid)
            participant.abort(gid)
    assert rows(place, databases) == ([1], [1])


RED = {
    # dies where, and what is then wrong: (rows are all or nothing as decided, nothing hangs)
    Defect.PREPARE_IN_NAME_ONLY: (AFTER_DECIDED, (False, True)),
    Defect.DECIDE_AFTER_COMMIT: (AFTER_FIRST_COMMIT - 2, (False, True)),
    Defect.FORGET_TO_RESOLVE: (AFTER_PREPARED, (True, False)),
    Defect.COMMIT_IN_DOUBT: (AFTER_PREPARED, (False, True)),
    Defect.LEAVE_PREPARED_BEHIND: (AFTER_FIRST_PREPARE, (True, False)),
}


@pytest.mark.parametrize("defect", RED)
def test_each_defect_is_seen(place: Place, databases: Databases, defect: Defect) -> None:
    boundary, expected = RED[defect]
    assert killed(place, 1, boundary, defect)
    visible = [1] if decision(place) is Decision.COMMIT else []
    try:
        recover(place, defect)
        nothing_hangs = not hanging(place, databases)
        if nothing_hangs:
            assert (rows(place, databases) == (visible, visible), nothing_hangs) == expected
        else:
            assert expected == (True, False)
    finally:
        clear(databases)


def test_a_no_from_one_participant_leaves_nothing_at_the_other(place: Place, databases: Databases) -> None:
    transact(place, 1)
    with coordinating(place) as (coordinator, postgres, parquet):
        for sink in (postgres, parquet):
            sink.begin()
            sink.run(f"INSERT INTO {sink.target} VALUES (2)")
        (parquet.files.versions / "2").mkdir()
        (parquet.files.versions / "2" / "in_the_way").touch()
        VersionedTable.new_version, kept = _refuses, VersionedTable.new_version  # type: ignore[method-assign]
        try:
            with pytest.raises(OSError, match="no space"):
                coordinator.settle(PIPELINE)
        finally:
            VersionedTable.new_version = kept  # type: ignore[method-assign]
    assert not hanging(place, databases)
    assert rows(place, databases) == ([1], [1])
    recover(place)
    with DecisionLog(place.log) as log:
        assert not log.pending()


def _refuses(table: VersionedTable) -> Path:
    raise OSError(28, "no space left on device")


@pytest.mark.parametrize("system", ["postgres", "parquet"])
@pytest.mark.parametrize(
    "strategy", [Strategy.FULL_REFRESH, Strategy.INCREMENTAL_APPEND, Strategy.INCREMENTAL_MERGE]
)
def test_loads_are_committed_in_two_phases(
    databases: Databases, tmp_path: Path, system: str, strategy: Strategy
) -> None:
    pipeline = Pipeline(databases, system, tmp_path)
    pipeline.sql(
        "CREATE TABLE {t} (id int PRIMARY KEY, updated_at timestamptz)",
        "INSERT INTO {t} SELECT g, '2024-01-01' FROM generate_series(1, 10) g",
    )
    for more in range(2):
        pipeline.events.clear()
        run_load(pipeline.request(strategy), pipeline.events.append, two_phase=True)
        last = pipeline.events[-1]
        assert isinstance(last, Result), last
        assert last.record.engine == "reference_two_phase"
        phases = [event.phase for event in pipeline.events if isinstance(event, Phase)]
        assert phases[-3:] == ["prepare", "decide", "commit"]
        pipeline.sql(f"INSERT INTO {{t}} VALUES ({100 + more}, '2024-02-0{more + 1}')")
    assert len(pipeline.rows()) == 11


def test_a_sink_that_cannot_prepare_is_refused(databases: Databases, tmp_path: Path) -> None:
    pipeline = Pipeline(databases, "sqlite", tmp_path)
    pipeline.sql("CREATE TABLE {t} (id int PRIMARY KEY, updated_at timestamptz)")
    run_load(pipeline.request(Strategy.FULL_REFRESH), pipeline.events.append, two_phase=True)
    last = pipeline.events[-1]
    assert isinstance(last, Error)
    assert last.category is FailureCategory.UNSUPPORTED
