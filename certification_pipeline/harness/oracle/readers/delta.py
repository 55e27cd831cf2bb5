"""Reads a Delta table twice: the rows through ``deltalake``, the log by our own eyes.

``deltalake`` (delta-rs) is what an outside reader would use, but engines write with it, too: what both of
them take for right must also be what the protocol says.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa

from certification_pipeline.harness.oracle.readers.delta_log import DeltaLog, check_files, read_log
from certification_pipeline.harness.oracle.readers.reading import BATCH_ROWS, NotATable


class DeltaReader:
    """An open table at its newest version."""

    def __init__(self, dataset: Any, log: DeltaLog) -> None:
        self._dataset = dataset
        self._log = log

    def columns(self) -> tuple[str, ...]:
        """As the log's schema has them."""
        return tuple(self._log.schema)

    def physical(self) -> dict[str, frozenset[str]]:
        """Delta's own type names, as in the log's schema."""
        return {name: frozenset({kind}) for name, kind in self._log.schema.items()}

    def batches(self, columns: Sequence[str]) -> Iterator[pa.Table]:
        """Rows as typed Arrow columns, partition values filled in."""
        for batch in self._dataset.to_batches(columns=list(columns), batch_size=BATCH_ROWS):
            if batch.num_rows:
                yield pa.Table.from_batches([batch])


@contextmanager
def open_delta(dsn: str, namespace: str, name: str) -> Iterator[DeltaReader | None]:
    """``dsn`` is the root directory; the table is ``<dsn>/<namespace>/<name>/``."""
    from deltalake import DeltaTable  # noqa: PLC0415 - heavy, and in the extra `lakehouse`

    directory = Path(dsn) / namespace / name
    if not directory.exists():
        yield None
        return
    if not (directory / "_delta_log").is_dir():
        raise NotATable("it has no _delta_log directory: no Delta table")
    log = read_log(directory)
    try:
        table = DeltaTable(directory)
        dataset, seen = table.to_pyarrow_dataset(), {_relative(uri, directory) for uri in table.file_uris()}
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of its Rust code is no Exception
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise NotATable(f"deltalake cannot read it: {lines[0]}") from error
    if seen != set(log.files):
        differing = sorted(seen ^ set(log.files))
        raise NotATable(f"deltalake and the log's text disagree whether {differing[0]} belongs to the table")
    check_files(directory, log)
    yield DeltaReader(dataset, log)


def _relative(uri: str, directory: Path) -> str:
    return uri.removeprefix("file://").removeprefix(str(directory)).lstrip("/")
