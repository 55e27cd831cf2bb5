"""Versions of a Parquet table on disk: immutable directories, one symlink that says which is current.

``<root>/<table>`` is a symlink to ``.versions/<table>/<n>``; replacing it is the commit. A plain reader
globs ``<root>/<table>/*.parquet`` and sees one whole version, old or new. A version that is prepared is whole
and durable, and its symlink lies ready as ``.prepared/<table>/<transaction>``: its commit is one rename.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as pa_dataset
import pyarrow.parquet as pq

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.reference.durable import sync_directory
from certification_pipeline.reference.failures import LoadError

STATE_FILE = "_state.json"
TRANSACTION_FILE = "_transaction"
"""In a version that was prepared: whose it is."""
KEPT_VERSIONS = 2
"""The current one, and the one before it for readers that have listed it but not yet opened its files."""
LONGEST_NAME = 255


class VersionedTable:
    """One table's directory and versions, under an exclusive lock while it is open."""

    def __init__(self, root: Path, name: str) -> None:
        if (
            "/" in name
            or "\0" in name
            or name in ("", ".", "..", ".versions", ".prepared")
            or len(name.encode()) > LONGEST_NAME
        ):
            raise LoadError(FailureCategory.SCHEMA, f"table {name!r} cannot be the name of a directory")
        self.link = root / name
        self.versions = root / ".versions" / name
        self._pointers = root / ".prepared" / name
        if self.link.exists() and not self.link.is_symlink():
            raise LoadError(
                FailureCategory.CONFLICT,
                f"{self.link} is not a table of this engine (no symlink): move it away",
            )
        self.versions.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(self.versions / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise LoadError(
                FailureCategory.CONFLICT, f"another run is loading {self.link}; try again later"
            ) from None

    def close(self) -> None:
        """Release the lock."""
        os.close(self._lock)

    def current(self) -> Path | None:
        """The current version, or ``None`` before the first."""
        if not self.link.is_symlink():
            return None
        current = self.versions / Path(os.readlink(self.link)).name  # noqa: PTH115
        if not current.is_dir():
            raise LoadError(FailureCategory.STATE, f"{self.link} points to {current}, which is gone")
        return current

    def files(self) -> list[Path]:
        """The current version's data files."""
        current = self.current()
        return sorted(current.glob("*.parquet")) if current else []

    def rows(self) -> int:
        """Rows in the current version, by the files' own footers."""
        return sum(pq.read_metadata(file).num_rows for file in self.files())

    def schema(self) -> pa.Schema | None:
        """The current version's schema with the engine's field metadata."""
        files = self.files()
        return pq.read_schema(files[0]) if files else None

    def dataset(self) -> pa_dataset.Dataset:
        """The current version's rows."""
        return pa_dataset.dataset([str(file) for file in self.files()], format="parquet")

    def state(self) -> dict[str, dict[str, str]]:
        """Pipeline -> kind -> record, as committed with the current version."""
        current = self.current()
        if current is None or not (current / STATE_FILE).exists():
            return {}
        try:
            found = json.loads((current / STATE_FILE).read_bytes())
            return {str(k): {str(a): str(b) for a, b in v.items()} for k, v in found.items()}
        except (ValueError, AttributeError):
            raise LoadError(
                FailureCategory.STATE, f"{current / STATE_FILE} is corrupt; delete the file to start afresh"
            ) from None

    def new_version(self) -> Path:
        """An empty directory for the next version; leftovers of crashed runs are removed."""
        current = self.current()
        number = int(current.name) if current else 0
        for left in self._numbered():
            if int(left.name) > number:
                shutil.rmtree(left)
        version = self.versions / str(number + 1)
        version.mkdir()
        return version

    def adopt(self, version: Path) -> None:
        """Hard-link the current version's data files into ``version``: immutable, so shared."""
        for file in self.files():
            (version / file.name).hardlink_to(file)

    def seal(self, version: Path, state: dict[str, dict[str, str]]) -> None:
        """Make ``version`` whole and durable."""
        _write_durably(version / STATE_FILE, json.dumps(state, indent=1, sort_keys=True))
        sync_directory(version)
        sync_directory(self.versions)

    def publish(self, version: Path) -> None:
        """Make a sealed version current."""
        fresh = self.versions / "next"
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(self._target(version))
        self._switch(fresh)

    def _target(self, version: Path) -> Path:
        """What the table's symlink says of that version."""
        return Path(".versions") / self.link.name / version.name

    def _switch(self, pointer: Path) -> None:
        pointer.replace(self.link)
        sync_directory(self.link.parent)
        for old in sorted(self._numbered(), key=lambda path: int(path.name))[:-KEPT_VERSIONS]:
            shutil.rmtree(old, ignore_errors=True)

    # --- two-phase commit ---------------------------------------------------------------------------------

    def prepare(self, version: Path, gid: str) -> None:
        """Have a sealed version wait for the decision about transaction ``gid``."""
        _write_durably(version / TRANSACTION_FILE, gid)
        sync_directory(version)
        self._pointers.mkdir(parents=True, exist_ok=True)
        (self._pointers / gid).symlink_to(self._target(version))
        sync_directory(self._pointers)
        sync_directory(self._pointers.parent)
        sync_directory(self.link.parent)

    def prepared(self) -> frozenset[str]:
        """The transactions that wait."""
        return (
            frozenset(path.name for path in self._pointers.iterdir())
            if self._pointers.is_dir()
            else frozenset()
        )

    def commit_prepared(self, gid: str) -> None:
        """Make what waits current: one rename, which takes away the sign that it waits, too."""
        self._switch(self._pointers / gid)
        sync_directory(self._pointers)

    def abort_prepared(self, gid: str) -> None:
        """Throw away what waits; the pointer first: the next load clears a version that nobody points to."""
        pointer = self._pointers / gid
        version = self.versions / Path(os.readlink(pointer)).name  # noqa: PTH115
        pointer.unlink()
        sync_directory(self._pointers)
        shutil.rmtree(version, ignore_errors=True)

    def was_committed(self, gid: str) -> bool:
        """Whether a version that is or was current came from that transaction."""
        number = int(current.name) if (current := self.current()) else 0
        return any(
            int(version.name) <= number
            and (version / TRANSACTION_FILE).is_file()
            and (version / TRANSACTION_FILE).read_text() == gid
            for version in self._numbered()
        )

    def _numbered(self) -> list[Path]:
        return [path for path in self.versions.iterdir() if path.name.isdigit() and path.is_dir()]


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def write_parquet(path: Path, schema: pa.Schema, batches: Iterable[pa.RecordBatch | pa.Table]) -> int:
    """One durable file; returns its rows. There is always a file, so that an empty table has a schema."""
    rows = 0
    with path.open("xb") as file:
        with pq.ParquetWriter(file, schema) as writer:
            for batch in batches:
                table = pa.Table.from_batches([batch]) if isinstance(batch, pa.RecordBatch) else batch
                writer.write_table(table.cast(schema))
                rows += table.num_rows
        file.flush()
        os.fsync(file.fileno())
    return rows
