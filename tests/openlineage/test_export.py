"""What is exported of loads that went well, and what makes an export red."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence, LoadEvidence
from certification_pipeline.evidence.decision import EvidenceStatus
from certification_pipeline.evidence.load_lineage import load_lineage
from certification_pipeline.evidence.run_registry import MOST_BLOCKERS, RunRegistry
from certification_pipeline.gates.verification import read_plan
from tests.evidence import builders
from tests.openlineage.releases import (
    COLUMNS,
    MERGE,
    OTHER,
    SCD2,
    UNPLANNED_WORK,
    cell,
    ended,
    events,
    exported,
    judged,
    load,
    red,
    release,
    run_id,
    verified,
)


def test_loads_that_went_well_are_green(tmp_path: Path) -> None:
    directory = release(tmp_path)
    report = exported(directory)
    assert (report.outcome, report.blockers) == (Outcome.PASSED, ())
    assert (report.run_count, report.judged_runs, report.event_count) == (4, 4, 12)
    assert verified(directory).problems == ()
    assert verified(directory).outcome is Outcome.PASSED


def test_each_load_has_a_beginning_phases_and_an_end(tmp_path: Path) -> None:
    directory = release(tmp_path)
    exported(directory)
    first = [event for event in events(directory) if event["run"]["runId"] == run_id(MERGE, 1)]
    assert [event["eventType"] for event in first] == ["START", "RUNNING", "COMPLETE"]
    assert first[1]["run"]["facets"]["certification_load"]["phases"] == ["extract", "load"]
    parent = first[0]["run"]["facets"]["parent"]["run"]["runId"]
    assert str(UUID(parent)) == parent
    assert {event["run"]["facets"]["parent"]["run"]["runId"] for event in events(directory)} == {parent}


def test_what_the_oracle_saw_is_what_is_said(tmp_path: Path) -> None:
    directory = release(tmp_path)
    exported(directory)
    end = next(event for event in events(directory) if event["eventType"] == "COMPLETE")
    (source,), (sink,) = end["inputs"], end["outputs"]
    assert [field["name"] for field in source["facets"]["schema"]["fields"]] == list(COLUMNS)
    assert sink["outputFacets"]["outputStatistics"]["rowCount"] == builders.ROWS
    stated = sink["outputFacets"]["dataQualityAssertions"]["assertions"]
    assert {(a["assertion"], a["success"]) for a in stated} == {
        ("load_ended", True),
        ("rows_as_the_model", True),
    }
    lineage = sink["facets"]["columnLineage"]["fields"]
    assert {column: way["inputFields"][0]["field"] for column, way in lineage.items()} == {
        name: name for name in COLUMNS
    }
    assert source["namespace"] == "certify://reference/source/postgres"
    assert sink["namespace"] == "certify://reference/sink/duckdb"


def test_columns_of_the_engines_own_have_no_lineage(tmp_path: Path) -> None:
    directory = release(tmp_path, (SCD2,))
    exported(directory)
    end = next(event for event in events(directory) if event["eventType"] == "COMPLETE")
    facets = end["outputs"][0]["facets"]
    assert [f["name"] for f in facets["schema"]["fields"]] == [*COLUMNS, "valid_from", "valid_to"]
    assert set(facets["columnLineage"]["fields"]) == set(COLUMNS)


def test_rows_the_oracle_found_wrong_are_said_per_column_and_do_not_make_the_export_red(
    tmp_path: Path,
) -> None:
    wrong = judged(2, lost=3, columns={"note": 5})
    directory = release(
        tmp_path,
        change=lambda c: c.model_copy(
            update={
                "judgements": (*c.judgements[:3], wrong),
                "loads": (c.loads[0], _claiming(c.loads[1], builders.ROWS - 3)),
            }
        ),
    )
    report = exported(directory)
    assert report.outcome is Outcome.PASSED
    assert sum(item.failed_assertions for item in report.items) == 3
    end = [e for e in events(directory) if e["run"]["runId"] == run_id(MERGE, 2)][-1]
    out = end["outputs"][0]["outputFacets"]
    assert out["outputStatistics"]["rowCount"] == builders.ROWS - 3
    failed = [a for a in out["dataQualityAssertions"]["assertions"] if not a["success"]]
    assert {(a["assertion"], a.get("column")) for a in failed} == {
        ("rows_as_the_model", None),
        ("no_lost", None),
        ("values_as_the_model", "note"),
    }


def test_a_load_that_failed_is_a_fail_event_and_red(tmp_path: Path) -> None:
    """dpone's false green: a FAIL event passed its suite."""
    directory = release(tmp_path, change=_second_load_fails)
    report = exported(directory)
    assert report.outcome is Outcome.FAILED
    assert red(report) == {"fail_event"}
    assert report.blockers[0].code == f"openlineage_report.fail_event:{run_id(MERGE, 2)}"
    assert "the disk is full" in report.blockers[0].message
    assert report.blockers[0].next_step.startswith("certify run --engine reference --route")
    end = [e for e in events(directory) if e["run"]["runId"] == run_id(MERGE, 2)][-1]
    assert end["eventType"] == "FAIL"
    assert end["run"]["facets"]["errorMessage"]["message"] == "the disk is full"
    assert report.evidence_status is EvidenceStatus.FAIL


