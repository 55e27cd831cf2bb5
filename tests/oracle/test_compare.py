"""Planted edits of every anomaly kind are counted exactly, and nothing else is; order never matters."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, Strategy
from certification_pipeline.harness.oracle import collecting
from certification_pipeline.harness.oracle.model import expected
from certification_pipeline.harness.oracle.oracle import History, Oracle, Semantics
from certification_pipeline.harness.workload.tables import build_workload

from .fake import EPOCH, FIRST_DAY, FakeWorkload, Round, Row, table
from .sinks import Sinks

QUICK = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
texts = st.one_of(
    st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
)
amounts = st.one_of(st.none(), st.floats(), st.just(-0.0))


def row(key: int, note: str | None, amount: float | None, version: int = 0) -> Row:
    return {
        "id": key,
        "updated_at": EPOCH.replace(hour=version, minute=key % 60),
        "business_date": FIRST_DAY.replace(day=1 + key % 28),
        "note": note,
        "amount": amount,
    }


@dataclass
class Plan:
    """Which key gets which edit; the sink that follows from it."""

    workload: FakeWorkload
    sink: list[Row] = field(default_factory=list)
    expected: dict[Anomaly, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)

    def count(self, anomaly: Anomaly, rows: int = 1) -> None:
        self.expected[anomaly] = self.expected.get(anomaly, 0) + rows


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    size = draw(st.integers(1, 30))
    keys = draw(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=size, max_size=size, unique=True))
    first = [row(key, draw(texts), draw(amounts)) for key in keys]
    fates = {key: draw(st.sampled_from(["stay", "update", "delete"])) for key in keys}
    updates = [row(k, f"new {k}", draw(amounts), version=1) for k in keys if fates[k] == "update"]
    deletes = [k for k in keys if fates[k] == "delete"]
    plan = Plan(FakeWorkload(first, [Round(updates=updates, deletes=deletes)]))
    old = {r["id"]: r for r in first}
    for key, good in plan.workload.source_after(1).items():
        edits = [
            "none",
            "none",
            "lost",
            "duplicate",
            "corrupt",
            *(["stale"] if fates[key] == "update" else []),
        ]
        match draw(st.sampled_from(edits)):
            case "none":
                plan.sink.append(good)
            case "lost":
                plan.count(Anomaly.LOST)
            case "duplicate":
                more = draw(st.integers(1, 3))
                plan.sink += [good] * (1 + more)
                plan.count(Anomaly.DUPLICATE, more)
            case "corrupt":
                column, value = draw(
                    st.sampled_from([("note", "corrupted!"), ("amount", 0.123456789), ("updated_at", None)])
                )
                plan.sink.append({**good, column: value})
                plan.count(Anomaly.CORRUPT)
                plan.columns[column] = plan.columns.get(column, 0) + 1
            case "stale":
                plan.sink.append(old[key])
                plan.count(Anomaly.STALE)
                for name in ("note", "amount", "updated_at", "business_date"):
                    if not same(old[key][name], good[name]):
                        plan.columns[name] = plan.columns.get(name, 0) + 1
    for key in deletes:
        if draw(st.booleans()):
            plan.sink.append(old[key])
            plan.count(Anomaly.RESURRECTED_DELETE)
    for _ in range(draw(st.integers(0, 3))):
        plan.sink.append({**row(1, "phantom", 1.0), "id": None})
        plan.count(Anomaly.PHANTOM)
    fresh = (k for k in itertools.count(10**9) if k not in old)
    for key in itertools.islice(fresh, draw(st.integers(0, 3))):
        plan.sink.append(row(key, "phantom", 1.0))
        plan.count(Anomaly.PHANTOM)
    random.Random(draw(st.integers(0, 2**32))).shuffle(plan.sink)
    return plan


def same(one: object, other: object) -> bool:
    if isinstance(one, float) and isinstance(other, float):
        if math.isnan(one) or math.isnan(other):
            return math.isnan(one) and math.isnan(other)
        return one == other and math.copysign(1, one) == math.copysign(1, other)
    return one == other


@QUICK
@given(plan=plans())
def test_planted_edits_are_counted_exactly(plan: Plan, oracle: Oracle, sinks: Sinks) -> None:
    check(plan, oracle, sinks)


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing counts as small: everything goes the way of tables that do not fit in memory."""
    monkeypatch.setattr(expected, "_SMALL_CELLS", -1)
    monkeypatch.setattr(collecting, "_SMALL_CELLS", -1)


@pytest.mark.nightly
@QUICK
@given(plan=plans())
def test_tables_too_large_for_memory_are_judged_alike(
    plan: Plan, oracle: Oracle, sinks: Sinks, no_memory: None
) -> None:
    check(plan, oracle, sinks)


