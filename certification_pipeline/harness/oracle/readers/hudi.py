"""Reads a copy-on-write Hudi table by its timeline, from the specification's text.

https://hudi.apache.org/tech-specs/ (table versions up to 6) and https://hudi.apache.org/tech-specs-1point0/
(8 and later). The rows are those of the newest committed file slice of each file group; Hudi's own columns
(``_hoodie_*``) are not shown. What would need more than that (merge-on-read, a replaced file group whose
commit is in Avro, partition columns left out of the files) is told, not guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.harness.oracle.readers.parquet_directory import ParquetReader
from certification_pipeline.harness.oracle.readers.reading import NotATable

_BASE_FILE = re.compile(r"(?P<group>.+)_(?P<token>[^_]+)_(?P<instant>\d{14,17})\.parquet")
_INSTANT = re.compile(
    r"(?P<begun>\d{14,17})(?:_\d{14,17})?\.(?P<action>[a-z]+)(?P<state>\.requested|\.inflight)?"
)
_WRITES = frozenset({"commit", "replacecommit"})
_META = "_hoodie_"
_TIMELINE_V2 = 2


@dataclass(frozen=True, slots=True)
class _Instant:
    begun: str
    action: str
    done: bool
    file: Path


class HudiReader(ParquetReader):
    """The base files of one snapshot; Hudi's own columns stay out of sight."""

    def columns(self) -> tuple[str, ...]:
        """Of all files, in order of first appearance, without Hudi's."""
        return tuple(name for name in super().columns() if not name.startswith(_META))


@contextmanager
def open_hudi(dsn: str, namespace: str, name: str) -> Iterator[HudiReader | None]:
    """``dsn`` is the root directory; the table is ``<dsn>/<namespace>/<name>/``."""
    directory = Path(dsn) / namespace / name
    if not directory.exists():
        yield None
        return
    properties = _properties(directory / ".hoodie" / "hoodie.properties")
    timeline = _timeline(directory / ".hoodie", properties)
    files = _snapshot(directory, timeline)
    if not files:
        raise NotATable("no commit on its timeline has a base file: it has no schema yet")
    yield HudiReader(files)


def _properties(file: Path) -> Mapping[str, str]:
    if not file.is_file():
        raise NotATable("it has no .hoodie/hoodie.properties: no Hudi table")
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
    pairs = [line.partition("=") for line in lines if line and not line.startswith(("#", "!"))]
    properties = {key.strip(): value.strip() for key, _, value in pairs}
    kind = properties.get("hoodie.table.type", "COPY_ON_WRITE")
    if kind != "COPY_ON_WRITE":
        raise NotATable(f"it is a {kind} table, whose log files the oracle does not merge")
    if properties.get("hoodie.table.base.file.format", "PARQUET").upper() != "PARQUET":
        raise NotATable("its base files are not Parquet")
    if properties.get("hoodie.datasource.write.drop.partition.columns", "false") == "true":
        raise NotATable("its files leave the partition columns out, which the oracle does not fill in")
    return properties


def _timeline(folder: Path, properties: Mapping[str, str]) -> list[_Instant]:
    """All instants of the active timeline, in order of their beginning."""
    second = properties.get("hoodie.timeline.layout.version") == str(_TIMELINE_V2)
    place = folder / properties.get("hoodie.timeline.path", "timeline") if second else folder
    if not place.is_dir():
        raise NotATable(f"it has no timeline: {place.relative_to(folder.parent)} is missing")
    found = [
        _Instant(match["begun"], match["action"], match["state"] is None, file)
        for file in place.iterdir()
        if (match := _INSTANT.fullmatch(file.name))
    ]
    return sorted(found, key=lambda instant: instant.begun)


def _snapshot(directory: Path, timeline: Sequence[_Instant]) -> list[Path]:
    """The newest committed slice of each file group that no commit replaced."""
    written = {one.begun for one in timeline if one.done and one.action in _WRITES}
    first = timeline[0].begun if timeline else None
    replaced = {group for one in timeline if one.done for group in _replaced(one)}
    newest: dict[tuple[str, str], tuple[str, Path]] = {}
    for partition in _partitions(directory):
        relative = partition.relative_to(directory).as_posix()
        for file in partition.glob("*.parquet"):
            match = _BASE_FILE.fullmatch(file.name)
            if match is None:
                continue
            instant, group = match["instant"], ("" if relative == "." else relative, match["group"])
            # Commits older than the active timeline are archived: their files stand.
            committed = instant in written or (first is not None and instant < first)
            if committed and group not in replaced and (group not in newest or instant > newest[group][0]):
                newest[group] = (instant, file)
    return sorted(file for _, file in newest.values())


def _replaced(instant: _Instant) -> Iterator[tuple[str, str]]:
    """(partition, file group) that the commit put out of the table."""
    if instant.action != "replacecommit":
        return
    try:
        said = json.loads(instant.file.read_text(encoding="utf-8"))["partitionToReplaceFileIds"]
        yield from ((partition, group) for partition, groups in said.items() for group in groups)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        message = f"the replacecommit {instant.begun} is in a form that the oracle does not read"
        raise NotATable(message) from error


def _partitions(directory: Path) -> Iterator[Path]:
    """Directories that Hudi marked as partitions; the table itself where it is not partitioned."""
    for mark in sorted(directory.rglob(".hoodie_partition_metadata*")):
        if ".hoodie" not in mark.relative_to(directory).parts:
            yield mark.parent
