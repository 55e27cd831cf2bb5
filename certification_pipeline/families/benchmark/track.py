"""Where all processes of one benchmark run: one source table, one sink, one folder, one server to look at."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.families.benchmark.asked import WORKLOAD, Asked
from certification_pipeline.families.benchmark.raw import columns_of
from certification_pipeline.families.work import Work
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.cleaning import clean_sink
from certification_pipeline.harness.cpu import tree_cpu_seconds
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster
from certification_pipeline.harness.shop import namespace_of

SCENARIO = "benchmark"


@dataclass(frozen=True)
class Track:
    """See the module docstring."""

    work: Work
    asked: Asked
    bench: Bench
    folder: Path
    raw_columns: str

    def server_cpu(self) -> float | None:
        """CPU so far of our own database server; ``None`` when the server is not ours to look at."""
        for system in (self.asked.source, self.asked.sink):
            instance = self.work.shop.services[system]
            if isinstance(instance, PostgresCluster) and instance.pid is not None:
                return tree_cpu_seconds(instance.pid)
        return None

    def clean(self) -> None:
        """Remove what a pair's processes wrote into the sink."""
        clean_sink(self.work.shop.services[self.asked.sink], self.bench.station.namespace)


@contextmanager
def open_track(work: Work, asked: Asked) -> Iterator[Track]:
    """Seed the source table; it, and the folder, go with the block."""
    key = CellKey(
        engine=work.engine,
        source=asked.source,
        sink=asked.sink,
        strategy=asked.strategy,
        scenario=SCENARIO,
    )
    planned = PlannedCell(
        key=key, scenario_version=1, rows=asked.rows, seed=work.plan.seed, required=True, disposition="run"
    )
    folder = work.shop.work_dir / SCENARIO / namespace_of(key)
    folder.mkdir(parents=True)
    bench = Bench(work.shop.station(planned, folder, _nobody))
    try:
        bench.seed(WORKLOAD, rows=asked.rows)
        columns = columns_of(bench.station.source_dsn, bench.transactional_source.qualified_name)
        yield Track(work, asked, bench, folder, columns)
    finally:
        try:
            bench.close()
            work.shop.clean(key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _nobody() -> EngineSession:
    raise RuntimeError("a benchmark starts its own processes")
