"""The wire's faults on the reference engine: those that fire are survived, others prove nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode, Side, Strategy
from certification_pipeline.evidence.disruption import CrashPoint
from certification_pipeline.families.matrix import cell_evidence
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.environment import prepare
from certification_pipeline.harness.faults.commits import (
    CommitRecorder,
    CutAfterCommit,
    KillAfterCommit,
    KillBeforeCommit,
)
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.faults.network import HalfOpen, Latency, Refuse, Reset, SlowClose
from certification_pipeline.harness.faults.statements import CancelStatement
from certification_pipeline.harness.nemesis import ANY_END
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.worker import CellResult
from tests.evidence import builders
from tests.harness.conftest import Scenarios, Shop, catalog, oracle, planned, scenarios, shop

__all__ = ["catalog", "oracle", "scenarios", "shop"]

pytestmark = pytest.mark.integration

NEVER = 1 << 40
NOWHERE = CrashPoint(number=1, medium="sink", action="COMMIT", object="no_such_table")
BOTH = (Side.SOURCE, Side.SINK)


@pytest.fixture
def workshop(shop: Shop, catalog: Catalog) -> Workshop:
    engine = catalog.engine("reference")
    return replace(shop.open({}), engines={"reference": prepare("reference", engine.driver)})


def run(workshop: Workshop, *names: str) -> dict[str, CellResult]:
    cells = [planned(name, Strategy.INCREMENTAL_MERGE, engine="reference") for name in names]
    return {result.planned.key.scenario: result for result in run_cells(cells, workshop, 1)}


def judged(result: CellResult) -> Outcome:
    return cell_evidence(builders.plan((result.planned,)), result, "run").recompute()


def disrupted(fault: Callable[[], Fault]) -> Callable[[Bench], None]:
    def scenario(bench: Bench) -> None:
        bench.nemesis.wire(*BOTH)
        bench.seed("narrow")
        with bench.nemesis.disrupt(fault()):
            outcome = bench.load(ends=ANY_END)
            if outcome.end == "result":
                bench.judge_delivery("under the fault")
        bench.nemesis.recover()

    return scenario


SUPPRESSED: dict[str, Callable[[], Fault]] = {
    "reset": lambda: Reset(Side.SINK, NEVER),
    "half_open": lambda: HalfOpen(Side.SOURCE, NEVER),
    "cancel": lambda: CancelStatement(Side.SINK, NEVER),
    "refuse": lambda: Refuse(Side.SINK, 0),
    "kill_before": lambda: KillBeforeCommit(NOWHERE),
    "kill_after": lambda: KillAfterCommit(NOWHERE),
    "cut_after": lambda: CutAfterCommit(NOWHERE),
}


@pytest.mark.parametrize(
    "names",
    [("cancel", "kill_before"), pytest.param(tuple(SUPPRESSED), marks=pytest.mark.nightly)],
    ids=["few", "all"],
)
def test_what_did_not_fire_leaves_the_cell_open(
    workshop: Workshop, scenarios: Scenarios, names: tuple[str, ...]
) -> None:
    scenarios(**{name: disrupted(SUPPRESSED[name]) for name in names})
    results = run(workshop, *names)
    assert {(result.reason, judged(result)) for result in results.values()} == {
        (ReasonCode.NO_WITNESS, Outcome.CANT_TELL)
    }
    for result in results.values():
        assert result.loads[0].ended == "result"
        assert [fault.witness for fault in result.faults] == [None]


FIRING: dict[str, Callable[[], Fault]] = {
    "reset_sink": lambda: Reset(Side.SINK, 1000),
    "reset_source": lambda: Reset(Side.SOURCE, 1000),
    "latency": lambda: Latency(Side.SINK, 1),
    "refuse": lambda: Refuse(Side.SINK, 1),
    "slow_close": lambda: SlowClose(Side.SINK, 0.2),
    "cancel": lambda: CancelStatement(Side.SINK, 1000),
}


@pytest.mark.nightly
def test_what_fires_is_witnessed_and_survived(workshop: Workshop, scenarios: Scenarios) -> None:
    made = {name: disrupted(fault) for name, fault in FIRING.items()}
    scenarios(**made)
    results = run(workshop, *made)
    for name, result in results.items():
        assert judged(result) is Outcome.PASSED, (name, result.detail)
        assert result.faults[0].witness, name


def crash_line(bench: Bench) -> None:
    """Every boundary of a change's load, each way, at tables of their own."""
    recorder = CommitRecorder(BOTH)

    def upto(bench: Bench) -> None:
        bench.nemesis.wire(*BOTH)
        bench.seed("narrow")
        bench.load()
        bench.change()

    upto(bench)
    with bench.nemesis.disrupt(recorder):
        bench.load_and_judge()
    number = 0
    for point in recorder.points:
        for fault in (KillBeforeCommit, KillAfterCommit, CutAfterCommit):
            number += 1
            trial = bench.afresh(number, f"{fault.name} {point.address}: ")
            upto(trial)
            with trial.nemesis.disrupt(fault(point)):
                trial.load(ends=ANY_END)
            trial.nemesis.recover()
            trial.close()


@pytest.mark.nightly
def test_the_reference_survives_every_crash_point(workshop: Workshop, scenarios: Scenarios) -> None:
    scenarios(crash_line=crash_line)
    [result] = run(workshop, "crash_line").values()
    assert judged(result) is Outcome.PASSED, result.detail
    recorded, *struck = result.faults
    assert recorded.witness == {"boundaries": len(struck) // 3}
    assert all(fault.witness for fault in struck)
    killed = [load.step for load in result.loads if load.ended == "killed"]
    assert len(killed) == len([fault for fault in struck if fault.fault != CutAfterCommit.name])
