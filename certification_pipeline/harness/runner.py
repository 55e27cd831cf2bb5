"""Planned cells in, cell results out: a pool of workers that share the cells.

The runner never decides a verdict and never writes evidence. It sees to it that every cell it was given
comes back exactly once, whatever breaks.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Sequence

from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.worker import GLANCE_SECONDS, CellResult, Worker


def run_cells(
    cells: Sequence[PlannedCell], shop: Workshop, workers: int
) -> Generator[CellResult, None, None]:
    """Run the cells with so many workers; yields each result as it comes, in no particular order.

    After ``shop.cancel`` is set, cells in hand are abandoned and the rest comes back as
    ``untested(interrupted)``; engines are killed, so nothing waits for a slow load.
    """
    todo: queue.SimpleQueue[PlannedCell] = queue.SimpleQueue()
    # Engine by engine: each worker keeps one warm process, not one an engine, and the machine its memory.
    # Of an engine the long ones first, so that no worker is left alone with one at the end.
    for cell in sorted(cells, key=_cost, reverse=True):
        todo.put(cell)
    done: queue.SimpleQueue[CellResult] = queue.SimpleQueue()
    stop = threading.Event()
    crew = [Worker(index, shop, todo, done, stop) for index in range(max(1, workers))]
    try:
        for worker in crew:
            worker.start()
        for _ in cells:
            yield _next(done, crew, shop.cancel)
    finally:
        # Also reached when the consumer stops early (Ctrl-C, full disk): no engine may outlive us.
        stop.set()
        for worker in crew:
            worker.finish()


def _next(done: queue.SimpleQueue[CellResult], crew: Sequence[Worker], cancel: threading.Event) -> CellResult:
    """The next result; once the run is cancelled, cells in hand lose their engines and so come to an end."""
    while True:
        try:
            return done.get(timeout=GLANCE_SECONDS)
        except queue.Empty:
            if cancel.is_set():
                for worker in crew:
                    worker.abandon()


def _cost(cell: PlannedCell) -> tuple[bool, str, int, str]:
    """A rough order of duration within an engine; the reference comes last: its cells are the shortest."""
    return (cell.key.engine != "reference", cell.key.engine, cell.rows, cell.key.cell_id)
