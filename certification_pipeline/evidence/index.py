"""``artifact_index.json``: every file of one subject's evidence with its digest."""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.decision import Decision


class IndexEntry(Model):
    """One file."""

    name: str
    path: str = Field(description="relative to the index")
    artifact_type: str = Field(description="kind of artifact, else markdown, events or the file's suffix")
    sha256: Digest
    size_bytes: int = Field(ge=0)
    release: str | None = Field(None, description="as the file states it")
    run_id: str | None = None


class ArtifactIndex(Decision):
    """Passed when every file could be read and belongs to this release."""

    KIND: ClassVar[str] = "artifact_index"
    LONG: ClassVar[str] = "entries"

    file_count: int
    total_bytes: int
    entries: tuple[IndexEntry, ...]