def test_a_load_that_was_asked_to_fail_is_a_fail_event_and_not_red(tmp_path: Path) -> None:
    def asked(c: CellEvidence) -> CellEvidence:
        failed = c.loads[1].model_copy(update={"ended": "error", "message": "no such table"})
        as_asked = ended(2, "error: not_found", "error: not_found")
        return c.model_copy(
            update={"loads": (c.loads[0], failed), "judgements": (*c.judgements[:2], as_asked)}
        )

    directory = release(tmp_path, (OTHER, MERGE), change=asked)
    report = exported(directory, scenarios=("obs.*",))
    assert (report.outcome, report.run_count) == (Outcome.PASSED, 4)
    assert report.scenarios == ("strategy.*", "obs.*")
    assert "FAIL" in {event["eventType"] for event in events(directory)}


def test_only_the_seeds_own_cells_unless_more_is_asked_for(tmp_path: Path) -> None:
    report = exported(release(tmp_path, (MERGE, OTHER)))
    assert {item.cell_id for item in report.items} == {MERGE.key.cell_id}


def test_the_engines_own_count_must_be_the_oracles(tmp_path: Path) -> None:
    directory = release(
        tmp_path, change=lambda c: c.model_copy(update={"loads": (c.loads[0], _claiming(c.loads[1], 7))})
    )
    report = exported(directory)
    assert red(report) == {"wrong_count"}
    assert "claims 7 rows in the sink, the oracle counted 100" in report.blockers[0].message


@pytest.mark.parametrize("field", ["missing_columns", "unexpected_columns"])
def test_a_column_the_sink_lacks_or_nobody_asked_for(tmp_path: Path, field: str) -> None:
    wrong = judged(2, **{field: ("note",), "seen_columns": ("id", "updated_at"), "remark": "columns"})
    directory = release(
        tmp_path, change=lambda c: c.model_copy(update={"judgements": (*c.judgements[:3], wrong)})
    )
    assert red(exported(directory)) == {"wrong_columns"}


def test_nothing_to_export_is_never_green(tmp_path: Path) -> None:
    report = exported(release(tmp_path, (UNPLANNED_WORK, OTHER)))
    assert report.outcome is Outcome.CANT_TELL
    assert red(report) == {"no_events"}


def test_a_cell_that_was_to_run_and_left_nothing_is_red(tmp_path: Path) -> None:
    report = exported(release(tmp_path, without=SCD2))
    assert report.outcome is Outcome.FAILED
    assert [b.code for b in report.blockers] == [f"openlineage_report.no_run:{SCD2.key.cell_id}"]


