"""What one append costs in a ledger of 10, 100 and 1 000 releases, and what reading all of it would cost.

    python -m benchmarks.append_scale [--releases 1000] [--cells 5] [--format table|json]

Milliseconds of CPU, medians of the appends around each size. ``tail``: as it is; ``whole``: nothing kept, as
on another machine. ``summary``: all of the chain hashed for the decision; ``decide``: the whole release.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.shown import parser, progress, show
from benchmarks.synthetic import cells_of, decide
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates import chain
from certification_pipeline.gates.levels.facts import VARIABLE
from certification_pipeline.gates.summary_chain import see_chain

AROUND = 5
"""Appends whose median is told."""


def milliseconds(work: Callable[[], object]) -> float:
    begin = time.process_time()
    work()
    return (time.process_time() - begin) * 1000


def whole(directory: SubjectDir, cache: Path) -> float:
    """The same append with nothing kept; nothing is new, so that all it does is read."""
    os.environ[VARIABLE] = ""
    try:
        return milliseconds(lambda: chain.append(EvidenceStore.holding(directory), directory, stamp("run")))
    finally:
        os.environ[VARIABLE] = str(cache)


def measured(root: Path, cache: Path, releases: int, cells: int) -> list[dict[str, float]]:
    sizes = [size for size in (10, 100, 1000, 10_000) if size <= releases]
    took: dict[int, dict[str, list[float]]] = {
        size: {"tail": [], "whole": [], "summary": [], "decide": []} for size in sizes
    }
    total = 0.0
    rows = []
    for number in range(1, releases + 1):
        directory = cells_of(root, f"r{number:05d}", cells, number)
        made = decide(directory, number)
        total += made["append"]
        for size in sizes:
            if size - AROUND < number <= size:
                one = took[size]
                one["tail"].append(made["append"])
                one["decide"].append(made["whole"])
                one["whole"].append(whole(directory, cache))
                one["summary"].append(milliseconds(lambda d=directory: see_chain(d, kept=True)))  # type: ignore[misc]
        if number in sizes:
            progress(f"{number} releases, {total / 1000:.1f} s CPU in appends")
            medians = {f"{name}_ms": median(values) for name, values in took[number].items()}
            rows.append({"releases": number, "appends_s": total / 1000, **medians})
        shutil.rmtree(directory.path.parent)  # nothing here reads earlier releases
    return rows


def main() -> None:
    asking = parser(__doc__)
    asking.add_argument("--releases", type=int, default=1000)
    asking.add_argument("--cells", type=int, default=5)
    asked = asking.parse_args()
    base = Path(tempfile.mkdtemp(prefix="append-scale-"))
    kept = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = str(base / "cache")
    try:
        rows = measured(base / "evidence", base / "cache", asked.releases, asked.cells)
    finally:
        shutil.rmtree(base)
        os.environ.pop(VARIABLE) if kept is None else os.environ.update({VARIABLE: kept})
    show("append_scale", rows, asked.format)


if __name__ == "__main__":
    main()
