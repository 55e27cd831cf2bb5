"""Each way in which a dbt run is not green, planted in a run that was; one finding for each."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.dbt.assess import CHECKS
from tests.dbt_lineage.material import (
    HISTORY,
    LANDED,
    ORDERS,
    STAGED,
    UNIQUE,
    Damage,
    Recorded,
)


def test_a_run_in_which_all_was_well_is_green() -> None:
    assessed = Recorded().assess()
    assert assessed.findings == []
    assert assessed.target.outcome is Outcome.PASSED
    assert (assessed.target.adapter, assessed.target.dbt_version) == ("duckdb", "1.11.16")
    kinds = Counter(node.kind for node in assessed.target.nodes)
    assert kinds == {"load_source": 1, "source": 1, "model": 3, "snapshot": 1, "exposure": 1}
    assert Counter(test.state for test in assessed.target.tests) == {"passed": 10}


def test_source_column_sink_column_and_model_column_are_one_path() -> None:
    """What the load read, what it wrote, and each model on the way to the mart."""
    target = Recorded().assess().target
    into: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for edge in target.column_edges:
        into.setdefault((edge.downstream, edge.downstream_column), set()).add(
            (edge.upstream, edge.upstream_column)
        )
    path = [("model.certified_orders.orders_by_day", "last_updated_at")]
    while path[-1] in into:
        (origin,) = into[path[-1]]
        path.append(origin)
    read = next(node.id for node in target.nodes if node.kind == "load_source")
    assert path[1:] == [(STAGED, "updated_at"), (LANDED, "updated_at"), (read, "updated_at")]
    assert ("model.certified_orders.orders_by_day", "orders") not in into, "count(*) has no column as origin"
    assert into[HISTORY, "order_id"] == {(STAGED, "order_id")}, "through select *"


def status(unique_id: str, word: str, **more: Any) -> Damage:
    return lambda run: run.result(unique_id).update(status=word, **more)


def first(unique_id: str, word: str) -> Damage:
    return lambda run: run.result(unique_id, "first_run_results").update(status=word)


def remove(role: str) -> Damage:
    return lambda run: run.files.pop(role)


def results(run: Recorded) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = run.files["run_results"]["results"]
    return found


def undeclared(run: Recorded) -> None:
    run.sql(ORDERS, 'select order_id from "db"."somewhere"."orders_nobody_declared"')


def outside_the_load(run: Recorded) -> None:
    """A column that the sink has and no load wrote."""
    table = run.files["catalog"]["sources"][LANDED]
    table["columns"]["smuggled"] = {"name": "smuggled", "type": "VARCHAR", "index": 99}
    database, schema = table["metadata"]["database"], table["metadata"]["schema"]
    run.sql(STAGED, f'select smuggled as order_id from "{database}"."{schema}"."standard"')


def nothing(run: Recorded) -> None:
    run.files["manifest"]["nodes"] = {}
    run.files["manifest"]["exposures"] = {}
    run.files["run_results"]["results"] = []
    run.files["first_run_results"]["results"] = []


def no_tests(run: Recorded) -> None:
    nodes = run.files["manifest"]["nodes"]
    gone = {each for each in nodes if each.startswith("test.")}
    run.files["manifest"]["nodes"] = {name: node for name, node in nodes.items() if name not in gone}
    for role in ("run_results", "first_run_results"):
        run.files[role]["results"] = [r for r in run.files[role]["results"] if r["unique_id"] not in gone]


def another_sink(run: Recorded) -> None:
    for load in run.seen["loads"]:
        load["sink"]["name"] = "another_table"


def lost_rows(run: Recorded) -> None:
    rows = [each for each in run.seen["judgements"] if each["kind"] == "rows"]
    rows[-1]["anomalies"] = {"lost": 3}


def failed_load(run: Recorded) -> None:
    run.seen["loads"][-1]["ended"] = "error"


def one_load(run: Recorded) -> None:
    run.seen["loads"].pop()


def unjudged(run: Recorded) -> None:
    run.seen["judgements"] = [each for each in run.seen["judgements"] if each["kind"] != "rows"]


def miscounted(run: Recorded) -> None:
    check = next(e for e in run.seen["judgements"] if e.get("name") == "orders_history.open")
    check["observed"] -= 1


def uncounted(run: Recorded) -> None:
    run.seen["judgements"] = [e for e in run.seen["judgements"] if e.get("name") != CHECKS[-1]]


def meta(role: str, field: str, value: str) -> Damage:
    return lambda run: run.files[role]["metadata"].update({field: value})


def other_sql(run: Recorded) -> None:
    run.node(STAGED)["compiled_code"] = "select 1 as order_id"


def broke_off(run: Recorded) -> None:
    run.seen["commands"][-1].update(ended=False, message="Runtime Error: out of memory")


def unreadable_sql(run: Recorded) -> None:
    run.sql(ORDERS, "select order_id from (((")


PLANTED: dict[str, tuple[Damage, str]] = {
    "broken model": (status(ORDERS, "error", message="Binder Error"), f"model_failed:{ORDERS}"),
    "status nobody knows": (status(ORDERS, "partial success"), f"model_failed:{ORDERS}"),
    "model not run": (status(ORDERS, "no-op"), f"model_failed:{ORDERS}"),
    "skipped model": (status(ORDERS, "skipped"), f"model_skipped:{ORDERS}"),
    "failed snapshot": (status(HISTORY, "error"), f"model_failed:{HISTORY}"),
    "failed in the first build": (first(ORDERS, "error"), f"model_failed:{ORDERS}"),
    "failed test": (status(UNIQUE, "fail", failures=2), f"test_failed:{UNIQUE}"),
    "warned test": (status(UNIQUE, "warn", failures=2), f"test_warned:{UNIQUE}"),
    "skipped test": (status(UNIQUE, "skipped"), f"test_skipped:{UNIQUE}"),
    "no manifest": (remove("manifest"), "missing:dbt/duckdb/manifest.json"),
    "no run_results": (remove("run_results"), "missing:dbt/duckdb/run_results.json"),
    "no first run_results": (remove("first_run_results"), "missing:dbt/duckdb/first_run_results.json"),
    "no catalog": (remove("catalog"), "missing:dbt/duckdb/catalog.json"),
    "half a file": (
        lambda run: run.files.update(run_results=b'{"metadata": {'),
        "unreadable:dbt/duckdb/run_results.json",
    ),
    "another schema": (
        meta("manifest", "dbt_schema_version", "https://schemas.getdbt.com/dbt/manifest/v99.json"),
        "unreadable:dbt/duckdb/manifest.json",
    ),
    "manifest of another run": (
        meta("manifest", "invocation_id", "another"),
        "stale_manifest:dbt/duckdb/manifest.json",
    ),
    "manifest of other SQL": (other_sql, "stale_manifest:dbt/duckdb/manifest.json"),
    "catalog of before": (
        meta("catalog", "generated_at", "2020-01-01T00:00:00Z"),
        "stale_catalog:dbt/duckdb/catalog.json",
    ),
    "model without a result": (
        lambda run: results(run).remove(run.result(ORDERS)),
        f"no_result:{ORDERS}",
    ),
    "result twice": (
        lambda run: results(run).append(copy.deepcopy(run.result(ORDERS))),
        f"duplicate_result:{ORDERS}",
    ),
    "result of nothing": (
        lambda run: run.result(UNIQUE).update(unique_id="test.certified_orders.other"),
        "unknown_result:test.certified_orders.other",
    ),
    "model not in the database": (
        lambda run: run.files["catalog"]["nodes"].pop(ORDERS),
        f"not_in_catalog:{ORDERS}",
    ),
    "source not in the database": (
        lambda run: run.files["catalog"]["sources"].pop(LANDED),
        f"not_in_catalog:{LANDED}",
    ),
    "undeclared source": (undeclared, f"source_not_declared:{ORDERS}"),
    "column of no load": (outside_the_load, f"column_not_loaded:{LANDED}.smuggled"),
    "SQL that cannot be read": (unreadable_sql, f"lineage_unresolved:{ORDERS}"),
    "source of no load": (another_sink, f"source_not_loaded:{LANDED}"),
    "empty project": (nothing, "empty:duckdb"),
    "project without tests": (no_tests, "no_tests:duckdb"),
    "rows lost": (lost_rows, "load_not_certified:duckdb.standard"),
    "load failed": (failed_load, "load_not_certified:duckdb.standard"),
    "one load only": (one_load, "load_not_certified:duckdb.standard"),
    "rows not judged": (unjudged, "load_not_certified:duckdb.standard"),
    "wrong count": (miscounted, "wrong:orders_history.open"),
    "count left out": (uncounted, "not_checked:duckdb"),
    "dbt broke off": (broke_off, "command_failed:duckdb.docs_generate_--no-compile"),
    "one build twice": (
        lambda run: run.files.update(first_run_results=run.files["run_results"]),
        "one_build:duckdb",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_defect_turns_it_red(name: str) -> None:
    run = Recorded()
    damage, code = PLANTED[name]
    damage(run)
    assessed = run.assess()
    assert code in [finding.code for finding in assessed.findings]
    assert assessed.target.outcome is Outcome.FAILED
    assert all(finding.message and finding.first for finding in assessed.findings)


@pytest.mark.parametrize(
    "name", ["failed test", "skipped model", "wrong count", "stale", "undeclared source", "rows lost"]
)
def test_it_tells_the_one_thing_that_is_wrong(name: str) -> None:
    if name == "stale":
        name = "manifest of another run"
    run = Recorded()
    damage, code = PLANTED[name]
    damage(run)
    # A load that is not certified leaves its source without one: two names of one fact.
    assert [found for found in run.codes() if not found.startswith("source_not_loaded")] == [code]


def test_a_dbt_that_cannot_be_started_is_inconclusive_and_nothing_else() -> None:
    run = Recorded()
    run.seen.update(loads=[], judgements=[])
    run.seen["commands"] = [{"command": "start", "ended": False, "message": "no network", "seconds": 0}]
    run.files.clear()
    assessed = run.assess()
    assert [finding.code for finding in assessed.findings] == ["dbt_unavailable"]
    assert assessed.target.outcome is Outcome.CANT_TELL


def test_an_ephemeral_model_is_seen_through() -> None:
    run = Recorded()
    run.node(STAGED)["config"]["materialized"] = "ephemeral"
    for role in ("run_results", "first_run_results"):
        run.files[role]["results"] = [r for r in run.files[role]["results"] if r["unique_id"] != STAGED]
    edges = {(edge.upstream, edge.downstream) for edge in run.assess().target.edges}
    assert (LANDED, ORDERS) in edges
    assert f"no_result:{STAGED}" not in run.codes()
