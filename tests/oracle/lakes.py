"""Writes lakehouse tables: Delta and Iceberg with their libraries, Hudi by its specification."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq


def write_delta(directory: Path, rows: pa.Table, **options: Any) -> None:
    from deltalake import write_deltalake

    directory.parent.mkdir(parents=True, exist_ok=True)
    write_deltalake(directory, rows, **options)


def iceberg_table(directory: Path, rows: pa.Table, **properties: str) -> Any:
    """A table whose metadata lies in the directory; the catalogue itself is forgotten."""
    from pyiceberg.catalog.memory import InMemoryCatalog

    wide = pa.schema(
        [f.with_type(pa.int32()) if pa.types.is_int16(f.type) else f for f in rows.schema]
    )  # Iceberg has no 16-bit integers
    catalog = InMemoryCatalog("tests", warehouse=directory.as_uri())
    catalog.create_namespace("ns")
    directory.mkdir(parents=True)
    table = catalog.create_table("ns.t", wide, location=directory.as_uri(), properties=properties)
    table.append(rows.cast(wide))
    return table


def add_delete_file(table: Any, content: Any) -> None:
    """A delete file for the row at place 1, with id 1; pyiceberg reads such files and writes none."""
    from pyiceberg.manifest import (
        DataFile,
        DataFileContent,
        FileFormat,
        ManifestContent,
        ManifestEntry,
        ManifestEntryStatus,
        ManifestWriterV2,
        write_manifest_list,
    )
    from pyiceberg.typedef import Record

    class DeleteManifest(ManifestWriterV2):
        def content(self) -> ManifestContent:
            return ManifestContent.DELETES

        @property
        def _meta(self) -> dict[str, str]:
            return {**super()._meta, "content": "deletes"}

    place = Path(table.location().removeprefix("file://"))
    (task,) = table.scan().plan_files()
    by_place = content is DataFileContent.POSITION_DELETES
    rows = {"file_path": [task.file.file_path], "pos": [1]} if by_place else {"id": [1]}
    # Reserved ids of the columns of positional delete files: https://iceberg.apache.org/spec/
    ids = {"file_path": "2147483546", "pos": "2147483545", "id": "1"}
    fields = [
        pa.field(n, pa.string() if n == "file_path" else pa.int64(), False, {"PARQUET:field_id": ids[n]})
        for n in rows
    ]
    file = place / "data" / "deletes.parquet"
    pq.write_table(pa.table(rows, pa.schema(fields)), file)
    snapshot = table.current_snapshot()
    entry = DataFile.from_args(
        content=content,
        file_path=file.as_uri(),
        file_format=FileFormat.PARQUET,
        partition=Record(),
        record_count=1,
        file_size_in_bytes=file.stat().st_size,
        equality_ids=None if by_place else [1],
    )
    output = table.io.new_output(f"{table.location()}/metadata/deletes.avro")
    with DeleteManifest(table.spec(), table.schema(), output, snapshot.snapshot_id, "null") as writer:
        writer.add_entry(
            ManifestEntry.from_args(
                status=ManifestEntryStatus.ADDED, snapshot_id=snapshot.snapshot_id, data_file=entry
            )
        )
    manifest = writer.to_manifest_file()
    output = table.io.new_output(f"{table.location()}/metadata/snap-with-deletes.avro")
    with write_manifest_list(2, output, snapshot.snapshot_id, None, 2, "null") as manifests:
        manifests.add_manifests([*snapshot.manifests(table.io), manifest])
    metadata = max((place / "metadata").glob("*.metadata.json"))
    metadata.write_text(metadata.read_text().replace(snapshot.manifest_list, output.location))


class HudiTable:
    """A copy-on-write table of the layout up to version 6, as https://hudi.apache.org/tech-specs/ has it."""

    def __init__(self, directory: Path, **properties: str) -> None:
        self.directory = directory
        self.meta = directory / ".hoodie"
        self.meta.mkdir(parents=True)
        said = {
            "hoodie.table.name": "t",
            "hoodie.table.type": "COPY_ON_WRITE",
            "hoodie.table.version": "6",
            "hoodie.timeline.layout.version": "1",
            "hoodie.table.base.file.format": "PARQUET",
            "hoodie.table.recordkey.fields": "id",
            "hoodie.table.checksum": "0",
            **properties,
        }
        text = "#Properties saved\n" + "".join(f"{key}={value}\n" for key, value in said.items())
        (self.meta / "hoodie.properties").write_text(text)
        self._clock = 20240101000000000

    def commit(
        self,
        files: Mapping[str, pa.Table],
        *,
        partition: str = "",
        done: bool = True,
        action: str = "commit",
        replaced: Mapping[str, list[str]] | None = None,
    ) -> str:
        """One file slice per file group; ``done=False`` leaves the commit in flight."""
        self._clock += 1000
        instant = str(self._clock)
        folder = self.directory / partition
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".hoodie_partition_metadata").write_text(f"commitTime={instant}\npartitionDepth=0\n")
        stats = []
        for group, rows in files.items():
            name = f"{group}_0-1-0_{instant}.parquet"
            pq.write_table(_with_meta(rows, instant, name, partition), folder / name)
            stats.append({"fileId": group, "path": str(Path(partition) / name), "numWrites": rows.num_rows})
        said: dict[str, Any] = {"partitionToWriteStats": {partition: stats}, "operationType": "UPSERT"}
        if replaced is not None:
            said["partitionToReplaceFileIds"] = replaced
        for state in (".requested", ".inflight"):
            word = "" if state == ".inflight" and action == "commit" else f".{action}"
            (self.meta / f"{instant}{word}{state}").write_text("")
        if done:
            (self.meta / f"{instant}.{action}").write_text(json.dumps(said))
        return instant


def _with_meta(rows: pa.Table, instant: str, name: str, partition: str) -> pa.Table:
    keys = (
        pc.cast(rows.column("id"), pa.string())
        if "id" in rows.column_names
        else pa.nulls(len(rows), pa.string())
    )
    meta = {
        "_hoodie_commit_time": pa.array([instant] * len(rows), pa.string()),
        "_hoodie_commit_seqno": pa.array([f"{instant}_0_{n}" for n in range(len(rows))], pa.string()),
        "_hoodie_record_key": keys,
        "_hoodie_partition_path": pa.array([partition] * len(rows), pa.string()),
        "_hoodie_file_name": pa.array([name] * len(rows), pa.string()),
    }
    names = [*meta, *rows.column_names]
    return pa.table([*meta.values(), *rows.columns], names=names)
