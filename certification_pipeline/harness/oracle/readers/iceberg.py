"""Reads an Iceberg table from its newest metadata file, without a catalogue, through ``pyiceberg``.

Positional deletes are applied by the library; equality deletes it refuses, and the refusal is told. Two
metadata files of one version cannot be told apart without the catalogue that chose one of them.
https://iceberg.apache.org/spec/#file-system-tables
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from certification_pipeline.harness.oracle.readers.reading import NotATable, without_length

_METADATA = re.compile(r"v?(\d+)(?:-[^/]*)?\.metadata\.json")


class IcebergReader:
    """An open table at its current snapshot."""

    def __init__(self, table: Any) -> None:
        self._table = table
        self._types = {field.name: _type(field.field_type) for field in table.schema().fields}

    def columns(self) -> tuple[str, ...]:
        """As the current schema has them."""
        return tuple(self._types)

    def physical(self) -> dict[str, frozenset[str]]:
        """Iceberg's own type names, as in the current schema."""
        return {name: frozenset({kind}) for name, kind in self._types.items()}

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows as typed Arrow columns, deletes applied."""
        with _refusals():
            for batch in self._table.scan().to_arrow_batch_reader():
                if batch.num_rows:
                    yield pa.Table.from_batches([batch]).select(list(columns))


def _type(kind: Any) -> str:
    element = getattr(kind, "element_type", None)
    return f"list<{_type(element)}>" if element is not None else without_length(str(kind))


@contextmanager
def open_iceberg(dsn: str, namespace: str, name: str) -> Iterator[IcebergReader | None]:
    """``dsn`` is the root directory; the table is ``<dsn>/<namespace>/<name>/``."""
    from pyiceberg.table import StaticTable  # noqa: PLC0415 - slow to import, and in the extra `lakehouse`

    directory = Path(dsn) / namespace / name
    if not directory.exists():
        yield None
        return
    metadata = _newest(directory / "metadata")
    with _refusals():
        table = StaticTable.from_metadata(str(metadata))
    yield IcebergReader(table)


def _newest(directory: Path) -> Path:
    files = directory.iterdir() if directory.is_dir() else ()
    versions = [(int(match[1]), file) for file in files if (match := _METADATA.fullmatch(file.name))]
    if not versions:
        raise NotATable("it has no metadata/*.metadata.json: no Iceberg table")
    newest = max(version for version, _ in versions)
    named = [file for version, file in versions if version == newest]
    if len(named) > 1:
        raise NotATable(f"{len(named)} metadata files are of version {newest}: which of them is the table's?")
    return named[0]


@contextmanager
def _refusals() -> Iterator[None]:
    """The library raises all kinds of exceptions at metadata and files it cannot read."""
    try:
        yield
    except GeneratorExit:
        raise
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        raise NotATable(f"pyiceberg cannot read it: {type(error).__name__}: {lines[0]}") from error
