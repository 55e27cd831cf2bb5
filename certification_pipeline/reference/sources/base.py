"""What the rounds of a load ask of a table, wherever it is."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Protocol

from certification_pipeline.reference.artifacts import Encoding, ExtractResult
from certification_pipeline.reference.evolution import Mapping
from certification_pipeline.reference.schema import Column
from certification_pipeline.reference.sources.capability import Capability
from certification_pipeline.reference.sources.snapshot import Snapshot

ArtifactKind = Literal["stream", "memory", "file", "partitioned_files", "object_storage"]


class Source(Protocol):
    """One table. Conditions on its rows are texts in its own language, passed from one method to another."""

    capabilities: frozenset[Capability]
    namespace: str
    name: str
    cluster: str
    """Who this source is, whatever address leads to it."""

    def close(self) -> None:
        """Release everything."""

    def columns(self) -> tuple[Column, ...]:
        """The table's columns now."""
        ...

    def begin(self) -> Snapshot:
        """Fix what all later reads see, where the source can, and return it."""
        ...

    def end(self) -> None:
        """Release it."""

    def since_cursor(
        self,
        column: Column,
        high_water: str | None,
        lookback_seconds: int,
        nulls: Literal["include", "exclude"],
    ) -> str:
        """Condition for rows at or above the high-water mark."""
        ...

    def since_snapshot(self, last: Snapshot, now: Snapshot) -> str:
        """Condition for row versions whose transaction was not surely finished at ``last``."""
        ...

    def in_slice(self, column: Column, start: str | None, stop: str | None) -> str:
        """Condition for ``[start, stop)`` of the partition column."""
        ...

    def greatest(self, column: Column) -> str | None:
        """The greatest cursor value there is; only a planted defect asks for it."""
        ...

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
        """Read the rows for which ``where`` holds (all, when empty) into the artifact asked for."""
        ...
