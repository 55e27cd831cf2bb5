"""The machine under an engine: its clock is off, its disk is full.

Purpose, method and criterion of each scenario, in full, are data (``catalog/data/scenarios/recovery.yaml``).
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.clock import ClockSkew
from certification_pipeline.harness.faults.disk import FileSizeLimit
from certification_pipeline.harness.nemesis import RESULT, failed_as
from certification_pipeline.harness.scenarios.broken import (
    MIDDLE,
    TRIES,
    WORKLOAD,
    broken,
    broken_at,
)


def clock_skew(bench: Bench) -> None:
    """Positions come from the data, not from the clock.

    A round is loaded with the engine's clock ahead, the next with it behind, and once more with the right
    one. Passes when all end well and rows are right after each.
    """
    hours = bench.station.limits["skew_hours"]
    bench.seed(WORKLOAD)
    bench.load_and_judge()
    for skew in (hours, -hours):
        bench.change()
        broken(bench, ClockSkew(skew), (RESULT,))
    bench.change()
    bench.nemesis.recover("by the right clock again")


def disk_full(bench: Bench) -> None:
    """A full disk is a failure with a name, and there is a way back.

    A first load is done without limit; then, in a sink of its own, with no file allowed beyond half of the
    largest. Passes when that load ends with `resource`, or well with the rows, and the rerun and the next
    round bring them.
    """
    bench.seed(WORKLOAD)
    bench.load_and_judge()
    largest = _largest_file(Path(bench.station.sink_dsn), bench.station.namespace)
    table = bench.afresh(1, "full: ")
    try:
        table.seed(WORKLOAD)
        ends = (RESULT, *failed_as(FailureCategory.RESOURCE))
        broken_at(table, partial(_limit, largest * MIDDLE), ends, "no file may grow")
        table.nemesis.recover()
        table.change()
        table.nemesis.recover("the next round")
    finally:
        table.close()


def _limit(size: float, tries: int) -> FileSizeLimit:
    """Odd: no multiple of a sector, which files may have as their size by themselves."""
    return FileSizeLimit(int(size * (1 - tries / (2 * TRIES))) | 1)


def _largest_file(sink: Path, namespace: str) -> int:
    """Bytes of the cell's largest file in the sink: a database, or a directory that other cells use, too."""
    if sink.is_file():
        return sink.stat().st_size
    # Not rglob: another cell's directory may go while we look, which `os.walk` does not mind.
    found = (Path(folder) / name for folder, _, names in os.walk(sink) for name in names)
    return max(file.stat().st_size for file in found if namespace in str(file))
