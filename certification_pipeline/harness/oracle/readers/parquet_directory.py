"""Reads a directory of Parquet files as one table.

Data files are ``*.parquet`` directly in the directory (which may be a symbolic link); names that start
with a dot or an underscore are bookkeeping, not data. A column that a file lacks is NULL in its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from certification_pipeline.harness.oracle.readers.reading import BATCH_ROWS, NotATable


class ParquetReader:
    """The files of one table; they are listed once, when it is opened."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._files = files
        self._schemas = [pq.read_schema(file) for file in files]

    def columns(self) -> tuple[str, ...]:
        """Of all files, in order of first appearance."""
        return tuple(dict.fromkeys(name for schema in self._schemas for name in schema.names))

    def physical(self) -> dict[str, frozenset[str]]:
        """The Arrow types of all files that have the column."""
        return {
            name: frozenset(type_name(s.field(name).type) for s in self._schemas if name in s.names)
            for name in self.columns()
        }

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows as typed Arrow columns, file by file: two files may differ in types."""
        for path, schema in zip(self._files, self._schemas, strict=True):
            wanted = [schema.get_field_index(name) for name in columns if name in schema.names]
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(BATCH_ROWS, columns=[schema.names[i] for i in wanted]):
                    yield _complete(batch, columns)


def _complete(batch: pa.RecordBatch, columns: Sequence[str]) -> pa.Table:
    present = set(batch.schema.names)
    arrays = [_readable(batch.column(c)) if c in present else pa.nulls(batch.num_rows) for c in columns]
    return pa.table(arrays, names=list(columns))


def _readable(array: pa.Array) -> pa.Array:
    """Writers put any bytes into a text column; what is not UTF-8 must show, not stop the reading."""
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        return array
    try:
        array.validate(full=True)
    except pa.ArrowInvalid:
        raw = array.cast(pa.large_binary() if pa.types.is_large_string(array.type) else pa.binary())
        texts = [None if v is None else v.decode(errors="backslashreplace") for v in raw.to_pylist()]
        return pa.array(texts, array.type)
    return array


def type_name(kind: pa.DataType) -> str:
    """Lower-case name without precision: ``decimal128``, ``timestamp[us]``, ``timestamp[us, tz]``."""
    if isinstance(kind, pa.BaseExtensionType):
        return str(kind.extension_name)
    if pa.types.is_decimal(kind):
        return str(kind).partition("(")[0]
    if pa.types.is_timestamp(kind):
        return f"timestamp[{kind.unit}, tz]" if kind.tz else f"timestamp[{kind.unit}]"
    if pa.types.is_dictionary(kind):
        return type_name(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"list<{type_name(kind.value_type)}>"
    return str(kind)


@contextmanager
def open_parquet(dsn: str, namespace: str, name: str) -> Iterator[ParquetReader | None]:
    """``dsn`` is the root directory; the table is ``<dsn>/<namespace>/<name>/``."""
    directory = Path(dsn) / namespace / name
    if not directory.exists():
        yield None
        return
    if not directory.is_dir():
        raise NotATable("it is a file, not a directory of Parquet files")
    files = sorted(p for p in directory.glob("*.parquet") if not p.name.startswith((".", "_")))
    if not files:
        raise NotATable("the directory holds no *.parquet file")
    yield ParquetReader(files)
