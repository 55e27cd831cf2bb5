"""Each reference model agrees with a naive one on random histories, and differs when the sink differs."""

from __future__ import annotations

import datetime as dt
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, Strategy
from certification_pipeline.harness.engines.protocol import LoadOptions
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics
from certification_pipeline.harness.workload.spec import Column, LogicalType, TableSpec
from certification_pipeline.harness.workload.tables import build_workload

from .fake import EPOCH, FIRST_DAY, SPEC, FakeWorkload, Round, Row, table
from .naive import sink_rows
from .sinks import Sinks

RANDOM = settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
SCD2_SPEC: TableSpec = replace(
    SPEC,
    columns=(
        *SPEC.columns,
        Column("valid_from", LogicalType.TIMESTAMPTZ),
        Column("valid_to", LogicalType.TIMESTAMPTZ),
    ),
)

cursors = st.one_of(st.none(), st.integers(0, 6).map(lambda m: EPOCH + dt.timedelta(minutes=m)))
days = st.one_of(st.none(), st.integers(0, 4).map(lambda d: FIRST_DAY + dt.timedelta(days=d)))
notes = st.sampled_from([None, "", "a", "b"])
amounts = st.sampled_from([None, 0.0, -0.0, 1.5, float("nan")])
bounds = st.one_of(st.none(), st.integers(0, 5).map(lambda d: (FIRST_DAY + dt.timedelta(days=d)).isoformat()))


@dataclass
class Case:
    workload: FakeWorkload
    loads: tuple[int, ...]
    options: tuple[LoadOptions, ...]
    deletes: bool | None


@st.composite
def images(draw: st.DrawFn, key: int) -> Row:
    return {
        "id": key,
        "updated_at": draw(cursors),
        "business_date": draw(days),
        "note": draw(notes),
        "amount": draw(amounts),
    }


@st.composite
def cases(draw: st.DrawFn) -> Case:
    keys = draw(st.lists(st.integers(1, 12), unique=True, max_size=8))
    alive = set(keys)
    first = [draw(images(key)) for key in keys]
    rounds = []
    for _ in range(draw(st.integers(0, 3))):
        one = Round()
        for key in draw(st.lists(st.integers(1, 12), unique=True, max_size=6)):
            if key not in alive:
                one.inserts.append(draw(images(key)))
                alive.add(key)
            elif draw(st.booleans()):
                one.updates.append(draw(images(key)))
            else:
                one.deletes.append(key)
                alive.discard(key)
        rounds.append(one)
    loads = sorted(draw(st.lists(st.integers(0, len(rounds)), min_size=1, max_size=4)))
    low, high = draw(bounds), draw(bounds)
    options = tuple(
        LoadOptions(
            partition_from=draw(st.sampled_from([low, None])),
            partition_to=draw(st.sampled_from([high, None])),
            cursor_nulls=draw(st.sampled_from(["include", "exclude"])),
            lookback_seconds=draw(st.sampled_from([0, 60, 150])),
        )
        for _ in loads
    )
    return Case(
        FakeWorkload(first, rounds), tuple(loads), options, draw(st.sampled_from([None, True, False]))
    )


@pytest.mark.parametrize("strategy", list(Strategy))
@RANDOM
@given(case=cases(), pick=st.integers(0, 10**6))
def test_model_agrees_with_naive_python(
    strategy: Strategy, case: Case, pick: int, oracle: Oracle, sinks: Sinks
) -> None:
    rows = sink_rows(strategy, case.workload, case.loads, case.options, case.deletes)
    spec = SCD2_SPEC if strategy is Strategy.SCD2 else SPEC
    history = History(case.workload, case.loads, case.options)
    semantics = Semantics(strategy, propagates_deletes=case.deletes)
    judgement = oracle.judge("load", history, semantics, sinks.put("parquet", spec, table(rows, spec)))
    assert judgement.anomalies == {}
    assert judgement.outcome is Outcome.PASSED
    assert judgement.expected.rows == len(rows) == oracle.expected_rows(history, semantics)
    if rows:
        del rows[pick % len(rows)]
        worse = oracle.judge("load", history, semantics, sinks.put("parquet", spec, table(rows, spec)))
        assert worse.outcome is Outcome.FAILED
        assert worse.anomalies.get(Anomaly.LOST) == 1 or strategy is Strategy.SCD2


@pytest.mark.parametrize("strategy", list(Strategy))
def test_generated_workload_agrees_with_naive_python(
    strategy: Strategy, oracle: Oracle, sinks: Sinks
) -> None:
    """The same on the workload that certifies: 600 rows, ties, NULL cursors, late rows, four rounds."""
    workload = build_workload("narrow", 600, 5)
    by_hand = FakeWorkload(
        [r for b in workload.initial() for r in b.to_pylist()],
        [
            Round(c.inserts.to_pylist(), c.updates.to_pylist(), c.deletes.column("id").to_pylist())
            for c in map(workload.change, range(1, workload.changes + 1))
        ],
        workload.spec,
    )
    loads = (0, 1, 1, 3, 4)
    options = LoadOptions(partition_from="2024-05-21", partition_to="2024-05-28", lookback_seconds=900)
    rows = sink_rows(strategy, by_hand, loads, [options] * len(loads), None)
    spec = workload.spec
    if strategy is Strategy.SCD2:
        spec = replace(spec, columns=(*spec.columns, *SCD2_SPEC.columns[-2:]))
    history, semantics = History(workload, loads), Semantics(strategy, options)
    judgement = oracle.judge("load", history, semantics, sinks.put("parquet", spec, table(rows, spec)))
    assert judgement.anomalies == {}
    assert judgement.outcome is Outcome.PASSED
    assert judgement.actual.rows == len(rows) > 0


def test_threads_share_one_oracle(tmp_path: Path, sinks: Sinks) -> None:
    """Several cells judge at once: other rounds, other strategies, right and wrong sinks of one workload."""
    workload = build_workload("narrow", 240, 9)
    initial = pa.Table.from_batches(list(workload.initial()))
    good = sinks.put("parquet", workload.spec, initial)
    bad = sinks.put("parquet", workload.spec, initial.slice(1))
    with Oracle(tmp_path / "shared", memory_limit="200MB") as oracle, ThreadPoolExecutor(4) as pool:

        def judged(strategy: Strategy, last: int) -> tuple[Outcome, Outcome, Outcome]:
            first, later = History(workload, (0,)), History(workload, (0, last))
            semantics = Semantics(strategy)
            return (
                oracle.judge("good", first, semantics, good).outcome,
                oracle.judge("bad", first, semantics, bad).outcome,
                oracle.judge("behind", later, semantics, good).outcome,
            )

        strategies = (Strategy.FULL_REFRESH, Strategy.INCREMENTAL_MERGE, Strategy.XMIN)
        asked = [pool.submit(judged, s, last) for s in strategies for last in (1, 2, 4)]
        outcomes = {future.result() for future in asked}
    assert outcomes <= {
        (Outcome.PASSED, Outcome.FAILED, Outcome.FAILED),
    }
