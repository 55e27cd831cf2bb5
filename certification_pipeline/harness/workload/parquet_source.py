"""A directory of Parquet files as a source: ``<dsn>/<namespace>/<table>/*.parquet``.

A directory cannot be exchanged atomically, a file can: the table is one file that each change round
replaces, so that a reader sees the round or does not. UUID and JSON are text, as Parquet files of most
writers have them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from certification_pipeline.catalog.vocabulary import DriftKind
from certification_pipeline.harness.workload.recipe import Drift
from certification_pipeline.harness.workload.rounds import Change, Workload
from certification_pipeline.harness.workload.source import SourceError
from certification_pipeline.harness.workload.spec import TableSpec

_FILE = "part-0.parquet"
_ROW_GROUP_ROWS = 50_000


class ParquetSource:
    """One table in a directory of its own. For one thread; make one per cell."""

    def __init__(self, dsn: str, namespace: str, table: str) -> None:
        for name in (namespace, table):
            if not name or "/" in name or "\0" in name or name in (".", ".."):
                raise SourceError(f"{name!r} cannot name a directory", "choose another name")
        self.namespace, self.table = namespace, table
        self._directory = Path(dsn) / namespace / table
        self._file = self._directory / _FILE

    def __repr__(self) -> str:
        return f"ParquetSource({self.namespace!r}, {self.table!r})"

    def create(self, spec: TableSpec) -> None:
        """One file without rows; the directory is made when it is not there."""
        if self._file.exists():
            raise SourceError(f"{self!r} is there already", "drop it, or seed another table")
        self._replace(spec, ())

    def seed(self, workload: Workload) -> None:
        """The initial rows in one file. A table that is already there must be empty."""
        if self._file.exists() and self.count():
            raise SourceError(f"{self!r} already has rows", "drop it, or seed another table")
        self._replace(workload.spec, workload.initial())

    def apply(self, change: Change, in_one_transaction: bool = False) -> None:
        """The whole round at once, however it was asked for; raises when touched keys were not there."""
        with _explained(f"change round {change.index} of {self!r}"):
            rows = pq.read_table(self._file, partitioning=None)
            if change.drift:
                rows = _drifted(rows, change.drift)
            (key,) = change.spec.primary_key
            schema = change.spec.arrow_schema()
            rows = _without(rows, key, change.updates.column(key))
            rows = _without(rows, key, change.deletes.column(key))
            parts = [
                part.select(schema.names).cast(schema) for part in (rows, change.updates, change.inserts)
            ]
            self._replace(change.spec, pa.concat_tables(parts).to_batches(_ROW_GROUP_ROWS))

    def count(self) -> int:
        """Rows in the table now."""
        with _explained(f"counting {self!r}"):
            return int(pq.read_metadata(self._file).num_rows)

    def drop(self) -> None:
        """Remove the directory if it is there."""
        shutil.rmtree(self._directory, ignore_errors=True)

    def close(self) -> None:
        """Nothing is held open."""

    def _replace(self, spec: TableSpec, batches: Iterable[pa.RecordBatch]) -> None:
        with _explained(f"writing {self!r}"):
            self._directory.mkdir(parents=True, exist_ok=True)
            # No reader takes a hidden file for data.
            coming = self._directory / f".{_FILE}.coming"
            with pq.ParquetWriter(coming, spec.arrow_schema()) as writer:
                for batch in batches:
                    writer.write_batch(batch)
            coming.replace(self._file)


def _without(rows: pa.Table, key: str, keys: pa.ChunkedArray) -> pa.Table:
    """The rows with other keys; all of ``keys`` must be among them."""
    hit = pc.is_in(rows.column(key), value_set=keys.combine_chunks())
    if (found := pc.sum(hit, min_count=0).as_py()) != len(keys):
        raise SourceError(f"{found} rows instead of {len(keys)} have the keys of the round", "seed it anew")
    return rows.filter(pc.invert(hit))


def _drifted(rows: pa.Table, drift: Drift) -> pa.Table:
    """Names and columns as after the drift; :meth:`ParquetSource.apply` casts the types."""
    match drift.kind:
        case DriftKind.ADD:
            return rows.append_column(drift.column, pa.nulls(rows.num_rows))
        case DriftKind.RENAME:
            return rows.rename_columns({drift.column: drift.new_name or ""})
        case _:  # a dropped column is not selected; wider, narrower and nullable are casts
            return rows


@contextmanager
def _explained(doing: str) -> Iterator[None]:
    try:
        yield
    except (OSError, pa.ArrowException) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise SourceError(f"{doing}: {reason}", "see the directory, and the space on the disk") from error