def check(plan: Plan, oracle: Oracle, sinks: Sinks) -> None:
    sink = sinks.put("parquet", plan.workload.spec, table(plan.sink))
    history = History(plan.workload, (0, 1))  # type: ignore[arg-type]
    judgement = oracle.judge("load", history, Semantics(Strategy.FULL_REFRESH), sink)
    assert judgement.remark is None
    assert judgement.anomalies == plan.expected
    assert judgement.columns == plan.columns
    assert judgement.outcome is (Outcome.FAILED if plan.expected else Outcome.PASSED)
    assert (judgement.expected == judgement.actual) is not bool(plan.expected)
    assert {s.anomaly for s in judgement.samples} <= set(plan.expected)
    assert bool(judgement.samples) == bool(plan.expected)


@settings(QUICK, max_examples=15)
@given(data=st.data())
def test_a_column_wrong_in_every_version_of_a_key_accuses_no_other(
    data: st.DataObject, sinks: Sinks, oracle: Oracle
) -> None:
    """An append keeps every version; whichever was hashed first, each is told from its own image."""
    keys = range(data.draw(st.integers(1, 8), label="keys"))
    rounds = range(1, data.draw(st.integers(2, 4), label="versions"))
    first = [row(key, f"first {key}", float(key)) for key in keys]
    changes = [
        Round(updates=[row(k, data.draw(texts), data.draw(amounts), version=n) for k in keys]) for n in rounds
    ]
    workload = FakeWorkload(first, changes)
    kept = [*first, *(image for change in changes for image in change.updates)]
    wrong = [{**image, "business_date": FIRST_DAY.replace(year=1999)} for image in kept]
    data.draw(st.randoms(use_true_random=False)).shuffle(wrong)
    sink = sinks.put("parquet", workload.spec, table(wrong))
    history = History(workload, tuple(range(len(changes) + 1)))  # type: ignore[arg-type]
    judgement = oracle.judge("load", history, Semantics(Strategy.INCREMENTAL_APPEND), sink)
    assert judgement.anomalies == {Anomaly.CORRUPT: len(kept)}
    assert judgement.columns == {"business_date": len(kept)}
    assert {sample.column for sample in judgement.samples} == {"business_date"}


def test_samples_are_bounded_and_every_kind_has_one(sinks: Sinks, oracle: Oracle) -> None:
    first = [row(key, "x" * 1000, 1.0) for key in range(100)]
    workload = FakeWorkload(first)
    wrong = [{**r, "note": "y" * 1000} for r in first[2:]] + [first[1], first[1]]
    history = History(workload, (0,))  # type: ignore[arg-type]
    judgement = oracle.judge(
        "load", history, Semantics(Strategy.FULL_REFRESH), sinks.put("parquet", workload.spec, table(wrong))
    )
    assert judgement.anomalies == {Anomaly.LOST: 1, Anomaly.DUPLICATE: 1, Anomaly.CORRUPT: 98}
    assert len(judgement.samples) == 20
    assert {s.anomaly for s in judgement.samples} == set(judgement.anomalies)
    assert max(len(s.expected or "") for s in judgement.samples) < 230
    assert any("… (1000 characters)" in (s.expected or "") for s in judgement.samples)


@pytest.mark.nightly
def test_a_large_table_spills_and_is_judged_exactly(
    tmp_path: Path, types: Mapping[str, Mapping[str, TypeRule]], no_memory: None
) -> None:
    """200 000 rows under 64 MB: the loss of one row and the change of one cell are found."""
    workload = build_workload("narrow", 200_000, 1)
    rows = pa.Table.from_batches(list(workload.initial()))
    wrong = pa.concat_tables([rows.slice(0, 777), rows.slice(778)])
    changed = wrong.slice(5, 1).set_column(4, "note", pa.array(["changed"]))
    wrong = pa.concat_tables([wrong.slice(0, 5), changed, wrong.slice(6)])
    places = Sinks(tmp_path, None, types)
    history, semantics = History(workload, (0,)), Semantics(Strategy.FULL_REFRESH)
    with Oracle(tmp_path / "work", memory_limit="64MB") as oracle:
        good = oracle.judge("load", history, semantics, places.put("parquet", workload.spec, rows))
        assert good.outcome is Outcome.PASSED
        bad = oracle.judge("load", history, semantics, places.put("parquet", workload.spec, wrong))
    assert bad.anomalies == {Anomaly.LOST: 1, Anomaly.CORRUPT: 1}
    assert {s.key["id"] for s in bad.samples} == {"6", "778"}
    assert not list((tmp_path / "work").iterdir())
