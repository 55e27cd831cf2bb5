"""The run record: each figure measured where it happens (DESIGN section 7)."""

from __future__ import annotations

import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed_version
from pathlib import Path

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.protocol import Load, RunRecord
from certification_pipeline.reference.state import PipelineState
from certification_pipeline.reference.strategies.plan import Counts

ENGINE, TWO_PHASE_ENGINE = "reference", "reference_two_phase"
_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")


def version() -> str:
    """The engine's version: that of the package it is part of."""
    try:
        return installed_version("certification_pipeline")
    except PackageNotFoundError:
        return "0+unknown"


def now_text() -> str:
    """This instant, ISO 8601, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


@dataclass
class Ledger:
    """What one load has done so far; becomes the run record whether it ends well or not."""

    load: Load
    engine: str = ENGINE
    started_at: str = field(default_factory=now_text)
    extracted: int = 0
    staged: int = 0
    loaded: int = 0
    final: int | None = None
    counts: Counter[Counts] = field(default_factory=Counter)
    retries: int = 0
    before: PipelineState = field(default_factory=PipelineState)
    after: PipelineState | None = None
    timings: dict[str, float] = field(default_factory=dict)
    _began: float = field(default_factory=time.monotonic)

    def reset(self) -> None:
        """Forget what a failed attempt did: it was rolled back. Retries and timings stay."""
        self.extracted = self.staged = self.loaded = 0
        self.final, self.after = None, None
        self.counts.clear()

    @property
    def elapsed(self) -> float:
        """Seconds since the load began."""
        return time.monotonic() - self._began

    @contextmanager
    def timed(self, phase: str) -> Iterator[None]:
        """Add the block's wall time to ``phase``."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.timings[phase] = self.timings.get(phase, 0.0) + time.monotonic() - began

    def record(self, failure: FailureCategory | None = None) -> RunRecord:
        """The record as of now. A failed load wrote nothing, and says so."""
        load, failed = self.load, failure is not None
        updated = self.counts[Counts.UPDATED] + self.counts[Counts.VERSIONED]
        after = self.before if failed or self.after is None else self.after
        return RunRecord(
            run_id=load.run_id,
            engine=self.engine,
            engine_version=version(),
            manifest_path=load.manifest_path,
            selector=load.selector,
            source_id=_object_id(load.source.system, load.source.namespace, load.source.name),
            sink_id=_object_id(load.sink.system, load.sink.namespace, load.sink.name),
            extracted_rows=self.extracted,
            staged_rows=self.staged,
            loaded_rows=0 if failed else self.loaded,
            final_rows=None if failed else self.final,
            inserted_rows=0 if failed else self.counts[Counts.INSERTED] - self.counts[Counts.VERSIONED],
            updated_rows=0 if failed else updated,
            deleted_rows=0 if failed else self.counts[Counts.DELETED],
            soft_deleted_rows=0,
            retries=self.retries,
            failure_category=failure,
            state_before=self.before.report(),
            state_after=after.report(),
            started_at=self.started_at,
            finished_at=now_text(),
            timings_seconds={**self.timings, "total": self.elapsed},
            peak_memory_bytes=peak_memory(),
        )


def _object_id(system: str, namespace: str, name: str) -> str:
    """An object without its address: a DSN may hold a password."""
    return f"{system}:{namespace}.{name}" if namespace else f"{system}:{name}"


def reset_peak_memory() -> None:
    """Begin a new peak where the kernel can (Linux); elsewhere the peak is that of the process."""
    try:
        _CLEAR.write_text("5")
    except OSError:
        return


def peak_memory() -> int:
    """Peak resident bytes since :func:`reset_peak_memory`."""
    try:
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
