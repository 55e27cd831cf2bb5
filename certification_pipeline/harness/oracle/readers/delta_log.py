"""Replays a Delta table's log by itself, from the protocol's text: the second opinion on the library's.

https://github.com/delta-io/delta/blob/master/PROTOCOL.md. Strict on purpose: what the protocol requires of
a writer and a reader relies on is looked at, statistics included, because readers that filter skip files by
them. Deletion vectors and V2 checkpoints are told, not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from certification_pipeline.harness.oracle.readers.reading import NotATable, without_length

_COMMIT = re.compile(r"(\d{20})\.json")
_CHECKPOINT = re.compile(r"(\d{20})\.checkpoint(?:\.(\d{10})\.(\d{10}))?\.parquet")
_INTEGERS = frozenset({"byte", "short", "integer", "long"})

Action = Mapping[str, object]


@dataclass(slots=True)
class DeltaLog:
    """What the log says at its last version."""

    version: int
    schema: dict[str, str] = field(default_factory=dict)
    """Column -> Delta type, lower case, without lengths: ``decimal``, ``array<long>``."""
    files: dict[str, Action] = field(default_factory=dict)
    """Path relative to the table -> its ``add`` action, of files that are not removed."""


def read_log(table: Path) -> DeltaLog:
    """Raises :class:`NotATable` where the log breaks the protocol."""
    start, parts = _checkpoint(table)
    commits = _commits(table)
    versions = sorted(v for v in commits if v > start)
    if versions != list(range(start + 1, start + 1 + len(versions))):
        missing = next(v for v in range(start + 1, versions[-1]) if v not in commits)
        raise NotATable(f"the log misses version {missing}, and no checkpoint stands for it")
    if not versions and not parts:
        raise NotATable("_delta_log holds neither a commit nor a checkpoint")
    log = DeltaLog(versions[-1] if versions else start)
    for part in parts:
        for action in _of_checkpoint(part):
            _apply(log, action)
    for version in versions:
        for action in _of_commit(commits[version]):
            _apply(log, action)
    if not log.schema:
        raise NotATable("the log has no metaData action, so the table has no schema")
    return log


def _commits(table: Path) -> dict[int, Path]:
    files = (table / "_delta_log").iterdir()
    return {int(m[1]): file for file in files if (m := _COMMIT.fullmatch(file.name))}


def _checkpoint(table: Path) -> tuple[int, list[Path]]:
    """The newest whole classic checkpoint, as one file or several; version -1 when there is none."""
    found: dict[int, dict[int, Path]] = {}
    wanted: dict[int, int] = {}
    for file in (table / "_delta_log").iterdir():
        if match := _CHECKPOINT.fullmatch(file.name):
            version, part, parts = int(match[1]), int(match[2] or 1), int(match[3] or 1)
            found.setdefault(version, {})[part] = file
            wanted[version] = parts
    whole = [version for version, files in found.items() if len(files) == wanted[version]]
    return (max(whole), list(found[max(whole)].values())) if whole else (-1, [])


def _of_commit(file: Path) -> Iterator[Action]:
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
        try:
            action = json.loads(line)
        except json.JSONDecodeError as error:
            raise NotATable(f"{file.name}, line {number}: no JSON ({error.msg})") from error
        if not isinstance(action, dict):
            raise NotATable(f"{file.name}, line {number}: an action is a JSON object")
        yield action


def _of_checkpoint(file: Path) -> Iterator[Action]:
    with pq.ParquetFile(file) as checkpoint:
        for row in checkpoint.read(columns=["add", "remove", "metaData"]).to_pylist():
            yield {name: value for name, value in row.items() if value is not None}


def _apply(log: DeltaLog, action: Action) -> None:
    for name, value in action.items():
        if not isinstance(value, dict):
            raise NotATable(f"the action `{name}` is no JSON object")
        match name:
            case "metaData":
                log.schema = _schema(value)
            case "add":
                if value.get("deletionVector"):
                    raise NotATable("it has deletion vectors, which the oracle does not read")
                log.files[_path(value)] = value
            case "remove":
                log.files.pop(_path(value), None)


def _path(action: Action) -> str:
    path = action.get("path")
    if not isinstance(path, str):
        raise NotATable("an action on a file has no path")
    return unquote(path)


def _schema(metadata: Action) -> dict[str, str]:
    if not isinstance(metadata.get("format"), dict):
        raise NotATable("metaData has no `format`, which the protocol requires")
    try:
        fields = json.loads(str(metadata["schemaString"]))["fields"]
        return {str(one["name"]): _type(one["type"]) for one in fields}
    except (KeyError, TypeError, ValueError) as error:
        raise NotATable(f"the schema of metaData cannot be read ({type(error).__name__}: {error})") from error


def _type(kind: object) -> str:
    if not isinstance(kind, dict):
        return without_length(str(kind))
    return f"array<{_type(kind['elementType'])}>" if kind["type"] == "array" else str(kind["type"])


def check_files(table: Path, log: DeltaLog) -> None:
    """Every file is there, and its statistics are true: a reader that filters relies on them."""
    for path, add in log.files.items():
        file = table / path
        if not file.is_file():
            raise NotATable(f"the log names the file {path}, which is not there")
        if (stats := add.get("stats")) is not None:
            _check_stats(file, path, stats, log.schema)


def _check_stats(file: Path, path: str, stats: object, schema: Mapping[str, str]) -> None:
    if not isinstance(stats, str):
        raise NotATable(
            f"`stats` of {path} is a JSON {type(stats).__name__}; the protocol has a string there"
        )
    try:
        said = json.loads(stats)
        low, high = said.get("minValues") or {}, said.get("maxValues") or {}
    except (ValueError, AttributeError) as error:
        raise NotATable(f"`stats` of {path} is no JSON object") from error
    rows = pq.read_metadata(file).num_rows
    if said.get("numRecords") not in (None, rows):
        raise NotATable(f"`stats` of {path} counts {said['numRecords']} rows, the file has {rows}")
    names = [n for n, kind in schema.items() if kind in _INTEGERS and (n in low or n in high)]
    there = set(pq.read_schema(file).names)
    for name in filter(there.__contains__, names):
        _check_bounds(path, name, pq.read_table(file, columns=[name], partitioning=None), low, high)


def _check_bounds(
    path: str, name: str, values: pa.Table, low: Mapping[str, object], high: Mapping[str, object]
) -> None:
    seen = pc.min_max(values.column(0)).as_py()
    if seen["min"] is None:
        return
    for bound, said in (("minValues", low.get(name)), ("maxValues", high.get(name))):
        if said is None:
            continue
        true = isinstance(said, int) and (
            said <= seen["min"] if bound == "minValues" else said >= seen["max"]
        )
        if not true:
            raise NotATable(
                f"{bound} of {path} says {said!r} for {name}, the file holds {seen['min']} to {seen['max']}: "
                "readers that filter lose rows"
            )
