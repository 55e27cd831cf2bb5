"""The canonical artifacts a source hands to a sink (seed 002, source implementation guidance).

In-memory rows, streaming rows, a file export, a partitioned file export, and a manifest of staged
objects with checksums. All carry values as PostgreSQL writes them in COPY CSV: NULL is an empty
unquoted field, so that it differs from an empty string. A stream between two PostgreSQL servers may be
binary instead. What rests on disk is verified before a sink reads the first row of it.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.schema import Column

BLOCK_BYTES = 1 << 18
Row = tuple[str | None, ...]


class Encoding(StrEnum):
    """How an artifact's blocks are written."""

    CSV = "csv"
    BINARY = "pgcopy"


class Artifact(Protocol):
    """Rows on their way. ``blocks`` yields whole CSV rows a block (binary: any cut) and may be read once."""

    @property
    def encoding(self) -> Encoding:
        """How the blocks are written."""
        ...

    def blocks(self) -> Iterator[bytes]:
        """The rows; raises :class:`LoadError` ``data`` when a stored artifact is not what was written."""
        ...


@dataclass(frozen=True, slots=True)
class ExtractResult:
    """What a source emits: an artifact, its schema, and the rows the source says it sent (once drained)."""

    schema: tuple[Column, ...]
    artifact: Artifact
    rows: Callable[[], int]


def csv_row(row: Row) -> bytes:
    """One row as COPY CSV writes it, every value quoted."""
    fields = ("" if value is None else '"' + value.replace('"', '""') + '"' for value in row)
    return (",".join(fields) + "\n").encode()


@dataclass(frozen=True, slots=True)
class InMemoryRows:
    """Small fixtures and net changes of a log."""

    rows: tuple[Row, ...]
    batch_rows: int = 50_000
    encoding: Encoding = Encoding.CSV

    def blocks(self) -> Iterator[bytes]:
        """``batch_rows`` rows a block."""
        for start in range(0, len(self.rows), self.batch_rows):
            yield b"".join(map(csv_row, self.rows[start : start + self.batch_rows]))


@dataclass(frozen=True, slots=True)
class StreamingRows:
    """Rows that are never at rest: read while the source still sends."""

    stream: Iterator[bytes]
    encoding: Encoding = Encoding.CSV

    def blocks(self) -> Iterator[bytes]:
        """The stream itself."""
        return self.stream


@dataclass(frozen=True, slots=True)
class FileExport:
    """One file with its checksum."""

    path: Path
    size: int
    sha256: str
    encoding: Encoding = Encoding.CSV

    def blocks(self) -> Iterator[bytes]:
        """Whole rows a block, after the checksum of the whole file was verified."""
        _verify(self.path, self.size, self.sha256)
        yield from _whole_rows(self.path)


@dataclass(frozen=True, slots=True)
class PartitionedFileExport:
    """Several files of one snapshot, written in parallel."""

    files: tuple[FileExport, ...]
    encoding: Encoding = Encoding.CSV

    def blocks(self) -> Iterator[bytes]:
        """All files are verified before the first row of the first."""
        for file in self.files:
            _verify(file.path, file.size, file.sha256)
        for file in self.files:
            yield from _whole_rows(file.path)


class StagedObject(BaseModel):
    """One object of a manifest; ``key`` is relative to the store."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    key: str
    size: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0)


class ObjectStorageStagingManifest(BaseModel):
    """What was staged for one load: the contract between any source and any sink (seed 002)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: Literal["certification_pipeline.object_staging.v1"] = (
        "certification_pipeline.object_staging.v1"
    )
    run_id: str
    format: Literal["csv"] = "csv"
    columns: tuple[str, ...]
    objects: tuple[StagedObject, ...]

    @property
    def rows(self) -> int:
        """Rows in all objects."""
        return sum(item.rows for item in self.objects)


class ObjectStore(Protocol):
    """Where objects are staged. Local disk here; S3, GCS and Azure fit behind the same three methods."""

    def put(self, key: str, blocks: Iterable[bytes]) -> tuple[int, str]:
        """Store durably; returns (size, sha256)."""
        ...

    def path(self, key: str) -> Path:
        """A local path to read the object from."""
        ...

    def delete(self, key: str) -> None:
        """Remove it; absent is fine."""
        ...


@dataclass(frozen=True, slots=True)
class LocalObjectStore:
    """A directory as an object store."""

    root: Path

    def put(self, key: str, blocks: Iterable[bytes]) -> tuple[int, str]:
        """Write beside, fsync, rename: an object is there whole or not at all."""
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return write_file(path, blocks)

    def path(self, key: str) -> Path:
        """Inside the root, whatever a manifest says."""
        path = (self.root / key).resolve()
        if not path.is_relative_to(self.root.resolve()):
            raise LoadError(FailureCategory.DATA, f"object key {key!r} points outside the store")
        return path

    def delete(self, key: str) -> None:
        """Remove it; absent is fine."""
        self.path(key).unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class StagedObjects:
    """A manifest and the store that holds its objects."""

    manifest: ObjectStorageStagingManifest
    store: ObjectStore
    encoding: Encoding = Encoding.CSV

    def blocks(self) -> Iterator[bytes]:
        """Every object is verified against the manifest before the first row of the first."""
        for item in self.manifest.objects:
            _verify(self.store.path(item.key), item.size, item.sha256)
        for item in self.manifest.objects:
            yield from _whole_rows(self.store.path(item.key))


def read_manifest(path: Path) -> ObjectStorageStagingManifest:
    """The manifest in that file; a malformed one is ``data``, and the error names file and field."""
    try:
        return ObjectStorageStagingManifest.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise LoadError(FailureCategory.DATA, f"staging manifest {path}: {where}: {first['msg']}") from None


def write_file(path: Path, blocks: Iterable[bytes]) -> tuple[int, str]:
    """Write atomically and durably; returns (size, sha256)."""
    digest, size = hashlib.sha256(), 0
    partial = path.with_name(f"{path.name}.partial")
    try:
        with partial.open("wb") as file:
            for block in blocks:
                file.write(block)
                digest.update(block)
                size += len(block)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return size, digest.hexdigest()


def _verify(path: Path, size: int, sha256: str) -> None:
    if not path.is_file():
        raise LoadError(FailureCategory.DATA, f"staged file {path} is gone; run the load again")
    actual = path.stat().st_size
    if actual != size:
        raise LoadError(FailureCategory.DATA, f"staged file {path} has {actual} bytes, not {size}; refused")
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != sha256:
            raise LoadError(FailureCategory.DATA, f"staged file {path} does not match its checksum; refused")


def _whole_rows(path: Path, block_bytes: int = 16 << 20) -> Iterator[bytes]:
    """Cut a CSV file at row ends: a newline outside quotes, i.e. after an even number of quotes."""
    rest, quotes_even = b"", True
    with path.open("rb") as file:
        while block := file.read(block_bytes):
            position, even = -1, quotes_even
            start = 0
            # Only the last line end outside quotes matters: walk over lines, count quotes in each.
            while (end := block.find(b"\n", start)) >= 0:
                even ^= block.count(b'"', start, end) % 2 == 1
                if even:
                    position = end
                start = end + 1
            even ^= block.count(b'"', start) % 2 == 1
            quotes_even = even
            if position < 0:
                rest += block
                continue
            yield rest + block[: position + 1]
            rest = block[position + 1 :]
    if rest:
        yield rest
