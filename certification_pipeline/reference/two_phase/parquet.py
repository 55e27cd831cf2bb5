"""Parquet files as a participant: a version, whole and durable, and a pointer that waits to be renamed."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.sinks.parquet import ParquetSink
from certification_pipeline.reference.two_phase.participant import Standing


class PreparedParquet:
    """The working copy of an open sink; the table is locked while this lives."""

    def __init__(self, sink: ParquetSink, defect: Defect | None = None) -> None:
        self._sink, self._defect = sink, defect
        self._only_said: tuple[str, Path | None] = ("", None)
        self.address = f"{sink.identity()}/{sink.name}"

    def prepare(self, gid: str) -> str:
        """Write, force and park the version; the transaction's name is token enough."""
        version = self._sink.write_version()
        if self._defect is Defect.PREPARE_IN_NAME_ONLY:
            self._only_said = gid, version
        else:
            self._sink.files.prepare(version, gid)
            self._sink.let_go()
        return gid

    def standing(self, gid: str, token: str) -> Standing:
        """By what waits, and by the name that a version that was prepared keeps."""
        if gid in self.prepared():
            return Standing.PREPARED
        return Standing.COMMITTED if self._sink.files.was_committed(gid) else Standing.GONE

    def commit(self, gid: str) -> bool:
        """One rename."""
        said, version = self._only_said
        if said == gid and version is not None:
            self._sink.files.publish(version)
        elif gid in self.prepared():
            self._sink.files.commit_prepared(gid)
        else:
            return False
        self._sink.committed()
        return True

    def abort(self, gid: str) -> None:
        """The pointer goes, then the version."""
        if gid in self.prepared():
            self._sink.files.abort_prepared(gid)

    def prepared(self) -> frozenset[str]:
        """The pointers of this table."""
        return self._sink.files.prepared()