def test_evidence_of_another_plan_is_no_load_of_this_one(tmp_path: Path) -> None:
    directory = release(
        tmp_path, change=lambda c: c.model_copy(update={"plan_digest": "sha256:" + "00" * 32})
    )
    assert red(exported(directory)) == {"no_run"}


def test_loads_that_nobody_judged_prove_nothing(tmp_path: Path) -> None:
    directory = release(
        tmp_path, (MERGE,), change=lambda c: c.model_copy(update={"judgements": (ended(1), ended(2))})
    )
    report = exported(directory)
    assert (report.outcome, red(report)) == (Outcome.CANT_TELL, {"not_judged"})


def test_a_load_without_times_cannot_be_exported(tmp_path: Path) -> None:
    directory = release(
        tmp_path,
        change=lambda c: c.model_copy(
            update={"loads": (c.loads[0], c.loads[1].model_copy(update={"started_at": None}))}
        ),
    )
    assert red(exported(directory)) == {"run_registry.no_time", "not_exportable"}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"run_id": run_id(MERGE, 1)}, {"run_registry.duplicate"}),
        ({"run_id": "load-2"}, {"run_registry.not_uuid", "not_exportable"}),
    ],
)
def test_a_run_that_cannot_be_told_from_another_is_red(
    tmp_path: Path, changed: dict[str, str], words: set[str]
) -> None:
    directory = release(
        tmp_path,
        change=lambda c: c.model_copy(update={"loads": (c.loads[0], c.loads[1].model_copy(update=changed))}),
    )
    report = exported(directory)
    assert report.outcome is Outcome.FAILED
    assert words <= red(report)


def test_the_registry_lists_every_run_of_every_cell(tmp_path: Path) -> None:
    directory = release(tmp_path, (MERGE, OTHER))
    exported(directory)
    registry = directory.read("run_registry.json", RunRegistry)
    assert registry.passed
    assert {run.cell_id for run in registry.runs} == {MERGE.key.cell_id, OTHER.key.cell_id}
    found = registry.run(run_id(OTHER, 2))
    assert found is not None
    assert (found.step, found.counts) == ("load 2", {"loaded_rows": 10, "final_rows": builders.ROWS})


def test_a_long_list_of_blockers_says_how_many_there_are(tmp_path: Path) -> None:
    many = MOST_BLOCKERS + 5

    def fail(c: CellEvidence) -> CellEvidence:
        loads = tuple(load(MERGE, n, ended="killed", message="gone") for n in range(1, many + 1))
        return c.model_copy(update={"loads": loads, "judgements": (ended(1, observed="killed"),)})

    report = exported(release(tmp_path, change=fail))
    fails = [b for b in report.blockers if ".fail_event:" in b.code]
    assert len(fails) == MOST_BLOCKERS
    assert fails[-1].message.endswith("(and 5 more like it)")


def test_load_lineage_gives_an_edge_a_cell(tmp_path: Path) -> None:
    plan = read_plan(release(tmp_path)).plan
    (edge,) = load_lineage([cell(plan, SCD2)])
    assert edge.columns == {name: name for name in COLUMNS}
    assert edge.engine_columns == ("valid_from", "valid_to")
    assert (edge.run_id, edge.rows, edge.proven) == (run_id(SCD2, 2), builders.ROWS, True)


def _claiming(load: LoadEvidence, rows: int) -> LoadEvidence:
    return load.model_copy(update={"record": {"final_rows": rows}})


def _second_load_fails(c: CellEvidence) -> CellEvidence:
    failed = c.loads[1].model_copy(update={"ended": "error", "message": "the disk is full", "record": None})
    return c.model_copy(
        update={
            "loads": (c.loads[0], failed),
            "judgements": (*c.judgements[:2], ended(2, observed="error: resource")),
        }
    )
