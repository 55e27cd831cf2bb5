"""The commit boundaries of real engines: two clean runs show the same ones, under other names and ids."""

from __future__ import annotations

import threading

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Side, Strategy
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.commits import CommitRecorder
from certification_pipeline.harness.shop import Workshop, solo
from certification_pipeline.harness.workshop import ReadyEngine, open_workshop, ready_engines

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

ROWS = 2000


def addresses(bench: Bench) -> list[str]:
    """Of the load after a change round; the first one of all makes what later ones find."""
    recorder = CommitRecorder([Side.SOURCE, Side.SINK])
    bench.nemesis.wire(Side.SOURCE, Side.SINK)
    bench.seed(rows=ROWS)
    bench.load()
    bench.change()
    with bench.nemesis.disrupt(recorder):
        bench.load()
    return [point.address for point in recorder.points]


def clean_run(shop: Workshop, engine: str, strategy: Strategy, *, afresh: bool) -> list[str]:
    scenario = "batch.full_refresh"
    key = CellKey(engine=engine, source="postgres", sink="postgres", strategy=strategy, scenario=scenario)
    cell = PlannedCell(key=key, scenario_version=1, rows=ROWS, seed=1, required=True, disposition="run")
    with solo(shop, cell) as bench:
        if not afresh:
            return addresses(bench)
        other = bench.afresh(7, "")
        try:
            return addresses(other)
        finally:
            other.close()


@pytest.mark.parametrize(
    ("engine", "strategy"),
    [
        ("reference", Strategy.INCREMENTAL_MERGE),
        ("dlt", Strategy.INCREMENTAL_MERGE),
        ("sling", Strategy.INCREMENTAL_MERGE),
        ("dpone_prepared", Strategy.INCREMENTAL_MERGE),
        ("singer_postgres", Strategy.INCREMENTAL_MERGE),
        ("debezium", Strategy.CDC),
    ],
)
def test_two_clean_runs_have_the_same_boundaries(engine: str, strategy: Strategy) -> None:
    catalog = load_catalog()
    engines = ready_engines(catalog, [engine], lambda _: None)
    if not isinstance(engines[engine], ReadyEngine):
        pytest.skip(f"{engine} cannot be started here")
    with open_workshop(
        catalog,
        run_id="addresses",
        systems=["postgres"],
        engines=engines,
        on_event=lambda _: None,
        cancel=threading.Event(),
    ) as shop:
        first = clean_run(shop, engine, strategy, afresh=False)
        assert first
        assert clean_run(shop, engine, strategy, afresh=True) == first
