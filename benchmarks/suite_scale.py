"""How the suite grows with the number of cells: seconds at n and at 10 n, and their ratio.

    python -m benchmarks.suite_scale [--cells 10000] [--format table|json]

Linear means a ratio near 10. The target (DESIGN section 14): the suite over 10 000 cells takes less than
a second after start-up. Every figure is the best of three, on a warm file cache.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.shown import Row, parser, progress, show
from benchmarks.synthetic import cells_of
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import SubjectDir
from certification_pipeline.gates.certification_suite import certification_suite
from certification_pipeline.gates.decide import write_report


def best_of_three(work: Callable[[], object]) -> tuple[float, float]:
    """Wall and processor seconds of the quickest run; on a quiet machine they are the same."""
    seconds = []
    for _ in range(3):
        wall, processor = time.perf_counter(), time.process_time()
        work()
        seconds.append((time.perf_counter() - wall, time.process_time() - processor))
    return min(seconds)


def suite_over(directory: SubjectDir) -> None:
    suite = certification_suite(directory, stamp("run"), suite_id="scale")
    if not suite.passed:
        raise SystemExit(f"the suite is not green: {suite.blockers[:3]}")


def main() -> None:
    asking = parser(__doc__)
    asking.add_argument("--cells", type=int, default=10_000)
    asked = asking.parse_args()
    largest: int = asked.cells
    root = Path(tempfile.mkdtemp(prefix="suite-scale-"))
    rows: list[Row] = []
    seconds: list[float] = []
    try:
        for count in (largest // 10, largest):
            directory = cells_of(root, f"scale-{count}", count)
            write_report(directory, "run")
            progress(f"{count} cells made")
            wall, processor = best_of_three(partial(suite_over, directory))
            seconds.append(processor)
            each, ratio = processor / count * 1e6, processor / seconds[0]
            rows.append({"cells": count, "wall_s": wall, "cpu_s": processor, "us_each": each, "ratio": ratio})
    finally:
        shutil.rmtree(root)
    show("suite_scale", rows, asked.format)


if __name__ == "__main__":
    main()
