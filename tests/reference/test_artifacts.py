"""Canonical artifacts: all carry the same rows; what rests on disk is verified before it is loaded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import FailureCategory, Strategy
from certification_pipeline.harness.engines.protocol import Error
from certification_pipeline.reference import rounds
from certification_pipeline.reference.artifacts import (
    FileExport,
    InMemoryRows,
    LocalObjectStore,
    ObjectStorageStagingManifest,
    PartitionedFileExport,
    StagedObject,
    StagedObjects,
    _whole_rows,
    csv_row,
    read_manifest,
    write_file,
)
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.sources.postgres import count_rows
from tests.reference.conftest import Pipeline

KINDS = ["memory", "stream", "file", "partitioned_files", "object_storage"]
CREATE = (
    "CREATE TABLE {t} (id bigint PRIMARY KEY, s text, n numeric(38,10), updated_at timestamptz DEFAULT now())"
)
ROWS = """INSERT INTO {t} SELECT g, CASE g % 4 WHEN 0 THEN NULL WHEN 1 THEN '' WHEN 2 THEN E'a\\n"b",\\\\N'
    ELSE 'x' || g END, g / 7.0 FROM generate_series(1, 2000) g"""


@pytest.mark.integration
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("sink_system", ["postgres", "parquet"])
def test_every_kind_carries_the_same_rows(
    databases: Any, tmp_path: Path, sink_system: str, kind: str
) -> None:
    pipeline = Pipeline(databases, sink_system, tmp_path)
    pipeline.sql(CREATE, ROWS)
    record = pipeline.load(Strategy.FULL_REFRESH, artifact=kind, batch_rows=300)
    assert (record.extracted_rows, record.staged_rows, record.final_rows) == (2000, 2000, 2000)
    found = pipeline.rows("id, s, n")
    assert found[1][1:] == ('a\n"b",\\N', found[1][2])
    assert [row[1] for row in found[:5]] == ["", 'a\n"b",\\N', "x3", None, ""]
    assert str(found[6][2]) == "1.0000000000"
    assert not (tmp_path / "state" / "artifacts").exists(), "cleaned up"


@pytest.mark.integration
def test_artifacts_are_kept_when_asked(to_postgres: Pipeline) -> None:
    to_postgres.sql(CREATE, ROWS)
    to_postgres.load(
        Strategy.FULL_REFRESH, artifact="object_storage", batch_rows=900, staging_retention="keep"
    )
    folder = to_postgres.folder / "state" / "artifacts"
    manifest = read_manifest(folder / "manifest.json")
    assert manifest.columns == ("id", "s", "n", "updated_at")
    assert [item.rows for item in manifest.objects] == [900, 900, 200]
    for item in manifest.objects:
        data = (folder / item.key).read_bytes()
        assert len(data) == item.size
        assert count_rows(data) == item.rows


def harm_flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def harm_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


HARMS: list[Callable[[Path], None]] = [harm_flip, harm_cut, Path.unlink]


@pytest.mark.integration
@pytest.mark.parametrize("harm", HARMS)
@pytest.mark.parametrize("kind", ["file", "partitioned_files", "object_storage"])
def test_a_harmed_file_is_refused_and_nothing_is_loaded(
    to_postgres: Pipeline, kind: str, harm: Callable[[Path], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    to_postgres.sql(CREATE, ROWS)
    to_postgres.load(Strategy.FULL_REFRESH)
    to_postgres.sql("DELETE FROM {t} WHERE id > 1000")
    stage = rounds.Attempt.stage

    def harmed(self: rounds.Attempt, extract: Any, becomes_target: bool) -> Any:
        harm(min(self.folder.rglob("*.csv")))
        return stage(self, extract, becomes_target)

    monkeypatch.setattr(rounds.Attempt, "stage", harmed)
    answer = to_postgres.attempt(Strategy.FULL_REFRESH, artifact=kind, batch_rows=300)
    assert isinstance(answer, Error)
    assert answer.category is FailureCategory.DATA
    assert ".csv" in answer.message
    assert len(to_postgres.rows("id", "1")) == 2000


def staged(tmp_path: Path) -> tuple[Path, Any]:
    size, sha256 = write_file(tmp_path / "a.csv", [csv_row(("1", None)), csv_row(("2", ""))])
    return tmp_path / "a.csv", {"key": "a.csv", "size": size, "sha256": sha256, "rows": 2}


def test_a_manifest_cannot_point_outside_its_store(tmp_path: Path) -> None:
    _, item = staged(tmp_path)
    store = LocalObjectStore(tmp_path / "inner")
    manifest = ObjectStorageStagingManifest(
        run_id="r", columns=("a", "b"), objects=(StagedObject(**{**item, "key": "../a.csv"}),)
    )
    with pytest.raises(LoadError, match="outside"):
        list(StagedObjects(manifest, store).blocks())


@pytest.mark.parametrize(
    ("field", "value"), [("sha256", "00"), ("size", -1), ("rows", "many"), ("key", None)]
)
def test_a_malformed_manifest_names_its_field(tmp_path: Path, field: str, value: Any) -> None:
    _, item = staged(tmp_path)
    document = {"run_id": "r", "columns": ["a"], "objects": [{**item, field: value}]}
    (tmp_path / "manifest.json").write_text(json.dumps(document))
    with pytest.raises(LoadError, match=rf"manifest\.json: objects\.0\.{field}"):
        read_manifest(tmp_path / "manifest.json")


def test_no_block_is_yielded_before_all_files_are_verified(tmp_path: Path) -> None:
    path, item = staged(tmp_path)
    good = FileExport(path, item["size"], item["sha256"])
    bad = FileExport(path, item["size"], "0" * 64)
    with pytest.raises(LoadError, match="checksum"):
        next(PartitionedFileExport((good, bad)).blocks())


texts = st.one_of(st.none(), st.text(alphabet=st.sampled_from('a,"\n\r\\ é'), max_size=6))
rows = st.lists(st.tuples(texts, texts), max_size=30)


@given(rows, st.integers(1, 9), st.integers(1, 7))
def test_blocks_hold_whole_rows_wherever_they_are_cut(
    tmp_path_factory: pytest.TempPathFactory, data: list[Any], block: int, batch: int
) -> None:
    path = tmp_path_factory.mktemp("cut") / "x.csv"
    whole = b"".join(InMemoryRows(tuple(data), batch).blocks())
    path.write_bytes(whole)
    blocks = list(_whole_rows(path, block))
    assert b"".join(blocks) == whole
    assert sum(map(count_rows, blocks)) == len(data)
    assert all(part.endswith(b"\n") and part.count(b'"') % 2 == 0 for part in blocks)


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    def broken() -> Any:
        yield b"half"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_file(tmp_path / "a.csv", broken())
    assert list(tmp_path.iterdir()) == []
