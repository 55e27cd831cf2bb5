"""What a benchmark is asked to measure."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Strategy, Support
from certification_pipeline.evidence.benchmark_figures import MIN_PAIRS
from certification_pipeline.evidence.benchmark_samples import Metric

DEFAULT_ROWS = 10_000
WORKLOAD = "standard"


class AskedError(Exception):
    """What was asked for cannot be measured; ``remedy`` says what can."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


@dataclass(frozen=True)
class Asked:
    """One route and strategy, and how hard to look. The defaults are what a profile's run measures."""

    source: str = "postgres"
    sink: str = "postgres"
    strategy: Strategy = Strategy.FULL_REFRESH
    rows: int = DEFAULT_ROWS
    loads: int = 3
    """Measured loads a process, after one that warms up."""
    pairs: int = MIN_PAIRS
    max_pairs: int = 2 * MIN_PAIRS
    step: int = 5
    ratio: float = 0.10
    """Part of the baseline that may be lost, in [0, 1)."""
    gate_wall: bool = False
    """Gate wall time as well: on a machine that does nothing else."""
    baseline: str | None = None
    """``self``, or the path of a pinned artefact (.zip) or of a lock file; else the pin, else itself."""

    @property
    def gated(self) -> tuple[Metric, ...]:
        """CPU time is what a busy machine falsifies least (research: 10 % of spread against 46 %)."""
        return (Metric.CPU, Metric.WALL) if self.gate_wall else (Metric.CPU,)

    def check(self, catalog: Catalog, engine: str) -> None:
        """Raise :class:`AskedError` for what could not be measured, or not be believed."""
        _check_numbers(self)
        claims = catalog.engine(engine).route(self.source, self.sink)
        route = f"{self.source}_to_{self.sink}"
        if claims is None:
            there = ", ".join(f"{r.source}_to_{r.sink}" for r in catalog.engine(engine).routes)
            raise AskedError(f"--route: {engine} declares nothing on {route}", f"choose from: {there}")
        claim = claims.strategies.get(self.strategy)
        if claim is None or claim.support not in {Support.FULL, Support.PARTIAL}:
            there = ", ".join(strategy.value for strategy in claims.strategies)
            raise AskedError(
                f"--strategy: {engine} declares no {self.strategy} on {route}", f"there are: {there}"
            )
        if self.strategy is Strategy.CDC:
            what = "cdc keeps a replication slot for each load, so loads cannot be repeated"
            raise AskedError(f"--strategy: {what}", "measure full_refresh, xmin or incremental_merge")
        if self.baseline is not None and self.baseline != "self" and not Path(self.baseline).is_file():
            remedy = "give 'self', a pinned artefact (.zip), or a lock file of the engine"
            raise AskedError(f"--baseline: there is no file {self.baseline}", remedy)


def _check_numbers(asked: Asked) -> None:
    if not 0 <= asked.ratio < 1:
        remedy = "give the part of the baseline that may be lost: at least 0, less than 1, e.g. 0.10"
        raise AskedError(f"--allowed-regression-ratio: {asked.ratio} is not a ratio in [0, 1)", remedy)
    if asked.pairs < MIN_PAIRS:
        remedy = f"give at least {MIN_PAIRS}: fewer cannot tell a change from noise"
        raise AskedError(f"--pairs: {asked.pairs} is too few", remedy)
    if asked.max_pairs < asked.pairs:
        raise AskedError(
            f"--max-pairs: {asked.max_pairs} is less than --pairs {asked.pairs}", "give as many or more"
        )


def asked_in_words(
    *,
    route: str | None = None,
    strategy: str | None = None,
    rows: int | None = None,
    pairs: int | None = None,
    max_pairs: int | None = None,
    ratio: float = Asked.ratio,
    baseline: str | None = None,
    gate_wall: bool = False,
) -> Asked:
    """From what a command is given; ``None`` is the default. Raises :class:`AskedError`."""
    source, arrow, sink = (route or f"{Asked.source}_to_{Asked.sink}").partition("_to_")
    if not (source and arrow and sink):
        raise AskedError(f"--route: {route!r} is no route", "give one as postgres_to_duckdb")
    try:
        how = Strategy(strategy or Asked.strategy)
    except ValueError:
        there = ", ".join(each.value for each in Strategy)
        raise AskedError(f"--strategy: there is no {strategy!r}", f"choose one of {there}") from None
    least = Asked.pairs if pairs is None else pairs
    asked = Asked(
        source=source,
        sink=sink,
        strategy=how,
        rows=Asked.rows if rows is None else rows,
        pairs=least,
        max_pairs=max(least, Asked.max_pairs) if max_pairs is None else max_pairs,
        ratio=ratio,
        baseline=baseline,
        gate_wall=gate_wall,
    )
    _check_numbers(asked)
    return asked
