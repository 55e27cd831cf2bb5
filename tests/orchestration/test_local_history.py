"""Dagster's event log with its files kept open: the same files, told as before, and nobody left behind."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa
import yaml
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage

from certification_pipeline.orchestration.local_history import MOST_OPEN, KeptEventLog

ROOT = Path(__file__).parents[2]
WAIT = 60.0


def said(text: str, run: str = "r1") -> dg.EventLogEntry:
    return dg.EventLogEntry(
        error_info=None, level=20, user_message=text, run_id=run, timestamp=1.0, dagster_event=None
    )


def read(log: SqliteEventLogStorage, run: str = "r1") -> list[str]:
    return [entry.user_message for entry in log.get_logs_for_run(run)]


def held(place: Path) -> set[str]:
    """Names of the files below that this process holds open."""
    links = [one for one in Path("/proc/self/fd").iterdir() if one.is_symlink()]
    found = (str(one.readlink()) for one in links if one.exists())
    return {name.removeprefix(f"{place}/") for name in found if name.startswith(f"{place}/")}


@pytest.fixture
def log(tmp_path: Path) -> Iterator[KeptEventLog]:
    made = KeptEventLog(str(tmp_path))
    yield made
    made.dispose()


def test_dagsters_own_storage_reads_what_was_written_and_goes_on_with_it(
    log: KeptEventLog, tmp_path: Path
) -> None:
    log.store_event(said("one"))
    dagsters = SqliteEventLogStorage(str(tmp_path))
    assert read(dagsters) == ["one"]
    dagsters.store_event(said("two"))
    assert read(log) == ["one", "two"]
    log.dispose()
    assert read(log) == ["one", "two"]


def test_who_follows_a_run_is_told_though_its_file_stays_open(log: KeptEventLog, tmp_path: Path) -> None:
    """SQLite writes into a file beside it, which Dagster does not watch."""
    log.store_event(said("before"))
    found: list[str] = []
    told = threading.Event()

    def tell(entry: dg.EventLogEntry, cursor: str) -> None:
        found.append(entry.user_message)
        if entry.user_message == "after":
            told.set()

    follower = SqliteEventLogStorage(str(tmp_path))
    follower.watch("r1", None, tell)
    try:
        assert read(log) == ["before"]
        log.store_event(said("after"))
        assert told.wait(WAIT)
        assert found == ["before", "after"]
    finally:
        follower.dispose()


def test_files_are_kept_open_but_never_many(log: KeptEventLog, tmp_path: Path) -> None:
    log.store_event(said("one"))
    assert "r1.db" in held(tmp_path)
    for number in range(3 * MOST_OPEN):
        log.store_event(said("one", f"r{number}"))
    assert len({name for name in held(tmp_path) if name.endswith(".db")}) <= MOST_OPEN
    assert read(log) == ["one", "one"]
    log.dispose()
    assert held(tmp_path) == set()


def test_a_file_that_another_process_removed_is_made_anew(log: KeptEventLog, tmp_path: Path) -> None:
    """As `prune_history` does, and Dagster's own wipe: what was open is nobody's any more."""
    log.store_event(said("one"))
    for path in tmp_path.glob("r1.db*"):
        path.unlink()
    assert read(log) == []
    log.store_event(said("two"))
    assert read(SqliteEventLogStorage(str(tmp_path))) == ["two"]


def test_what_failed_or_was_read_in_part_is_in_nobodys_way(log: KeptEventLog, tmp_path: Path) -> None:
    """As when each statement has a connection of its own: nobody reads what was, nobody waits."""
    for text in ("one", "two"):
        log.store_event(said(text))
    left = []

    def breaks() -> None:
        with log.run_connection("r1") as connection:
            result = connection.execute(sa.text("SELECT id FROM event_logs"))
            left.append((result, result.fetchone()))
            raise RuntimeError("broke")

    with pytest.raises(RuntimeError, match="broke"):
        breaks()
    SqliteEventLogStorage(str(tmp_path)).store_event(said("three"))
    log.store_event(said("four"))
    assert read(log) == ["one", "two", "three", "four"]


def test_what_a_killed_process_wrote_is_there(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from tests.orchestration.test_local_history import KeptEventLog, said\n"
        "KeptEventLog(sys.argv[1]).store_event(said('last words'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, check=False)
    assert done.returncode < 0
    assert read(SqliteEventLogStorage(str(tmp_path))) == ["last words"]


def test_it_is_what_dagster_yaml_names(tmp_path: Path) -> None:
    shipped = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    shipped["storage"]["custom"]["config"]["base_dir"] = str(tmp_path / "storage")
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"storage": shipped["storage"]}))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert isinstance(instance.event_log_storage, KeptEventLog)
        # As a code server and a run's process get it.
        with dg.DagsterInstance.from_ref(instance.get_ref()) as other:
            assert isinstance(other.event_log_storage, KeptEventLog)
