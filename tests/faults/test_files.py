"""File events of a load as crash points, and a kill right after one; real databases, real files."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path, PurePath

import duckdb
import pytest

from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.harness.faults.fault import NothingToDisturb, ToolMissing
from certification_pipeline.harness.faults.files import FileRecorder, KillAtFile
from certification_pipeline.harness.faults.inotify import Watch
from certification_pipeline.harness.faults.stable_names import stable_path
from tests.engines.conftest import Start, log_path, start
from tests.faults.arenas import Ring

__all__ = ["log_path", "start"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="inotify is Linux's")

NAMESPACE = "c_0123456789ab"


def addresses(recorder: FileRecorder) -> list[str]:
    return [point.address.removeprefix("files ") for point in recorder.points]


def record(ring: Ring, body: object) -> FileRecorder:
    recorder = FileRecorder()
    seen: list[object] = []
    with ring.disrupt(recorder, seen):  # type: ignore[arg-type]
        body()  # type: ignore[operator]
    assert seen == [{"boundaries": len(recorder.points)} if recorder.points else None]
    return recorder


@pytest.fixture
def files(tmp_path: Path) -> Ring:
    root = tmp_path / "sink"
    root.mkdir()
    return Ring(sink_files=root, namespace=NAMESPACE)


def test_what_is_made_renamed_and_deleted(files: Ring) -> None:
    root = files.sink_files
    assert root is not None
    deep = root / NAMESPACE / "orders" / "day=2024-01-31"
    deep.mkdir(parents=True)
    uuid = "3f2b8c1e-9a4d-4f6e-8b7a-1c2d3e4f5a6b"

    def load() -> None:
        for number in range(2):
            part = deep / f"part-{number:05}-{uuid}.parquet.tmp"
            part.write_bytes(b"rows")
            part.rename(part.with_suffix(""))
        (root / NAMESPACE / "orders" / "_SUCCESS").touch()
        deep.joinpath(f"part-00000-{uuid}.parquet").unlink()

    part = "orders/day=*/part-*.parquet"
    assert addresses(record(files, load)) == [
        f"created {part}.tmp #1",
        f"written {part}.tmp #1",
        f"renamed {part} #1",
        f"created {part}.tmp #2",
        f"written {part}.tmp #2",
        f"renamed {part} #2",
        "created orders/_SUCCESS #1",
        "written orders/_SUCCESS #1",
        f"deleted {part} #1",
    ]


def test_a_file_in_a_new_directory_is_told_once_however_fast_it_came(files: Ring) -> None:
    root = files.sink_files
    assert root is not None

    def load() -> None:
        for number in range(50):
            deep = root / NAMESPACE / f"t{number}" / "day=2024-01-31"
            deep.mkdir(parents=True)
            (deep / "rows.parquet").write_bytes(b"rows")

    name = "t*/day=*/rows.parquet"
    told = sorted(addresses(record(files, load)))
    assert told == sorted(f"{action} {name} #{n + 1}" for action in ("created", "written") for n in range(50))


def test_what_is_there_already_and_other_cells_are_not_told(files: Ring) -> None:
    root = files.sink_files
    assert root is not None
    (root / NAMESPACE).mkdir()
    (root / NAMESPACE / "old.parquet").write_text("old")
    (root / "c_ffffffffffff").mkdir()

    def load() -> None:
        (root / "c_ffffffffffff" / "theirs").write_text("x")
        (root / "another").write_text("x")
        (root / f"{NAMESPACE}_staging").mkdir()
        (root / NAMESPACE / "old.parquet").write_text("new")

    assert addresses(record(files, load)) == ["written old.parquet #1"]


def test_a_directory_that_comes_whole_is_one_boundary(files: Ring) -> None:
    root = files.sink_files
    assert root is not None
    (root / NAMESPACE).mkdir()
    aside = root.parent / "aside"
    aside.mkdir()
    (aside / "a").write_text("x")

    def load() -> None:
        aside.rename(root / NAMESPACE / "orders")

    assert addresses(record(files, load)) == ["renamed orders #1"]


def test_sqlites_journal_is_its_commit(tmp_path: Path) -> None:
    place = tmp_path / f"db_{NAMESPACE}.sqlite"
    ring = Ring(sink_files=place, namespace=NAMESPACE)

    def load() -> None:
        with closing(sqlite3.connect(place)) as connection:
            connection.execute("CREATE TABLE t (i int)")
            connection.execute("INSERT INTO t VALUES (1)")
            connection.commit()
        (tmp_path / "db_another.sqlite").write_text("x")

    first, again = addresses(record(ring, load)), []
    assert first[0] == "created db.sqlite #1"
    assert "created db.sqlite-journal #2" in first
    assert first.index("written db.sqlite #2") < first.index("deleted db.sqlite-journal #2")
    place.unlink()
    again = addresses(record(ring, load))
    assert again == first, "the same load has the same boundaries"


def test_sqlites_log_without_its_index(tmp_path: Path) -> None:
    place = tmp_path / f"db_{NAMESPACE}.sqlite"

    def load() -> None:
        with closing(sqlite3.connect(place)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("CREATE TABLE t (i int)")
            connection.commit()

    seen = addresses(record(Ring(sink_files=place, namespace=NAMESPACE), load))
    assert "created db.sqlite-wal #1" in seen
    assert not any("-shm" in address for address in seen)


def test_duckdbs_log_too(tmp_path: Path) -> None:
    place = tmp_path / f"db_{NAMESPACE}.duckdb"

    def load() -> None:
        with duckdb.connect(str(place)) as connection:
            connection.execute("CREATE TABLE t AS SELECT 1 AS i")

    seen = addresses(record(Ring(sink_files=place, namespace=NAMESPACE), load))
    assert "created db.duckdb.wal #1" in seen
    assert "deleted db.duckdb.wal #1" in seen


def test_nothing_written_nothing_recorded(files: Ring) -> None:
    assert addresses(record(files, lambda: None)) == []


def test_lost_events_are_no_recording(files: Ring, monkeypatch: pytest.MonkeyPatch) -> None:
    root = files.sink_files
    assert root is not None
    (root / NAMESPACE).mkdir()
    recorder = FileRecorder()
    seen: list[object] = []
    with files.disrupt(recorder, seen):  # type: ignore[arg-type]
        assert recorder._boundaries._watch is not None
        recorder._boundaries._watch.overflowed = True
        (root / NAMESPACE / "x").write_text("x")
    assert recorder.points
    assert seen == [None]


def test_no_files_and_no_linux(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NothingToDisturb):
        FileRecorder().arm(Ring().arena())
    monkeypatch.setattr(Watch, "available", staticmethod(lambda: False))
    with pytest.raises(ToolMissing) as missing:
        FileRecorder().arm(Ring(sink_files=tmp_path).arena())
    assert "Linux" in missing.value.remedy


WRITER = """
from pathlib import Path
for line in sys.stdin:
    ask = json.loads(line)
    if ask["type"] == "describe":
        out(type="described", protocol="1", engine="e", version="1")
        continue
    folder = Path(ask["selector"])
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(200):
        (folder / f"part-{number}").write_text("x" * 1000)
        time.sleep(0.005)
    result(ask["run_id"])
