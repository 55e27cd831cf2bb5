"""The gate believes dbt's own files, by digest, and nothing that the artifact says of itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.dbt_lineage import DBT_EVENTS, DbtLineage
from certification_pipeline.evidence.lineage_events import invalid
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.families.dbt_lineage.given import judge_given
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import EvidenceFile, SealedPlan, Verification, read_plan
from tests.dbt_lineage.material import FOLDER, LANDED, ORDERS, RECORDED, Recorded
from tests.evidence.builders import provenance
from tests.gates.releases import codes, report, suite, write_json

FILE = "dbt_lineage.json"


def verify(directory: SubjectDir, plan: CertificationPlan | None = None) -> Verification:
    sealed = read_plan(directory)
    if plan is not None:
        sealed = SealedPlan(plan, sealed.sha256)
    file = EvidenceFile(FILE, directory.read_bytes(FILE))
    return VERIFIERS[DbtLineage.schema_name()](directory, file, sealed, provenance(60))


@pytest.fixture
def green(tmp_path: Path) -> SubjectDir:
    directory, _, made = Recorded().on_disk(tmp_path)
    assert made.passed, made.blockers
    return directory


def test_an_honest_artifact_is_verified(green: SubjectDir) -> None:
    found = verify(green)
    assert (found.outcome, found.problems) == (Outcome.PASSED, ())
    assert (found.summary["models"], found.summary["tests"]) == (4, 10)
    assert (green.path / "dbt_lineage.md").read_text().startswith("# PASS: dbt lineage of reference")


def test_a_red_one_is_verified_as_red(tmp_path: Path) -> None:
    run = Recorded()
    run.result(ORDERS).update(status="error", message="Binder Error")
    directory, _, made = run.on_disk(tmp_path)
    assert [blocker.code for blocker in made.blockers] == [f"dbt_lineage.model_failed:{ORDERS}"]
    assert made.blockers[0].next_step.endswith(
        f"certify dbt-lineage --engine reference --release-id {made.release_id}"
    )
    found = verify(directory)
    assert (found.outcome, found.problems) == (Outcome.FAILED, ())


Forge = Callable[[dict[str, Any]], object]


def edit(directory: SubjectDir, path: str, change: Forge, *, resealed: bool = False) -> None:
    value = json.loads((directory.path / path).read_text())
    change(value)
    write_json(directory.path / path, value, resealed=resealed)


def test_a_deleted_file_is_missed(green: SubjectDir) -> None:
    (green.path / FOLDER / "run_results.json").unlink()
    found = verify(green)
    assert f"{FOLDER}/run_results.json: is gone" in found.problems
    assert found.outcome is Outcome.FAILED


def test_an_edited_run_results_is_seen(tmp_path: Path) -> None:
    """A failure edited into a success: the artifact was made from another file."""
    run = Recorded()
    run.result(ORDERS).update(status="error")
    directory, *_ = run.on_disk(tmp_path)
    write_json(directory.path / FOLDER / "run_results.json", Recorded().files["run_results"])
    problems = " ".join(verify(directory).problems)
    assert f"{FOLDER}/run_results.json: is not the file the artifact was made from" in problems


def passed(value: dict[str, Any]) -> None:
    value.update(passed=True, outcome="passed", evidence_status="PASS", blockers=[])
    value["targets"][0]["outcome"] = "passed"


def test_a_verdict_typed_over_a_red_run_is_not_believed(tmp_path: Path) -> None:
    run = Recorded()
    run.result(ORDERS).update(status="error")
    directory, *_ = run.on_disk(tmp_path)
    edit(directory, FILE, passed, resealed=True)
    found = verify(directory)
    assert found.outcome is Outcome.FAILED
    assert any(problem.startswith("outcome: says 'passed', is 'failed'") for problem in found.problems)


FORGED: dict[str, tuple[Forge, str]] = {
    "an edge": (lambda value: value["targets"][0]["edges"].pop(), "targets[0].edges"),
    "a column edge": (lambda value: value["targets"][0]["column_edges"].pop(), "targets[0].column_edges"),
    "a node's state": (
        lambda value: value["targets"][0]["nodes"][2].update(state="skipped"),
        "targets[0].nodes[2].state",
    ),
    "a test": (lambda value: value["targets"][0]["tests"].pop(), "targets[0].tests"),
    "a file unnamed": (lambda value: value["targets"][0]["files"].pop(), "names no first_run_results"),
    "a file for two": (
        lambda value: value["targets"][0]["files"][3].update(value["targets"][0]["files"][1], role="catalog"),
        "one file stands for two",
    ),
    "no target": (lambda value: value.update(targets=[]), "outcome: says 'passed', is 'untested'"),
    "an old load": (
        lambda value: value["targets"][0]["loads"][0].update(started_at="2020-01-01T00:00:00Z"),
        "began before the plan was sealed",
    ),
    "another sink": (
        lambda value: value["targets"][0]["loads"][0]["sink"].update(system="sqlite"),
        "went to sqlite",
    ),
    "another target": (lambda value: value["targets"][0].update(target="postgres"), "dbt ran on duckdb"),
    "events unnamed": (lambda value: value.update(events=None), "events"),
}


@pytest.mark.parametrize("name", FORGED)
def test_what_is_forged_inside_is_named(green: SubjectDir, name: str) -> None:
    change, where = FORGED[name]
    edit(green, FILE, change, resealed=True)
    assert where in "; ".join(verify(green).problems)


def test_a_dbt_run_of_before_the_plan_is_refused(tmp_path: Path) -> None:
    run = Recorded()
    for role in ("manifest", "run_results"):
        run.files[role]["metadata"]["generated_at"] = "2020-01-01T00:00:00Z"
    directory, *_ = run.on_disk(tmp_path)
    assert verify(directory).problems == (f"{FOLDER}/run_results.json: is of before the plan was sealed",)


def test_edited_events_are_seen(green: SubjectDir) -> None:
    path = green.path / DBT_EVENTS
    path.write_text(path.read_text().replace("COMPLETE", "FAIL", 1))
    assert f"{DBT_EVENTS}: is not what follows from dbt's artifacts" in verify(green).problems


def test_each_model_starts_and_ends_and_names_its_load(green: SubjectDir) -> None:
    events = [json.loads(line) for line in (green.path / DBT_EVENTS).read_text().splitlines()]
    assert [event["eventType"] for event in events] == ["START", "COMPLETE"] * 4
    staged = events[1]
    made = green.read(FILE, DbtLineage)
    (landed,) = staged["inputs"]
    assert landed["facets"]["version"]["datasetVersion"] == made.targets[0].loads[-1].run_id
    lineage = staged["outputs"][0]["facets"]["columnLineage"]["fields"]
    assert lineage["order_id"]["inputFields"][0]["field"] == "id"
    assert events[0]["run"]["runId"] == staged["run"]["runId"]


def test_every_event_is_one_that_may_be_exported(green: SubjectDir, tmp_path: Path) -> None:
    run = Recorded()
    run.result(ORDERS).update(status="error", message="Binder Error: no such column")
    failing, *_ = run.on_disk(tmp_path / "failing")
    for directory in (green, failing):
        lines = (directory.path / DBT_EVENTS).read_text().splitlines()
        assert lines
        assert [invalid(json.loads(line)) for line in lines] == [None] * len(lines)


def test_a_failed_model_ends_in_fail_with_its_message(tmp_path: Path) -> None:
    run = Recorded()
    run.result(ORDERS).update(status="error", message="Binder Error: no such column")
    directory, *_ = run.on_disk(tmp_path)
    events = [json.loads(line) for line in (directory.path / DBT_EVENTS).read_text().splitlines()]
    (failed,) = [event for event in events if event["eventType"] == "FAIL"]
    assert failed["run"]["facets"]["errorMessage"]["message"] == "Binder Error: no such column"


def test_a_suite_that_requires_it_is_red_without_it_and_green_with_it(green: SubjectDir) -> None:
    report(green)
    assert suite(green, require={ItemName.DBT_LINEAGE_REPORT}).passed
    (green.path / FILE).unlink()
    without = suite(green, require={ItemName.DBT_LINEAGE_REPORT})
    assert codes(without) == ["dbt_lineage_report.missing"]


# --- somebody's own run -----------------------------------------------------------------------------------


def given(directory: SubjectDir, loaded: tuple[str, ...], **changed: Path | None) -> DbtLineage:
    files = {role: RECORDED / f"{role}.json" for role in ("manifest", "run_results", "catalog")}
    return judge_given(directory, "run-1", {**files, **changed}, loaded)  # type: ignore[dict-item]


def landed_table() -> str:
    source = Recorded().files["manifest"]["sources"][LANDED]
    return f"{source['schema']}.{source['identifier']}"


def test_given_artifacts_are_judged_as_strictly(green: SubjectDir) -> None:
    made = given(green, (landed_table(),))
    assert (made.source, made.passed, made.blockers) == ("given", True, ())
    assert (green.path / "dbt/given/run_results.json").exists()
    assert not (green.path / FOLDER).exists() or not list((green.path / FOLDER).iterdir())
    found = [b.code for b in given(green, ()).blockers]
    assert found == [f"dbt_lineage.source_not_loaded:{LANDED}"]


@pytest.mark.parametrize("role", ["manifest", "run_results", "catalog"])
def test_given_without_one_of_its_files_is_red(green: SubjectDir, tmp_path: Path, role: str) -> None:
    for absent in (None, tmp_path / "nowhere.json"):
        made = given(green, (landed_table(),), **{role: absent})
        assert made.outcome is Outcome.FAILED
        assert f"dbt_lineage.missing:dbt/given/{role}.json" in [blocker.code for blocker in made.blockers]


def test_given_cannot_stand_for_the_run_a_plan_calls_for(green: SubjectDir) -> None:
    given(green, (landed_table(),))
    plan = read_plan(green).plan
    claim = "source: is given, but the plan calls for a dbt run of ours"
    assert claim in " ".join(
        verify(green, plan.model_copy(update={"families": (Family.DBT_LINEAGE,)})).problems
    )
