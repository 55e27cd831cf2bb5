"""Lakehouse tables as an outside reader sees them: the table and nothing else; what is broken is told."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from certification_pipeline.harness.oracle.oracle import SinkView
from certification_pipeline.harness.oracle.readers.opening import Missing, open_table
from certification_pipeline.harness.oracle.terms import Unreadable

from .lakes import HudiTable, add_delete_file, iceberg_table, write_delta

SYSTEMS = ("delta", "iceberg", "hudi")


def numbered(start: int, stop: int, text: str = "a") -> pa.Table:
    ids = list(range(start, stop))
    return pa.table({"id": pa.array(ids, pa.int64()), "note": pa.array([f"{text}{n}" for n in ids])})


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "root" / "ns" / "t"


def view(system: str, directory: Path) -> SinkView:
    return SinkView(system, str(directory.parents[1]), directory.parent.name, directory.name, {})


def read(system: str, directory: Path) -> dict[int, str]:
    """Ids and notes; every id must be there once."""
    with open_table(view(system, directory)) as table:
        assert table.columns() == ("id", "note")
        pairs = [
            pair
            for part in table.batches(["id", "note"])
            for pair in zip(*part.to_pydict().values(), strict=True)
        ]
    assert len(dict(pairs)) == len(pairs)
    return dict(pairs)


def refusal(system: str, directory: Path) -> str:
    with pytest.raises(Unreadable) as caught:
        read(system, directory)
    assert "\n" not in str(caught.value)
    assert not isinstance(caught.value, Missing)
    return str(caught.value)


@pytest.mark.parametrize("system", SYSTEMS)
def test_what_is_not_there_is_missing_and_what_is_no_table_is_told(system: str, directory: Path) -> None:
    with pytest.raises(Missing), open_table(view(system, directory)):
        pass
    directory.mkdir(parents=True)
    pq.write_table(numbered(0, 3), directory / "stray.parquet")
    assert re.search("no (Delta|Iceberg|Hudi) table", refusal(system, directory))


class TestDelta:
    def test_versions_removals_and_partitions(self, directory: Path) -> None:
        write_delta(directory, numbered(0, 4))
        write_delta(directory, numbered(2, 6, "b"), mode="overwrite")
        write_delta(directory, numbered(6, 8), mode="append")
        assert read("delta", directory) == {2: "b2", 3: "b3", 4: "b4", 5: "b5", 6: "a6", 7: "a7"}
        shutil.rmtree(directory)
        write_delta(directory, numbered(0, 3, "x /%=ü"), partition_by=["note"])
        assert read("delta", directory) == {n: f"x /%=ü{n}" for n in range(3)}

    def test_types_are_the_schemas(self, directory: Path) -> None:
        rows = numbered(0, 1).append_column("d", pa.array([1]).cast(pa.decimal128(38, 10)))
        write_delta(directory, rows.append_column("l", pa.array([[1]])))
        with open_table(view("delta", directory)) as table:
            kinds = {name: next(iter(kind)) for name, kind in table.physical().items()}
        assert kinds == {"id": "long", "note": "string", "d": "decimal", "l": "array<long>"}

    def test_a_log_that_was_checkpointed_cleaned_and_vacuumed(self, directory: Path) -> None:
        from deltalake import DeltaTable

        for n in range(4):
            write_delta(directory, numbered(n, n + 1), mode="append")
        table = DeltaTable(directory)
        table.delete("id = 1")
        table.create_checkpoint()
        write_delta(directory, numbered(9, 10), mode="append")
        DeltaTable(directory).vacuum(0, dry_run=False, enforce_retention_duration=False)
        for number in range(3):
            (directory / "_delta_log" / f"{number:020}.json").unlink()
        assert sorted(read("delta", directory)) == [0, 2, 3, 9]

    def test_a_file_that_no_commit_names_is_not_read(self, directory: Path) -> None:
        write_delta(directory, numbered(0, 2))
        pq.write_table(numbered(5, 6), directory / "part-99999.parquet")
        assert sorted(read("delta", directory)) == [0, 1]

    @pytest.mark.parametrize(
        ("edit", "told"),
        [
            (lambda log: log.replace('"format":{"provider":"parquet","options":{}},', ""), "has no `format`"),
            (lambda log: log[: len(log) // 2], "no JSON"),
            (lambda log: log.replace('numRecords\\":3', 'numRecords\\":2'), "counts 2 rows, the file has 3"),
            (
                lambda log: log.replace('maxValues\\":{\\"id\\":2', 'maxValues\\":{\\"id\\":1'),
                "readers that filter lose",
            ),
            (
                lambda log: re.sub(
                    r'"stats":"((?:[^"\\]|\\.)*)"', lambda m: '"stats":' + json.loads(f'"{m[1]}"'), log
                ),
                "cannot read it|has a string",
            ),
            (lambda log: re.sub(r'"path":"', '"path":"gone-', log), "is not there"),
        ],
        ids=["no format", "torn", "row count", "bounds", "stats no string", "no file"],
    )
    def test_what_breaks_the_protocol_is_told(
        self, directory: Path, edit: Callable[[str], str], told: str
    ) -> None:
        write_delta(directory, numbered(0, 3))
        log = directory / "_delta_log" / f"{0:020}.json"
        text = log.read_text()
        edited = edit(_ordered(text))
        assert edited != _ordered(text)
        log.write_text(edited)
        assert re.search(told, refusal("delta", directory))

    def test_a_gap_in_the_log(self, directory: Path) -> None:
        for n in range(3):
            write_delta(directory, numbered(n, n + 1), mode="append")
        (directory / "_delta_log" / f"{1:020}.json").unlink()
        assert "misses version 1" in refusal("delta", directory)
        (directory / "_delta_log" / f"{0:020}.json").unlink()
        (directory / "_delta_log" / f"{2:020}.json").unlink()
        assert "neither a commit nor a checkpoint" in refusal("delta", directory)


def _ordered(log: str) -> str:
    """The log with the bounds of `id` first, so that a test can name them."""
    lines = [json.loads(line) for line in log.splitlines()]
    for line in lines:
        if "add" in line:
            stats = json.loads(line["add"]["stats"])
            for bounds in ("minValues", "maxValues"):
                stats[bounds] = {"id": stats[bounds]["id"], **stats[bounds]}
            line["add"]["stats"] = json.dumps(stats, separators=(",", ":"))
    return "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)


class TestIceberg:
    def test_the_newest_metadata_counts_and_deletes_are_applied(self, directory: Path) -> None:
        table = iceberg_table(directory, numbered(0, 5))
        table.append(numbered(5, 7))
        table.delete("id = 3")
        assert sorted(read("iceberg", directory)) == [0, 1, 2, 4, 5, 6]
        table.overwrite(numbered(1, 3, "b"))
        assert read("iceberg", directory) == {1: "b1", 2: "b2"}
        with open_table(view("iceberg", directory)) as opened:
            assert opened.physical() == {"id": frozenset({"long"}), "note": frozenset({"string"})}

    def test_more_than_nine_commits(self, directory: Path) -> None:
        table = iceberg_table(directory, numbered(0, 1))
        for n in range(1, 11):
            table.append(numbered(n, n + 1))
        assert sorted(read("iceberg", directory)) == list(range(11))

    def test_two_metadata_files_of_one_version(self, directory: Path) -> None:
        iceberg_table(directory, numbered(0, 1))
        newest = max((directory / "metadata").glob("*.metadata.json"))
        shutil.copy(newest, newest.with_name(newest.name[:6] + "other.metadata.json"))
        assert "2 metadata files are of version 1" in refusal("iceberg", directory)

    @pytest.mark.parametrize("suffix", [".metadata.json", ".avro", ".parquet"])
    def test_broken_files_are_told(self, directory: Path, suffix: str) -> None:
        iceberg_table(directory, numbered(0, 1))
        for file in directory.rglob(f"*{suffix}"):
            file.write_bytes(b"{}")
        assert "pyiceberg cannot read it" in refusal("iceberg", directory)

    def test_equality_deletes_are_refused_not_ignored(self, directory: Path) -> None:
        from pyiceberg.manifest import DataFileContent

        table = iceberg_table(directory, numbered(0, 2))
        add_delete_file(table, DataFileContent.EQUALITY_DELETES)
        assert "equality" in refusal("iceberg", directory).lower()

    def test_positional_deletes_are_applied(self, directory: Path) -> None:
        from pyiceberg.manifest import DataFileContent

        table = iceberg_table(directory, numbered(0, 3))
        add_delete_file(table, DataFileContent.POSITION_DELETES)
        assert sorted(read("iceberg", directory)) == [0, 2]


class TestHudi:
    def test_the_newest_committed_slice_of_each_group(self, directory: Path) -> None:
        table = HudiTable(directory)
        table.commit({"f1": numbered(0, 3), "f2": numbered(3, 5)})
        table.commit({"f1": numbered(0, 2, "b")})
        table.commit({"f2": numbered(7, 9)}, done=False)
        assert read("hudi", directory) == {0: "b0", 1: "b1", 3: "a3", 4: "a4"}

    def test_replaced_groups_partitions_and_archived_commits(self, directory: Path) -> None:
        table = HudiTable(directory)
        first = table.commit({"f1": numbered(0, 3)}, partition="day=1")
        table.commit({"f2": numbered(3, 5)}, partition="day=2")
        assert sorted(read("hudi", directory)) == [0, 1, 2, 3, 4]
        for file in table.meta.glob(f"{first}*"):
            file.unlink()
        assert sorted(read("hudi", directory)) == [0, 1, 2, 3, 4]
        table.commit(
            {"f3": numbered(3, 4, "c")}, partition="day=2", action="replacecommit", replaced={"day=2": ["f2"]}
        )
        assert read("hudi", directory) == {0: "a0", 1: "a1", 2: "a2", 3: "c3"}

    def test_the_layout_of_version_8(self, directory: Path) -> None:
        table = HudiTable(directory, **{"hoodie.table.version": "8", "hoodie.timeline.layout.version": "2"})
        instant = table.commit({"f1": numbered(0, 3)})
        open_one = table.commit({"f1": numbered(0, 1)}, done=False)
        (table.meta / "timeline").mkdir()
        for file in list(table.meta.glob("20*")):
            name = f"{instant}_{instant}.commit" if file.name == f"{instant}.commit" else file.name
            file.rename(table.meta / "timeline" / name)
        assert sorted(read("hudi", directory)) == [0, 1, 2]
        (table.meta / "timeline" / f"{open_one}_{open_one}.commit").write_text("")
        assert sorted(read("hudi", directory)) == [0]

    @pytest.mark.parametrize(
        ("properties", "told"),
        [
            ({"hoodie.table.type": "MERGE_ON_READ"}, "MERGE_ON_READ"),
            ({"hoodie.table.base.file.format": "ORC"}, "not Parquet"),
            ({"hoodie.datasource.write.drop.partition.columns": "true"}, "partition columns"),
            ({"hoodie.timeline.layout.version": "2"}, "no timeline"),
        ],
    )
    def test_what_it_does_not_read_is_told(
        self, directory: Path, properties: dict[str, str], told: str
    ) -> None:
        HudiTable(directory, **properties).commit({"f1": numbered(0, 1)})
        assert told in refusal("hudi", directory)

    def test_broken_tables_are_told(self, directory: Path) -> None:
        table = HudiTable(directory)
        assert "no commit on its timeline" in refusal("hudi", directory)
        instant = table.commit({"f1": numbered(0, 1)}, action="replacecommit")
        assert f"replacecommit {instant}" in refusal("hudi", directory)
        (table.meta / f"{instant}.replacecommit").unlink()
        assert "no commit on its timeline" in refusal("hudi", directory)

    @pytest.mark.integration
    @pytest.mark.nightly
    def test_the_projects_own_reader_sees_the_same(self, directory: Path) -> None:
        """The tables of these tests are written by hand: hudi-rs says whether they are Hudi tables."""
        table = HudiTable(directory)
        table.commit({"f1": numbered(0, 3), "f2": numbered(3, 5)})
        table.commit({"f1": numbered(0, 2, "b")})
        table.commit({"f2": numbered(7, 9)}, done=False)
        code = (
            "import sys; from hudi import HudiTableBuilder\n"
            "table = HudiTableBuilder.from_base_uri(sys.argv[1]).build()\n"
            "print(sorted((i, n) for b in table.read() for i, n in "
            "zip(*(list(map(lambda x: x.as_py(), b.column(c))) for c in ('id', 'note')))))"
        )
        command = [
            "uv",
            "run",
            "--no-project",
            "--with",
            "hudi==0.5.0",
            "--with",
            "pyarrow",
            "python",
            "-c",
            code,
        ]
        done = subprocess.run(
            [str(Path(sys.executable).parent / command[0]), *command[1:], str(directory)],
            capture_output=True,
            text=True,
            check=True,
            timeout=300,
        )
        assert done.stdout.strip() == repr(sorted(read("hudi", directory).items()))
