"""Every scenario is green for an engine that is right, and red for at least one that is not (law 1)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from certification_pipeline.catalog.calibration import load_defects
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Anomaly, FailureCategory, Guarantee, Outcome, Strategy
from certification_pipeline.harness.bench import Halt
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from tests.exploration import EXPLORED
from tests.harness.conftest import Stage, outcome, red
from tests.harness.test_recovery import WRONG as BROKEN

pytestmark = pytest.mark.integration

REFRESH, MERGE, APPEND, XMIN = (
    Strategy.FULL_REFRESH,
    Strategy.INCREMENTAL_MERGE,
    Strategy.INCREMENTAL_APPEND,
    Strategy.XMIN,
)

# scenario, strategy, fault of the engine, what must be said about it: an anomaly, a column, a check's name
WRONG: list[tuple[str, Strategy, str, str | Anomaly]] = [
    ("strategy.full_refresh", REFRESH, "drop_last_row", Anomaly.LOST),
    ("strategy.full_refresh", REFRESH, "duplicate_row", Anomaly.DUPLICATE),
    ("strategy.full_refresh", REFRESH, "ignore_deletes", Anomaly.RESURRECTED_DELETE),
    ("strategy.full_refresh", REFRESH, "swallow_null_cursor", Anomaly.LOST),
    ("strategy.incremental_merge", MERGE, "stale_update", Anomaly.STALE),
    ("strategy.incremental_merge", MERGE, "lose_ties", Anomaly.LOST),
    ("strategy.incremental_append", APPEND, "lose_ties", Anomaly.LOST),
    ("strategy.incremental_append", APPEND, "swallow_null_cursor", Anomaly.LOST),
    ("strategy.incremental_append", APPEND, "forgets", Anomaly.DUPLICATE),
    ("strategy.xmin", XMIN, "highest_seen", Anomaly.LOST),
    ("strategy.xmin", XMIN, "stale_update", Anomaly.STALE),
    ("batch.full_refresh", REFRESH, "drop_last_row", Anomaly.LOST),
    ("batch.full_refresh", REFRESH, "text_columns", "types not permitted"),
    ("batch.empty", REFRESH, "nothing_without_rows", "does not exist"),
    ("batch.wide", REFRESH, "neighbour", "c400"),
    ("batch.large", REFRESH, "drop_last_row", Anomaly.LOST),
    ("batch.large", REFRESH, "hungry", "peak_memory_bytes"),
    ("types.matrix", REFRESH, "cuts_decimals", "decimal_required"),
    ("types.matrix", MERGE, "nulls_as_empty", "text_null"),
    ("types.matrix", REFRESH, "text_columns", "types not permitted"),
    ("ident.funky", REFRESH, "tidy_names", "load_ended"),
    ("incr.cursor_ties", MERGE, "lose_ties", Anomaly.LOST),
    ("incr.cursor_ties", APPEND, "lose_ties", Anomaly.LOST),
    ("incr.null_cursor", MERGE, "swallow_null_cursor", Anomaly.LOST),
    ("incr.null_cursor", APPEND, "swallow_null_cursor", Anomaly.LOST),
    ("incr.noop", MERGE, "claims_inserts", "inserted_rows"),
    ("incr.noop", APPEND, "forgets", Anomaly.DUPLICATE),
    ("idem.rerun", MERGE, "forgets", Anomaly.DUPLICATE),
    ("idem.rerun", APPEND, "forgets", Anomaly.DUPLICATE),
    ("idem.state_lost", MERGE, "forgets", Anomaly.DUPLICATE),
    ("idem.state_lost", APPEND, "forgets", Anomaly.DUPLICATE),
    ("schema.add", MERGE, "no_evolution", "added"),
    ("schema.drop", MERGE, "drops", "note"),
    ("schema.drop", MERGE, "keeps_old_values", "note"),
    ("schema.widen", MERGE, "wraps", "small"),
    ("schema.narrow", MERGE, "narrows", "types not permitted"),
    ("schema.narrow", APPEND, "does_not_stop", "load_ended"),
    ("schema.rename", MERGE, "drops", "note"),
    ("schema.rename", MERGE, "no_evolution", "remark"),
    ("schema.null", MERGE, "nulls_as_empty", "required"),
    ("obs.fields", REFRESH, "leaves_out_a_field", "final_rows"),
    ("obs.counts", REFRESH, "miscounts", "loaded_rows"),
    ("obs.counts", MERGE, "miscounts", "loaded_rows"),
    ("obs.counts", MERGE, "claims_inserts", "inserted_rows"),
    ("obs.taxonomy", REFRESH, "tells_the_secret", "secret_in_message"),
    ("obs.taxonomy", REFRESH, "truncate_first", Anomaly.LOST),
    ("obs.taxonomy", REFRESH, "wrong_category", "load_ended"),
    ("obs.taxonomy", MERGE, "truncate_first", Anomaly.LOST),
]


def one_by_day() -> Iterator[object]:
    """All of the table; after the first fault of a scenario and strategy, the others wait for the night."""
    seen = set()
    for row in WRONG:
        yield pytest.param(*row, marks=[pytest.mark.nightly] if row[:2] in seen else [])
        seen.add(row[:2])


@pytest.mark.parametrize(("scenario", "strategy", "fault", "says"), list(one_by_day()))
def test_a_wrong_engine_is_caught(
    stage: Stage, scenario: str, strategy: Strategy, fault: str, says: str | Anomaly
) -> None:
    bench = stage.play(scenario, strategy, fault, rows=60 if scenario == "batch.wide" else 120)
    assert outcome(bench) is Outcome.FAILED
    rows = [j for j in bench.judgements if j.kind == "rows"]
    if isinstance(says, Anomaly):
        guilty = [j for j in rows if j.anomalies.get(says)]
        assert guilty, red(bench)
        assert any(sample.anomaly is says for sample in guilty[0].samples), "a sceptic asks for a row"
        return
    told = {column for j in rows for column in j.columns}
    told |= {j.name for j in bench.judgements if j.kind == "check" and j.outcome is Outcome.FAILED}
    assert says in told or any(says in (j.remark or "") for j in rows), red(bench)


@pytest.mark.parametrize(("scenario", "strategy"), sorted({(row[0], row[1]) for row in WRONG}))
def test_a_right_engine_passes(stage: Stage, scenario: str, strategy: Strategy) -> None:
    bench = stage.play(scenario, strategy)
    assert outcome(bench) is Outcome.PASSED, red(bench)
    assert all(load.ended in ("result", "error") for load in bench.loads)


def test_no_scenario_goes_without_a_wrong_engine(catalog: Catalog) -> None:
    planted = {cell.rpartition("/")[2] for defect in load_defects().values() for cell in defect.killed_by}
    wrong = (row[0] for row in (*WRONG, *BROKEN))
    caught = {SCENARIOS.get(name) for name in (*wrong, *EXPLORED, *planted, "compat.upgrade")}
    assert set(SCENARIOS) == set(catalog.scenarios), "each scenario of the catalogue has its function"
    assert [name for name, function in SCENARIOS.items() if function not in caught] == []


def test_the_wrong_engine_is_right_again_afterwards(stage: Stage) -> None:
    """The fault is switched off between plays, else the table above would prove less than it says."""
    stage.play("batch.full_refresh", REFRESH, "drop_last_row")
    assert outcome(stage.play("batch.full_refresh", REFRESH)) is Outcome.PASSED


# --- the bench itself --------------------------------------------------------------------------------


def test_a_scenario_that_judges_nothing_is_never_passed(stage: Stage) -> None:
    bench = stage.bench("batch.full_refresh", REFRESH)
    bench.seed()
    bench.close()
    assert outcome(bench) is Outcome.UNTESTED


@pytest.mark.parametrize(
    ("guarantee", "expected"),
    [
        (None, Outcome.FAILED),
        (Guarantee.BEST_EFFORT, Outcome.PASSED),
        (Guarantee.AT_LEAST_ONCE, Outcome.PASSED),
        (Guarantee.EFFECTIVELY_ONCE, Outcome.FAILED),
        (Guarantee.EXACTLY_ONCE, Outcome.FAILED),
    ],
)
def test_a_rerun_may_repeat_rows_only_where_that_is_declared(
    stage: Stage, guarantee: Guarantee | None, expected: Outcome
) -> None:
    bench = stage.play("idem.rerun", APPEND, "forgets", guarantee=guarantee)
    assert outcome(bench) is expected, red(bench)


@pytest.mark.parametrize(
    ("fault", "guarantee", "expected"),
    [
        ("drop_last_row", Guarantee.AT_LEAST_ONCE, Outcome.FAILED),
        ("drop_last_row", Guarantee.BEST_EFFORT, Outcome.PASSED),
        ("ignore_deletes", Guarantee.AT_LEAST_ONCE, Outcome.FAILED),
        ("ignore_deletes", Guarantee.BEST_EFFORT, Outcome.FAILED),
        ("cuts_decimals", Guarantee.BEST_EFFORT, Outcome.FAILED),
        ("text_columns", Guarantee.BEST_EFFORT, Outcome.FAILED),
        ("nothing", Guarantee.AT_LEAST_ONCE, Outcome.PASSED),
    ],
)
def test_at_least_once_forgives_no_lost_and_no_wrong_row(
    stage: Stage, fault: str, guarantee: Guarantee, expected: Outcome
) -> None:
    bench = stage.bench("idem.rerun", REFRESH, guarantee=guarantee)
    bench.seed()
    bench.load_and_judge()
    bench.change()
    bench.judgements.clear()
    stage.fault(fault)
    try:
        bench.load()
        bench.judge_delivery("wrong on purpose")
    finally:
        stage.fault("")
        bench.close()
    assert outcome(bench) is expected, red(bench)
    if expected is Outcome.FAILED:
        assert any(j.kind == "rows" and (j.samples or j.remark) for j in bench.judgements), "no row is shown"


@pytest.mark.parametrize("strategy", [Strategy.REPLACE, Strategy.BACKFILL])
def test_a_slice_leaves_rows_on_both_sides(stage: Stage, strategy: Strategy) -> None:
    bench = stage.bench(f"strategy.{strategy}", strategy)
    bench.seed()
    options = bench.request().options
    days = {day for batch in bench.workload.initial() for day in batch["business_date"].to_pylist()}
    bench.close()
    assert options.partition_column == "business_date"
    assert options.partition_from is not None
    assert options.partition_to is not None
    inside = {day for day in days if options.partition_from <= day.isoformat() < options.partition_to}
    assert len(inside) >= 2
    assert min(days) not in inside
    assert max(days) not in inside
    assert options.partition_to in {day.isoformat() for day in days}, "a row lies exactly on the open end"


def test_partition_replace_has_no_slice(stage: Stage) -> None:
    bench = stage.bench("strategy.partition_replace", Strategy.PARTITION_REPLACE)
    bench.seed()
    options = bench.request().options
    bench.close()
    assert (options.partition_column, options.partition_from) == ("business_date", None)


def test_losing_state_empties_the_folder_and_keeps_it(stage: Stage) -> None:
    bench = stage.bench("idem.rerun", MERGE)
    bench.seed()
    folder = Path(bench.request().state_dir)
    (folder / "deep").mkdir()
    (folder / "deep" / "mark").write_text("42")
    bench.lose_state()
    bench.close()
    assert folder.is_dir()
    assert list(folder.iterdir()) == []


def test_a_load_that_ends_otherwise_halts_and_is_judged(stage: Stage) -> None:
    bench = stage.bench("obs.taxonomy", REFRESH)
    bench.seed()
    with pytest.raises(Halt):
        bench.load(expect=FailureCategory.SCHEMA)
    bench.load(expect=FailureCategory.SCHEMA, halt=False)
    bench.close()
    assert [(j.expected, j.observed) for j in bench.judgements if j.kind == "check"] == [
        ("error: schema", "result")
    ] * 2
    assert outcome(bench) is Outcome.FAILED


@pytest.mark.parametrize("use", ["workload", "source"])
def test_a_scenario_that_forgets_to_seed_says_so(stage: Stage, use: str) -> None:
    bench = stage.bench("batch.full_refresh", REFRESH)
    with pytest.raises(RuntimeError, match="before seeding"):
        getattr(bench, use)