"""


def test_a_kill_at_a_boundary(files: Ring, start: Start) -> None:
    root = files.sink_files
    assert root is not None
    files.session = start(WRITER)
    files.session.describe()
    (root / NAMESPACE).mkdir()
    point = CrashPoint(number=1, medium="files", action="written", object="part-*", nth=5)
    seen = files.play(KillAtFile(point), selector=str(root / NAMESPACE))
    assert files.outcome is not None
    assert files.outcome.ended == "killed"
    assert seen is not None
    assert seen["after"] == point.address
    written = len(list((root / NAMESPACE).iterdir()))
    assert 5 <= written < 200
    further = seen["further_boundaries"]
    assert isinstance(further, int)
    assert written <= 5 + (further + 1) // 2, "every boundary it had reached is counted"


@pytest.mark.parametrize("nth", [201, 1000])
def test_a_boundary_that_does_not_come_is_no_witness(files: Ring, start: Start, nth: int) -> None:
    root = files.sink_files
    assert root is not None
    files.session = start(WRITER.replace("200", "20"))
    files.session.describe()
    point = CrashPoint(number=1, medium="files", action="written", object="part-*", nth=nth)
    assert files.play(KillAtFile(point), selector=str(root / NAMESPACE)) is None
    assert files.outcome is not None
    assert files.outcome.ended == "result"


@pytest.mark.parametrize(
    ("path", "seen"),
    [
        (f"{NAMESPACE}/orders/1732170000.123456.ab12cd34ef.parquet", "orders/*.parquet"),
        (f"{NAMESPACE}_1/orders/data_0.parquet", "orders/data_*.parquet"),
        (f"db_{NAMESPACE}.duckdb.wal", "db.duckdb.wal"),
        (f"{NAMESPACE}/t/_delta_log/00000000000000000003.json", "t/_delta_log/*.json"),
        (
            f"{NAMESPACE}/t/metadata/00002-3f2b8c1e-9a4d-4f6e-8b7a-1c2d3e4f5a6b.metadata.json",
            "t/metadata/*.metadata.json",
        ),
        (f"{NAMESPACE}/t/day=2024-01-31/tmpk3j_x9q2", "t/day=*/tmp*"),
    ],
)
def test_names_that_hold_in_the_next_run(path: str, seen: str) -> None:
    assert stable_path(PurePath(path)) == seen
