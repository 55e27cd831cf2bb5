"""A vendor's REST API as a source: a collection in pages, each value held to its declared type."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path
from typing import Literal
from urllib.parse import quote, urlencode

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Load
from certification_pipeline.harness.workload.spec import LogicalType
from certification_pipeline.reference.artifacts import (
    Artifact,
    Encoding,
    ExtractResult,
    FileExport,
    InMemoryRows,
    Row,
    StreamingRows,
    csv_row,
    write_file,
)
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.evolution import Mapping
from certification_pipeline.reference.failures import LoadError
from certification_pipeline.reference.record import Ledger, now_text
from certification_pipeline.reference.schema import Column, ColumnType
from certification_pipeline.reference.sources.api_pages import Page, Pages
from certification_pipeline.reference.sources.base import ArtifactKind
from certification_pipeline.reference.sources.capability import Capability
from certification_pipeline.reference.sources.http import Vendor
from certification_pipeline.reference.sources.json_values import row_of
from certification_pipeline.reference.sources.snapshot import Snapshot

PER_PAGE = 1000
_TEMPORAL = (LogicalType.TIMESTAMP, LogicalType.TIMESTAMPTZ)
_BEFORE_ALL = "0001-01-01T00:00:00Z"


class ApiSource:
    """One collection, ``/v1/<namespace>/<name>``. Close it, whatever happens."""

    capabilities = frozenset({Capability.SNAPSHOT, Capability.CURSOR})

    def __init__(self, load: Load, ledger: Ledger, defect: Defect | None = None) -> None:
        obj = load.source
        self.namespace, self.name = obj.namespace, obj.name
        # Of JSON's values only the key's are never null: NaN, for one, comes as null in any field.
        self._columns = tuple(
            Column(c.name, ColumnType(c.type), nullable=c.name not in load.primary_key) for c in load.columns
        )
        self._ledger, self._defect = ledger, defect
        self._vendor = Vendor(obj.dsn, obj.namespace, self._retried, defect)
        self.cluster = self._vendor.address
        self._path = f"/v1/{quote(obj.namespace, safe='')}/{quote(obj.name, safe='')}"
        self._sent = 0

    def close(self) -> None:
        """End the connections."""
        self._vendor.close()

    def _retried(self) -> None:
        self._ledger.retries += 1

    def columns(self) -> tuple[Column, ...]:
        """As the request declares them: JSON does not say."""
        return self._columns

    def begin(self) -> Snapshot:
        """Nothing: an API has no snapshots."""
        return Snapshot(0, 0)

    def end(self) -> None:
        """Nothing."""

    # --- which rows ---------------------------------------------------------------------------------

    def since_cursor(
        self,
        column: Column,
        high_water: str | None,
        lookback_seconds: int,
        nulls: Literal["include", "exclude"],
    ) -> str:
        """Query for rows at or above the high-water mark: ties must not be lost."""
        if column.type.kind not in _TEMPORAL:
            raise LoadError(FailureCategory.UNSUPPORTED, f"the API selects by moment, not by {column.type}")
        if nulls == "include":
            message = "the API's filter leaves rows without a cursor out: set cursor_nulls to exclude"
            raise LoadError(FailureCategory.UNSUPPORTED, message)
        if high_water is None:
            # From the first load on, so that rows without a cursor are never taken.
            return urlencode({"updated_since": _BEFORE_ALL})
        moment = datetime.fromisoformat(high_water)
        if moment.tzinfo is not None:
            moment = moment.astimezone(UTC)
        mark = moment - timedelta(seconds=lookback_seconds)
        return urlencode({"updated_since": mark.isoformat(timespec="microseconds")})

    def since_snapshot(self, last: Snapshot, now: Snapshot) -> str:
        """Never: see :attr:`capabilities`."""
        raise LoadError(FailureCategory.UNSUPPORTED, "an API has no snapshots")

    def in_slice(self, column: Column, start: str | None, stop: str | None) -> str:
        """Never: see :attr:`capabilities`."""
        raise LoadError(FailureCategory.UNSUPPORTED, "an API selects no slices")

    def greatest(self, column: Column) -> str | None:
        """Now; only a planted defect asks for it."""
        return now_text()

    # --- the rows -----------------------------------------------------------------------------------

    def extract(
        self,
        *,
        mappings: tuple[Mapping, ...],
        where: str,
        kind: ArtifactKind,
        encoding: Encoding,
        batch_rows: int,
        folder: Path,
        run_id: str,
    ) -> ExtractResult:
        """Read the rows of that query (all, when empty) into the artifact asked for; always as CSV."""
        self._sent = 0
        first = f"{self._path}?per_page={PER_PAGE}" + (f"&{where}" if where else "")
        rows = self._rows(first, tuple(mapping.source for mapping in mappings))
        artifact: Artifact
        match kind:
            case "stream":
                artifact = StreamingRows(_csv(rows))
            case "memory":
                artifact = InMemoryRows(tuple(row for page in rows for row in page), batch_rows)
            case "file":
                path = folder / "export.csv"
                artifact = FileExport(path, *write_file(path, _csv(rows)))
            case _:
                raise LoadError(FailureCategory.UNSUPPORTED, f"an API source makes no artifact {kind!r}")
        return ExtractResult(tuple(m.target for m in mappings), artifact, lambda: self._sent)

    def _rows(self, first: str, columns: tuple[Column, ...]) -> Iterator[list[Row]]:
        for page in Pages(self._vendor, first, self._defect):
            rows = self._page_rows(page, columns)
            self._sent += len(rows)
            if self._defect is Defect.DROP_LAST_BATCH and page.onward is None:
                rows = rows[: len(rows) - max(1, len(rows) // 10)]
            yield rows

    def _page_rows(self, page: Page, columns: tuple[Column, ...]) -> list[Row]:
        try:
            rows = [row_of(record, columns) for record in page.records]
        except LoadError:
            if self._defect is Defect.SKIP_POISON_PAGE:
                return []
            raise
        if self._defect is Defect.LOSE_DECIMAL_SCALE:
            decimals = [column.type.kind is LogicalType.DECIMAL for column in columns]
            rows = [tuple(map(_cut, row, decimals)) for row in rows]
        return rows


def _csv(pages: Iterator[list[Row]]) -> Iterator[bytes]:
    return (b"".join(map(csv_row, rows)) for rows in pages)


def _cut(value: str | None, is_decimal: bool) -> str | None:
    """:attr:`Defect.LOSE_DECIMAL_SCALE`."""
    if value is None or not is_decimal:
        return value
    return f"{Decimal(value).quantize(Decimal('0.01'), ROUND_DOWN):f}"
