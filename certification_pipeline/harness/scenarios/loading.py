"""Whole loads: what every strategy must yield, volumes, types and names.

Purpose, method and pass criterion of each scenario are data (``catalog/data/scenarios``); here is only
what happens.
"""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.harness.bench import Bench

MEMORY_CAP_BYTES = 1 << 30
"""What an engine may need for ``batch.large``; its 100 000 narrow rows are about 10 MB."""

SINKS_READ_WITHOUT_CASE = frozenset({"duckdb", "sqlite", "parquet"})
"""``Order`` and ``order`` are one column to DuckDB and SQLite, quoted or not. A Parquet file can hold both,
but its common readers (Spark, Hive, DuckDB) cannot tell them apart, so no engine is asked to."""


def strategy(bench: Bench) -> None:
    """Load, two change rounds, each loaded; then an idle rerun. Most defects show from the second run on."""
    bench.seed("standard")
    bench.load_and_judge()
    bench.change()
    bench.load_and_judge("first change round")
    if bench.strategy in (Strategy.XMIN, Strategy.CDC):
        # The rows of a transaction that commits late carry an xmin and LSN from before the load.
        with bench.change_in_flight():
            bench.touch()
            bench.load_and_judge("a transaction is in flight")
    else:
        bench.change()
    bench.load_and_judge("second change round")
    bench.load_and_judge("idle rerun")


def full_refresh(bench: Bench) -> None:
    """One load of N rows; every row arrives exactly once."""
    bench.seed("standard")
    bench.load_and_judge()


def empty(bench: Bench) -> None:
    """No rows at all, twice: the table exists, is empty, and nothing fails."""
    bench.seed("empty", rows=0)
    bench.load_and_judge("empty source")
    bench.load_and_judge("empty source, again")


def wide(bench: Bench) -> None:
    """Five hundred columns."""
    bench.seed("wide")
    bench.load_and_judge()


def large(bench: Bench) -> None:
    """Ten times the default rows in a narrow table, within a memory cap where the engine reports its peak."""
    bench.seed("narrow")
    outcome = bench.load_and_judge()
    peak = outcome.record.peak_memory_bytes if outcome.record else None
    if peak is not None:
        bench.record_check(
            CheckJudgement(
                step="load 1",
                name="peak_memory_bytes",
                expected=MEMORY_CAP_BYTES,
                observed=peak,
                comparison="at_most",
            )
        )


def types(bench: Bench) -> None:
    """Every boundary of every type, loaded twice: a lossless first load is not a lossless second one."""
    bench.seed("types")
    bench.load_and_judge()
    bench.load_and_judge("same rows again")


def identifiers(bench: Bench) -> None:
    """Reserved words, quotes, 63-byte names; case pairs where the sink can tell them apart."""
    bench.seed("funky_one_case" if bench.key.sink in SINKS_READ_WITHOUT_CASE else "funky")
    bench.load_and_judge()
    bench.load_and_judge("same rows again")
