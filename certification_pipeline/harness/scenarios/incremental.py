"""Cursors, idle reruns and repeated input."""

from __future__ import annotations

from certification_pipeline.harness.bench import Bench


def cursor_ties(bench: Bench) -> None:
    """Rows that arrive later with the cursor value of the last row already loaded."""
    bench.seed("cursor_ties")
    bench.load_and_judge()
    bench.change()
    bench.load_and_judge("rows tied with the high-water mark")


def null_cursor(bench: Bench) -> None:
    """Rows whose cursor is NULL, at first and later."""
    bench.seed("null_cursor")
    bench.load_and_judge()
    bench.change()
    bench.load_and_judge("more rows without a cursor")


def noop(bench: Bench) -> None:
    """Nothing new at the source: nothing changes in the sink, and the engine says so."""
    bench.seed("narrow")
    bench.load_and_judge()
    outcome = bench.load_and_judge("nothing new")
    record = outcome.record
    if record is None:
        return
    for name in ("inserted_rows", "deleted_rows"):
        claimed = getattr(record, name)
        if claimed is not None:
            bench.check("load 2", name, 0, claimed)


def rerun(bench: Bench) -> None:
    """The same input delivered twice: the state folder is lost, the whole load runs again."""
    bench.seed("narrow")
    bench.load_and_judge()
    bench.lose_state()
    bench.load()
    bench.judge_delivery("same input, state folder lost")


def state_lost(bench: Bench) -> None:
    """The state folder is lost between two rounds: the next load takes the round, and the one after nothing.

    No row of this workload comes late: an engine that reads everything anew is right, too, and sees no more
    than one that goes on from its mark.
    """
    bench.seed("punctual")
    bench.load_and_judge()
    bench.change()
    bench.lose_state()
    bench.load()
    bench.judge_delivery("change round, state folder lost")
    bench.load()
    bench.judge_delivery("idle rerun, with what was restored")
