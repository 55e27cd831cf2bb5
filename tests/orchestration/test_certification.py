"""The graph, executed: what lies on disk afterwards, and what a click reruns."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import dagster as dg
import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Family, Outcome
from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.families.work import Work
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.seal_check import check_decisions, check_pages, check_seal
from certification_pipeline.orchestration.chained import chained
from certification_pipeline.orchestration.names import (
    PLAN,
    PUBLISHABLE,
    chain_key,
    decided_keys,
    family_key,
    publish_key,
    route_key,
    summary_key,
)
from certification_pipeline.orchestration.render import breakable
from certification_pipeline.pipeline.certify import certify
from tests.gates.benchmarks import METRICS
from tests.orchestration.conftest import (
    FAMILIES,
    SIZE,
    House,
    failures,
    produce,
    signing,
    with_benchmark,
)
from tests.seal import canary

pytestmark = pytest.mark.integration

DUCKDB = route_key("reference", "postgres", "duckdb")
SQLITE = route_key("reference", "postgres", "sqlite")


def checks(result: dg.ExecuteInProcessResult) -> dict[str, tuple[bool, str]]:
    """``sink or asset/check`` → passed and severity; the dossiers' are another test's."""
    return {
        f"{e.asset_key.path[-1]}/{e.check_name}": (e.passed, e.severity.value)
        for e in result.get_asset_check_evaluations()
        if e.asset_key.path[0] != "connectors"
    }


def materialized(result: dg.ExecuteInProcessResult) -> set[str]:
    made = {e.asset_key for e in result.get_asset_materialization_events() if e.asset_key}
    return {key.to_user_string() for key in made if key.path[0] != "connectors"}


def test_a_red_release_has_its_dossiers_too(house: House, red: dg.ExecuteInProcessResult) -> None:
    made = {e.asset_key for e in red.get_asset_materialization_events() if e.asset_key}
    dossiers = {key.path[-1] for key in made if key.path[0] == "connectors"}
    assert dossiers == {"postgres", "duckdb", "sqlite"}
    found = [e for e in red.get_asset_check_evaluations() if e.asset_key.path[0] == "connectors"]
    assert found
    assert any("seen to fail" in (e.description or "") or "refuted" in (e.description or "") for e in found)


# --- green ----------------------------------------------------------------------------------------------


def test_materialize_all_is_green_and_publishes(house: House, green: dg.ExecuteInProcessResult) -> None:
    assert not failures(green)
    found = checks(green)
    # Amber, for a person began it: no schedule has kept a day yet, and absence is never a pass.
    assert found.pop("plan/schedule_kept") == (False, "WARN")
    assert all(passed for passed, _ in found.values()), found
    assert len(found) == 2 * 2 + len(FAMILIES) + len(decided_keys("reference"))
    assert "publish/reference" in materialized(green)
    published = json.loads((house.store.root / "published" / "reference.json").read_text())
    assert published["release_id"] == "green"
    assert (house.store.release_path("green") / "report.html").read_text().startswith("<!doctype html>")


def test_all_of_it_is_signed_and_the_key_shows_nowhere(
    house: House, green: dg.ExecuteInProcessResult
) -> None:
    directory, keys = house.directory("green"), (canary.SIGNER.public_key,)
    assert directory.read(directory.summary_path, ReleaseSummary).signed_by == canary.SIGNER.key_id
    assert check_seal(directory, keys) == ()
    assert check_decisions(directory, keys) == ()
    assert check_pages(ReleaseDir.of(house.store, "green"), keys) == ()
    canary.holds_nothing(house.root)
    canary.shows_nothing([str(entry) for entry in house.instance.all_logs(green.run_id)])


def test_a_key_that_cannot_be_used_is_told_before_anything_runs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_SIGNING_KEY", canary.PEM[:-40])
    said = failures(house.only(PLAN, release="unsigned"))["plan"]
    assert "CERTIFY_SIGNING_KEY: is no private key as PEM" in said
    canary.shows_nothing(said)
    assert not house.store.release_path("unsigned").exists()


@pytest.mark.nightly
def test_it_writes_what_certify_run_writes(house: House, green: dg.ExecuteInProcessResult) -> None:
    assert green.success
    settings = house.resource.settings("by-hand", **SIZE)
    with signing():
        certify(settings, house.catalog, lambda event: None, threading.Event())
    ours, theirs = house.directory("green"), house.directory("by-hand")
    assert files(ours.path) == files(theirs.path)
    assert (
        ours.read(ours.plan_path, CertificationPlan).plan_digest
        == theirs.read(theirs.plan_path, CertificationPlan).plan_digest
    )
    for name, model in {
        "certification_report": CertificationReport,
        "certification_suite": CertificationSuite,
        "release_summary": ReleaseSummary,
    }.items():
        assert verdict(ours.read(f"{name}.json", model)) == verdict(theirs.read(f"{name}.json", model))
    here, there = house.cells("green"), house.cells("by-hand")
    assert {k: (c.outcome, c.judgements) for k, c in here.items()} == {
        k: (c.outcome, c.judgements) for k, c in there.items()
    }


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def verdict(artifact: Artifact) -> tuple[Outcome, list[str]]:
    return artifact.outcome, [blocker.code for blocker in artifact.blockers]


def test_figures_that_plot_have_stable_names(house: House, green: dg.ExecuteInProcessResult) -> None:
    event = next(e for e in green.get_asset_materialization_events() if e.asset_key == DUCKDB)
    metadata = event.materialization.metadata
    names = {k for k, v in metadata.items() if isinstance(v, dg.IntMetadataValue | dg.FloatMetadataValue)}
    outcomes = {"cells", "passed", "failed", "cant_tell", "untested", "flaky", "pass_rate"}
    assert names == {*outcomes, "seconds", "rows_per_second"}
    assert metadata["cells"].value == len([k for k in house.cells("green") if "_duckdb_" in k])


def test_a_green_route_says_where_its_columns_come_from_and_a_red_one_what_failed(
    green: dg.ExecuteInProcessResult, red: dg.ExecuteInProcessResult
) -> None:
    """Never invented: what the oracle found right, copied under the name that the source had."""
    shown = next(e for e in green.get_asset_materialization_events() if e.asset_key == DUCKDB)
    lineage = shown.materialization.metadata["dagster/column_lineage"].value
    assert isinstance(lineage, dg.TableColumnLineage)
    table = dg.AssetKey(["dataset", "postgres", "standard"])
    assert lineage.deps_by_column["id"] == [dg.TableColumnDep(table, "id")]
    assert {dep.asset_key for deps in lineage.deps_by_column.values() for dep in deps} == {table}
    failed = next(e for e in red.get_asset_materialization_events() if e.asset_key == DUCKDB)
    assert "dagster/column_lineage" not in failed.materialization.metadata
    assert next(iter(failed.materialization.metadata)) == "1_what_went_wrong"


def test_what_a_family_measured_plots_and_is_read_at_a_glance(green: dg.ExecuteInProcessResult) -> None:
    key = family_key("reference", Family.BENCHMARK)
    event = next(e for e in green.get_asset_materialization_events() if e.asset_key == key)
    metadata = event.materialization.metadata
    assert metadata["throughput_rows_per_second"] == dg.MetadataValue.float(95000.0)
    assert metadata["0_verdict"].value == "passed"
    items = metadata["1_items"]
    assert isinstance(items, dg.TableMetadataValue)
    assert items.records[0].data["metric"] == breakable("throughput_rows_per_second")
    assert "benchmark_baseline_json" in metadata


@pytest.mark.nightly
def test_execute_on_a_check_reruns_that_strategy_on_that_route_only(
    house: House, green: dg.ExecuteInProcessResult
) -> None:
    assert green.success
    before = house.cells("green")
    result = house.only(checks=(dg.AssetCheckKey(DUCKDB, "snapshot_diff"),), release="green")
    assert checks(result) == {"duckdb/snapshot_diff": (True, "WARN")}
    after = house.cells("green")
    rerun = {name for name in after if after[name].run_id != before[name].run_id}
    assert rerun == {name for name in before if name.startswith("postgres_to_duckdb__snapshot_diff__")}
    assert rerun


@pytest.mark.nightly
def test_deciding_after_a_rerun_exports_the_new_loads(house: House, green: dg.ExecuteInProcessResult) -> None:
    """The export is made from the cells: with one of them run again it is out of date."""
    house.only(checks=(dg.AssetCheckKey(DUCKDB, "full_refresh"),), release="green")
    decided = house.job("verdict", "green")
    assert decided.success, [failures(decided), house.blockers("green")]
    assert "evidence/reference/openlineage_export" in materialized(decided)
    assert "evidence/reference/benchmark_baseline" not in materialized(decided)


def test_materialize_on_a_route_reruns_that_route_only(
    house: House, green: dg.ExecuteInProcessResult
) -> None:
    assert green.success
    before = house.cells("green")
    result = house.only(SQLITE, release="green")
    assert materialized(result) == {"matrix/reference/postgres/sqlite"}
    assert set(checks(result)) == {"sqlite/full_refresh", "sqlite/snapshot_diff"}
    after = house.cells("green")
    rerun = {name for name in after if after[name].run_id != before[name].run_id}
    assert rerun == {name for name in before if name.startswith("postgres_to_sqlite__")}


# --- red ------------------------------------------------------------------------------------------------


def test_red_is_evidence_and_only_publish_is_held_back(house: House, red: dg.ExecuteInProcessResult) -> None:
    assert not red.success
    assert list(failures(red)) == ["decide_reference"]
    assert materialized(red) == {
        "plan",
        "matrix/reference/postgres/duckdb",
        "matrix/reference/postgres/sqlite",
        *(family_key("reference", family).to_user_string() for family in FAMILIES),
        *(key.to_user_string() for key in decided_keys("reference")),
    }
    seen = checks(red)
    assert seen["duckdb/snapshot_diff"] == (False, "ERROR")
    assert seen["duckdb/full_refresh"][0]
    assert seen[f"release_summary/{PUBLISHABLE}"] == (False, "ERROR")
    directory = house.directory("red")
    assert directory.read(directory.summary_path, ReleaseSummary).outcome is Outcome.FAILED


def test_a_red_check_shows_the_rows(red: dg.ExecuteInProcessResult) -> None:
    found = next(e for e in red.get_asset_check_evaluations() if e.check_name == "snapshot_diff")
    assert "strategy.snapshot_diff" in (found.description or "")
    table = found.metadata["3_row_samples"]
    assert isinstance(table, dg.TableMetadataValue)
    deleted = {Anomaly.RESURRECTED_DELETE.value, Anomaly.PHANTOM.value, Anomaly.STALE.value}
    assert table.records[0].data["anomaly"] in deleted
    cells = found.metadata["4_cells"]
    assert isinstance(cells, dg.TableMetadataValue)
    assert "failed" in str(cells.records[0].data["outcome"])
    assert "certify run" in str(found.metadata["2_see_it_again"].value)


def test_another_subject_is_refused_with_the_way_out(house: House, red: dg.ExecuteInProcessResult) -> None:
    """The defect is gone, so the engine is no longer the one this release is about."""
    before = house.cells("red")
    result = house.only(checks=(dg.AssetCheckKey(DUCKDB, "snapshot_diff"),), release="red")
    assert not result.success
    (message,) = failures(result).values()
    assert "was sealed for reference" in message
    assert "materialize `plan`" in message
    assert house.cells("red") == before


def test_a_reported_green_turns_nothing_green(house: House, red: dg.ExecuteInProcessResult) -> None:
    """Whoever reaches the UI can report events; the verdict is in the files."""
    assert not red.success
    summary = summary_key("reference")
    house.instance.report_runless_asset_event(
        dg.AssetMaterialization(summary, metadata={"verdict": "passed"})
    )
    house.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(asset_key=summary, check_name=PUBLISHABLE, passed=True)
    )
    published = house.store.root / "published" / "reference.json"
    before = published.read_bytes() if published.exists() else None
    result = house.only(publish_key("reference"), release="red")
    assert not result.success
    assert "is not green: failed" in next(iter(failures(result).values()))
    assert (published.read_bytes() if published.exists() else None) == before
    assert not house.job("verdict", "red").success


@pytest.mark.nightly
def test_a_family_that_passes_after_it_failed_is_amber_as_the_gates_have_it(
    house: House, red: dg.ExecuteInProcessResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not red.success
    house.only(PLAN, release="flaky")
    key = family_key("reference", Family.BENCHMARK)

    def slow(work: Work) -> BenchmarkBaseline:
        return produce(work, METRICS.replace("95000", "9"))

    with monkeypatch.context() as patch:
        patch.setattr("certification_pipeline.pipeline.families.PRODUCERS", with_benchmark(slow))
        failed = house.only(key, release="flaky")
    assert failed.success, "red is evidence"
    assert checks(failed) == {"benchmark_baseline/passed": (False, "ERROR")}
    (said,) = failed.get_asset_check_evaluations()
    assert "throughput_rows_per_second.regressed" in (said.description or "")
    assert "certify benchmark" in str(said.metadata["3_what_blocks"])
    lucky = house.only(key, release="flaky")
    assert checks(lucky) == {"benchmark_baseline/passed": (False, "WARN")}
    (said,) = lucky.get_asset_check_evaluations()
    assert "benchmark.flaky" in (said.description or "")


@pytest.mark.nightly
def test_the_chain_shows_a_file_that_was_edited_after_the_decision(
    house: House, green: dg.ExecuteInProcessResult, tmp_path: Path
) -> None:
    assert green.success
    house.job("verdict", "green")
    store = EvidenceStore(shutil.copytree(house.store.root, tmp_path / "evidence"))
    directory, key = store.release("green", "reference"), chain_key("reference")
    assert chain_check(chained(store, directory, key)).passed
    cell = next((directory.path / "cells").glob("*.json"))
    cell.write_bytes(cell.read_bytes().replace(b'"passed"', b'"failed"'))
    check = chain_check(chained(store, directory, key))
    assert not check.passed
    assert f"{cell.name} was edited" in (check.description or "")
    shutil.rmtree(store.root / "chain")
    assert "is no chain" in (chain_check(chained(store, directory, key)).description or "")


def chain_check(result: dg.MaterializeResult) -> dg.AssetCheckResult:
    (check,) = result.check_results or ()
    return check


# --- sealed for less ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def daily(house: House) -> dg.ExecuteInProcessResult:
    """The release ``daily``: the connectors' job, as its schedule asks for it."""
    return house.job("connector_certification", "daily", {**SIZE, "families": ["connector_live"]})


