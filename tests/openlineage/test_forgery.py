"""Files that were touched after the export: each is found, also when the report was made to vouch for it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.decision import EvidenceStatus
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.run_registry import RunRegistry
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.gates.decide import decide
from certification_pipeline.gates.verification import read_plan
from tests.evidence import builders
from tests.openlineage.releases import (
    MERGE,
    cell,
    ended,
    events,
    exported,
    forged,
    red,
    release,
    run_id,
    verified,
    write_events,
)

Events = list[dict[str, Any]]
LAST = run_id(MERGE, 2)


@pytest.fixture
def directory(tmp_path: Path) -> SubjectDir:
    made = release(tmp_path)
    exported(made)
    return made


def _end(listed: Events) -> dict[str, Any]:
    return next(e for e in listed if e["run"]["runId"] == LAST and e["eventType"] == "COMPLETE")


def _set(change: Callable[[dict[str, Any]], object]) -> Callable[[Events], Events]:
    def edit(listed: Events) -> Events:
        change(_end(listed))
        return listed

    return edit


def _without(type_: str) -> Callable[[Events], Events]:
    return lambda listed: [e for e in listed if (e["run"]["runId"], e["eventType"]) != (LAST, type_)]


def _out(event: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = event["outputs"][0]
    return found


def _fail(event: dict[str, Any]) -> None:
    event["eventType"] = "FAIL"


def _other_parent(event: dict[str, Any]) -> None:
    event["run"]["facets"]["parent"]["run"]["runId"] = run_id(MERGE, 9)


EDITS: dict[str, tuple[Callable[[Events], Events], set[str]]] = {
    "the end says FAIL": (_set(_fail), {"fail_event", "wrong_end"}),
    "no end": (_without("COMPLETE"), {"missing_complete"}),
    "no beginning": (_without("START"), {"missing_start"}),
    "ends twice": (lambda listed: [*listed, _end(listed)], {"wrong_end"}),
    "no event at all": (lambda _: [], {"missing_start", "missing_complete"}),
    "another count": (
        _set(lambda e: _out(e)["outputFacets"]["outputStatistics"].update(rowCount=5)),
        {"wrong_count"},
    ),
    "no count": (_set(lambda e: _out(e)["outputFacets"].pop("outputStatistics")), {"wrong_count"}),
    "a column gone": (
        _set(lambda e: _out(e)["facets"]["schema"]["fields"].pop()),
        {"wrong_columns"},
    ),
    "a column from elsewhere": (
        _set(
            lambda e: _out(e)["facets"]["columnLineage"]["fields"]["note"]["inputFields"][0].update(
                name="other"
            )
        ),
        {"wrong_columns"},
    ),
    "another table": (_set(lambda e: _out(e).update(name="other")), {"wrong_dataset"}),
    "a verdict turned": (
        _set(
            lambda e: _out(e)["outputFacets"]["dataQualityAssertions"]["assertions"][0].update(success=False)
        ),
        {"wrong_assertion"},
    ),
    "another time": (_set(lambda e: e.update(eventTime="2024-11-19T00:00:00+00:00")), {"wrong_event"}),
    "another parent": (_set(_other_parent), {"wrong_event"}),
    "a run nobody did": (
        _set(lambda e: e["run"].update(runId=run_id(MERGE, 9))),
        {"unknown_run", "missing_complete"},
    ),
    "no UUID": (
        _set(lambda e: e["run"].update(runId="9")),
        {"invalid_event", "missing_complete", "unknown_run"},
    ),
    "no producer": (_set(lambda e: e.pop("producer")), {"invalid_event", "missing_complete"}),
    "a facet without schema": (
        _set(lambda e: _out(e)["facets"].update(mine={"x": 1})),
        {"invalid_event", "missing_complete"},
    ),
    "a count that is text": (
        _set(lambda e: _out(e)["outputFacets"]["outputStatistics"].update(rowCount="100")),
        {"invalid_event", "missing_complete"},
    ),
}


@pytest.mark.parametrize("name", EDITS)
def test_an_edited_event_is_found_even_if_the_report_vouches_for_it(directory: SubjectDir, name: str) -> None:
    edit, words = EDITS[name]
    write_events(directory, edit(events(directory)))
    forged(directory)
    found = verified(directory)
    assert found.problems
    assert found.outcome is Outcome.FAILED
    assert words <= red(found)
    assert "run_registry.not_verified" not in red(found)


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(b"COMPLETE", b"COMPLETE", 1) + b"\n",
        lambda text: text + b"{}\n",
        lambda text: text[: len(text) // 2],
        lambda text: b"not json\n" + text,
        lambda text: text.replace(b'"eventType"', b'"eventType": "FAIL", "eventType"', 1),
        lambda text: text.replace(b"100", b"NaN", 1),
    ],
)
def test_a_damaged_file_is_not_verified(directory: SubjectDir, damage: Callable[[bytes], bytes]) -> None:
    path = directory.path / layout.OPENLINEAGE_EVENTS
    path.write_bytes(damage(path.read_bytes()))
    assert verified(directory).problems


def test_a_missing_file_is_red(directory: SubjectDir) -> None:
    (directory.path / layout.OPENLINEAGE_EVENTS).unlink()
    found = verified(directory)
    assert found.problems
    assert "events.missing" in red(found)


def test_a_link_to_another_file_is_not_followed(directory: SubjectDir, tmp_path: Path) -> None:
    path = directory.path / layout.OPENLINEAGE_EVENTS
    elsewhere = tmp_path / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)
    assert "events.missing" in red(verified(directory))


def test_a_red_report_edited_to_passed_is_not_verified(tmp_path: Path) -> None:
    directory = release(
        tmp_path,
        change=lambda c: c.model_copy(
            update={"loads": (c.loads[0], c.loads[1].model_copy(update={"ended": "error"}))}
        ),
    )
    report = exported(directory)
    assert report.outcome is Outcome.FAILED
    green = tuple(item.model_copy(update={"problems": (), "passed": True}) for item in report.items)
    forged(
        directory,
        outcome=Outcome.PASSED,
        passed=True,
        evidence_status=EvidenceStatus.PASS,
        blockers=(),
        items=green,
    )
    found = verified(directory)
    assert found.problems
    assert (found.outcome, red(found)) == (Outcome.FAILED, {"fail_event"})


def test_a_report_of_fewer_scenarios_leaves_nothing_out(directory: SubjectDir) -> None:
    forged(directory, scenarios=("strategy.scd2",))
    found = verified(directory)
    assert any("scenarios" in problem for problem in found.problems)
    assert found.summary["runs"] == 4


def test_a_cell_that_ran_again_makes_the_export_stale(directory: SubjectDir) -> None:
    plan = read_plan(directory).plan
    again = cell(plan, MERGE)
    new = again.loads[1].model_copy(update={"run_id": run_id(MERGE, 7)})
    directory.write(again.model_copy(update={"loads": (again.loads[0], new)}))
    found = verified(directory)
    assert {"unknown_run", "missing_complete", "run_registry.not_verified"} <= red(found)


def test_a_cells_verdict_edited_after_the_export_is_found(directory: SubjectDir) -> None:
    made = cell(read_plan(directory).plan, MERGE)
    edited = made.model_copy(
        update={
            "judgements": (ended(1, observed="killed"), *made.judgements[1:]),
            "outcome": Outcome.FAILED,
            "passed": False,
        }
    )
    directory.write(edited)
    assert "wrong_assertion" in red(verified(directory))


def test_an_edited_registry_is_found(directory: SubjectDir) -> None:
    registry = directory.read(layout.RUN_REGISTRY, RunRegistry)
    directory.write(registry.model_copy(update={"runs": registry.runs[1:]}))
    assert "run_registry.not_verified" in red(verified(directory))


def test_a_missing_registry_is_found(directory: SubjectDir) -> None:
    (directory.path / layout.RUN_REGISTRY).unlink()
    assert "run_registry.missing" in red(verified(directory))


def test_the_suite_is_green_with_it_and_red_without_a_true_one(directory: SubjectDir) -> None:
    green = decide(directory, "run-2", require=(ItemName.LINEAGE_REPORT,)).suite
    item = next(item for item in green.items if item.name is ItemName.LINEAGE_REPORT)
    assert (item.outcome, item.identity_status) == (Outcome.PASSED, "verified")
    write_events(directory, EDITS["the end says FAIL"][0](events(directory)))
    suite = decide(directory, "run-3", require=(ItemName.LINEAGE_REPORT,)).suite
    codes = {blocker.code for blocker in suite.blockers}
    assert {"lineage_report.not_verified", "lineage_report.not_passed"} <= codes


def test_a_report_older_than_the_plan_is_stale(directory: SubjectDir) -> None:
    report = directory.read(layout.FAMILY_ARTIFACTS[_FAMILY], OpenLineageReport)
    forged(directory, created_at=builders.provenance(-5).created_at, run_id=report.run_id)
    assert any("before the plan" in problem for problem in verified(directory).problems)


_FAMILY = next(family for family in layout.FAMILY_ARTIFACTS if family.value == "openlineage")
