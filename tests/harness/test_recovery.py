"""Every recovery scenario is red for an engine that does it wrong, green for one that is right, and cannot
tell when its fault is held back (laws 1 and 6).

Their great calibration is the reference engine's: ``certify calibrate``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.disruption import unwitnessed
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.faults.fault import Fault
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from tests.harness.conftest import Stage, outcome, red

pytestmark = pytest.mark.integration

REFRESH, MERGE, APPEND = (
    Strategy.FULL_REFRESH,
    Strategy.INCREMENTAL_MERGE,
    Strategy.INCREMENTAL_APPEND,
)

# scenario, strategy, fault of the engine, what must be said about it: an anomaly or a check's name
WRONG: list[tuple[str, Strategy, str, str | Anomaly]] = [
    ("rec.source_reconnect", MERGE, "end_of_stream_is_end_of_rows", Anomaly.LOST),
    ("rec.source_reconnect", MERGE, "early_mark", Anomaly.LOST),
    ("rec.offset_commit", MERGE, "early_mark", Anomaly.LOST),
    ("rec.sink_write_failure", REFRESH, "truncate_first", Anomaly.LOST),
    ("rec.sink_write_failure", MERGE, "early_mark", Anomaly.LOST),
    ("rec.sink_write_failure", MERGE, "wrong_category", "load_ended"),
    ("rec.sink_reset", MERGE, "early_mark", Anomaly.LOST),
    ("rec.sink_refused", MERGE, "wrong_category", "load_ended"),
    ("rec.half_open", MERGE, "", "load_ended"),
    ("rec.slow_network", MERGE, "impatient", "load_ended"),
    ("rec.kill", MERGE, "early_mark", Anomaly.LOST),
    ("rec.pause", MERGE, "impatient", "load_ended"),
    ("rec.concurrent", APPEND, "no_lock", Anomaly.DUPLICATE),
    ("rec.schema_change_interrupted", MERGE, "early_mark", "added"),
    ("rec.source_restart", MERGE, "wrong_category", "load_ended"),
    ("rec.sink_restart", MERGE, "wrong_category", "load_ended"),
    ("rec.clock_skew", MERGE, "trusts_the_clock", "load_ended"),
    ("rec.state_lost", MERGE, "no_mark_means_now", Anomaly.LOST),
    ("rec.state_lost", APPEND, "counts_loads", "load_ended"),
    ("rec.state_corrupt", MERGE, "counts_loads", "load_ended"),
    ("rec.state_stale", MERGE, "counts_loads", "load_ended"),
]
QUICK = ("rec.source_reconnect", "rec.offset_commit", "rec.sink_write_failure")
"""The canonical ones; the others wait for the night."""
HANGS = "rec.half_open"
"""An engine that does nothing about it is wrong: psycopg alone waits for ever."""
SCENARIO_LIMITS = {"silence_seconds": 2.0, "pause_seconds": 1.5, "latency_milliseconds": 60, "skew_hours": 1}


def some_by_day(rows: list[tuple[Any, ...]]) -> Iterator[object]:
    seen = set()
    for row in rows:
        by_day = row[0] in QUICK and row[0] not in seen
        yield pytest.param(*row, marks=[] if by_day else [pytest.mark.nightly])
        seen.add(row[0])


@pytest.fixture(autouse=True)
def limits(stage: Stage) -> Iterator[None]:
    stage.limits = SCENARIO_LIMITS
    yield
    stage.limits = {}


@pytest.mark.parametrize(("scenario", "strategy", "fault", "says"), list(some_by_day(WRONG)))
def test_a_wrong_engine_is_caught(
    stage: Stage, scenario: str, strategy: Strategy, fault: str, says: str | Anomaly
) -> None:
    # A server that dies has to find a small engine at work.
    bench = stage.play(scenario, strategy, fault, rows=3000 if scenario.endswith("_restart") else 120)
    assert outcome(bench) is Outcome.FAILED, bench.faults
    assert not unwitnessed(bench.faults)
    rows = [j for j in bench.judgements if j.kind == "rows"]
    if isinstance(says, Anomaly):
        assert any(j.anomalies.get(says) for j in rows), red(bench)
        return
    told = {column for j in rows for column in j.columns}
    told |= {j.name for j in bench.judgements if j.kind == "check" and j.outcome is Outcome.FAILED}
    assert says in told, red(bench)


PLAYED = sorted({(row[0], row[1]) for row in WRONG})


@pytest.mark.parametrize(
    ("scenario", "strategy"), list(some_by_day([row for row in PLAYED if row[0] != HANGS]))
)
def test_a_right_engine_passes(stage: Stage, scenario: str, strategy: Strategy) -> None:
    bench = stage.play(scenario, strategy)
    assert outcome(bench) is Outcome.PASSED, red(bench)
    assert bench.faults
    assert not unwitnessed(bench.faults), bench.faults


@pytest.mark.parametrize(("scenario", "strategy"), list(some_by_day(PLAYED)))
def test_a_fault_held_back_tells_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, scenario: str, strategy: Strategy
) -> None:
    hold_back(monkeypatch, Fault)
    bench = stage.bench(scenario, strategy)
    reason = None
    try:
        SCENARIOS[scenario](bench)
    except Halt as halt:
        reason = halt.reason
    finally:
        bench.close()
    assert reason is ReasonCode.NO_WITNESS
    assert verdict(bench, reason) is Outcome.CANT_TELL, red(bench)


def hold_back(monkeypatch: pytest.MonkeyPatch, kind: type[Fault]) -> None:
    """Every fault that leaves a witness of a disturbance is never armed; recorders go on listening."""
    for each in kind.__subclasses__():
        hold_back(monkeypatch, each)
        if getattr(each, "name", "") not in ("", "commits.record", "network.measure", "files.record"):
            for act in ("arm", "begin", "hear"):
                monkeypatch.setattr(each, act, lambda *_: None)


def verdict(bench: Bench, reason: ReasonCode | None) -> Outcome:
    """As evidence recomputes it."""
    return CellEvidence.model_construct(
        reason=reason, judgements=tuple(bench.judgements), faults=tuple(bench.faults), attempts=()
    ).recompute()


def test_what_a_scenario_says_of_its_faults_is_what_there_is(catalog: Catalog) -> None:
    """The catalogue names faults that exist."""
    import certification_pipeline.harness.scenarios.registry  # noqa: F401 - it imports them all

    def names(kind: type[Fault]) -> Iterator[str]:
        yield from ([kind.name] if "name" in vars(kind) else [])
        for each in kind.__subclasses__():
            yield from names(each)

    known = set(names(Fault))
    rooms = {SCENARIOS[row[0]].__module__ for row in WRONG}
    for scenario in catalog.scenarios.values():
        assert set(scenario.faults) <= known, scenario.id
        assert scenario.faults or SCENARIOS[scenario.id].__module__ not in rooms, scenario.id