@pytest.mark.nightly
def test_the_daily_release_does_not_miss_what_it_was_not_sealed_for(
    house: House, daily: dg.ExecuteInProcessResult
) -> None:
    assert daily.success, [failures(daily), house.blockers("daily")]
    directory = house.directory("daily")
    assert directory.read(directory.plan_path, CertificationPlan).families == ()
    assert directory.read(directory.summary_path, ReleaseSummary).outcome is Outcome.PASSED
    assert not any("benchmark" in name for name in files(directory.path))


@pytest.mark.nightly
def test_it_is_not_enough_to_publish(house: House, daily: dg.ExecuteInProcessResult) -> None:
    assert daily.success
    result = house.only(publish_key("reference"), release="daily")
    (message,) = failures(result).values()
    assert "leaves out benchmark" in message
    assert "materialize all" in message


def test_a_family_that_nobody_knows_seals_nothing(house: House) -> None:
    result = house.job("full_certification", "misspelt", {**SIZE, "families": ["benchmrk"]})
    assert "'benchmrk' matches nothing" in failures(result)["plan"]
    assert not house.store.release_path("misspelt").exists()


# --- nothing there --------------------------------------------------------------------------------------


def test_without_a_release_it_says_what_to_do_first(tmp_path: Path) -> None:
    house = House(tmp_path)
    result = house.defs.resolve_job_def("verdict").execute_in_process(
        instance=house.instance, raise_on_error=False
    )
    assert not result.success
    assert failures(result)
    assert all("Materialize `plan` first" in message for message in failures(result).values())
