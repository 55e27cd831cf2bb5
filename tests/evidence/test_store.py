"""The store: safe names, one spelling, strict reading, history of attempts."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.attempts import carry_attempts
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.plan import CertificationPlan, Selection
from certification_pipeline.evidence.store import (
    EvidenceError,
    EvidenceStore,
    Problem,
    ProblemKind,
    SubjectDir,
)
from tests.evidence.builders import ENGINE, RELEASE, SMALL, cell, key, plan, planned, release, row_judgement

RED = (row_judgement("load 2", lost=3),)


Made = tuple[SubjectDir, CertificationPlan]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return release(tmp_path)


def cell_file(directory: SubjectDir) -> Path:
    return directory.cell_path(SMALL[0].key.cell_id)


def edit(path: Path, **changes: Any) -> None:
    value = json.loads(path.read_text())
    path.write_text(json.dumps(value | changes, indent=2, sort_keys=True) + "\n")


# --- names -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        "/etc",
        "a\0b",
        "-rf",
        ".hidden",
        "a..b",
        "a.",
        "é",
        "x" * 129,
        "a\n",
    ],
)
def test_a_name_that_is_no_safe_segment_is_refused(tmp_path: Path, name: str) -> None:
    store = EvidenceStore(tmp_path)
    for release_id, engine in ((name, ENGINE), (RELEASE, name)):
        with pytest.raises(EvidenceError, match="safe"):
            store.release(release_id, engine)
    with pytest.raises(EvidenceError):
        store.set_latest(name)
    assert list(tmp_path.iterdir()) == []


@given(st.text())
def test_whatever_name_is_accepted_stays_one_segment_below_the_root(name: str) -> None:
    root = Path("/nowhere/at-all")
    try:
        path = EvidenceStore(root).release(name, ENGINE).path
    except EvidenceError:
        return
    assert Path(os.path.normpath(path)) == root / "releases" / name / ENGINE


def test_a_hostile_scenario_name_cannot_leave_the_directory(
    made: Made,
) -> None:
    directory, _ = made
    hostile = planned(key(scenario="../../../../etc/passwd"))
    with pytest.raises(EvidenceError, match="cell id"):
        directory.write(cell(plan((hostile,)), hostile))
    [(_, found)] = directory.cells(plan((hostile,)))
    assert isinstance(found, Problem)
    assert found.kind is ProblemKind.UNREADABLE


# --- writing ---------------------------------------------------------------------------------------


def test_what_is_written_is_read_back_and_spelled_in_one_way(
    made: Made,
) -> None:
    directory, sealed = made
    evidence = cell(sealed, SMALL[0], detail="emoji 🦆, combining é, \x00 and 'quotes'")
    directory.write(evidence)
    text = cell_file(directory).read_text(encoding="utf-8")
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert "🦆" in text
    assert directory.read(cell_file(directory), CellEvidence) == evidence
    assert directory.read(f"cells/{SMALL[0].key.cell_id}.json", CellEvidence) == evidence


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"release_id": "other"}, "release_id"),
        ({"schema_version": "certification_pipeline.cell.v2"}, "schema_version"),
        ({"passed": False}, "passed"),
        ({"outcome": Outcome.FAILED, "passed": False}, "outcome"),
        ({"seed": 1, "detail": "\ud800"}, None),
        ({"seconds": float("nan")}, "seconds"),
    ],
)
def test_what_contradicts_itself_or_the_directory_is_not_written(
    made: Made, changes: dict[str, Any], field: str | None
) -> None:
    directory, sealed = made
    before = cell_file(directory).read_bytes()
    with pytest.raises(EvidenceError) as caught:
        directory.write(cell(sealed, SMALL[0]).model_copy(update=changes))
    assert caught.value.field == field
    assert cell_file(directory).read_bytes() == before


def test_markdown_lies_beside_its_json(tmp_path: Path) -> None:
    directory = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    directory.write(plan(SMALL), "# PLAN\n")
    assert directory.plan_path.with_suffix(".md").read_text() == "# PLAN\n"


def test_a_cells_directory_that_is_a_link_is_not_written_through(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path / "root", (SMALL[2],))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (directory.path / "cells").symlink_to(elsewhere)
    with pytest.raises(EvidenceError, match="symbolic link"):
        directory.write(cell(sealed, SMALL[0]))
    assert list(elsewhere.iterdir()) == []


# --- reading ---------------------------------------------------------------------------------------


def _replaced(old: str, new: str) -> Any:
    def damage(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda text: text[: len(text) // 2], "not well-formed JSON"),
        (lambda text: "", "not well-formed JSON"),
        (lambda text: text + "{}", "not well-formed JSON"),
        (lambda text: "\ufeff" + text, "not well-formed JSON"),
        (lambda text: "[" * 5000, "recursion limit"),
        (lambda text: "[]", "not a JSON object but a list"),
        (lambda text: "null", "not a JSON object but null"),
        (_replaced('"seed": 7', '"seed": 7, "seed": 7'), "seed: is there twice"),
        (_replaced('"rows": 100', '"rows": 1, "rows": 100'), "rows: is there twice"),
        (_replaced('"seconds": 2.0', '"seconds": NaN'), "not well-formed JSON"),
        (_replaced('"seconds": 2.0', '"seconds": Infinity'), "not well-formed JSON"),
        (_replaced('"seconds": 2.0', '"seconds": 1e999'), "not a finite number"),
        (_replaced('"seconds": 2.0', '"seconds": "2.0"'), "seconds: Input should be a valid number"),
        (_replaced('"passed": true', '"passed": "yes"'), "passed: Input should be a valid boolean"),
        (_replaced('"seed": 7', '"seed": 7.0'), "seed: Input should be a valid integer"),
        (_replaced('"seed": 7', '"sede": 7'), "seed: Field required"),
        (_replaced('"seed": 7', '"note": 1, "seed": 7'), "note: Extra inputs are not permitted"),
        (
            _replaced("pipeline.cell.v1", "pipeline.cell.v2"),
            "schema_version: is 'certification_pipeline.cell.v2'",
        ),
        (_replaced('"schema_version"', '"schema"'), "schema_version: is missing"),
        (_replaced(f'"release_id": "{RELEASE}"', '"release_id": "v0"'), "release_id: is 'v0'"),
        (_replaced('"engine": "reference"', '"engine": "dlt"'), ""),
        (_replaced('"passed": true', '"passed": false'), "passed: is False, but outcome is passed"),
        (_replaced('"version": "18.1"', '"version": "\\ud800"'), "not well-formed JSON"),
    ],
)
def test_a_damaged_file_is_one_clear_message(made: Made, damage: Any, says: str) -> None:
    directory, _ = made
    path = cell_file(directory)
    path.write_text(damage(path.read_text()))
    if not says:  # a cell of another engine: its key says so, which is the gate's matter
        assert directory.read(path, CellEvidence).key.engine == "dlt"
        return
    with pytest.raises(EvidenceError) as caught:
        directory.read(path, CellEvidence)
    message = str(caught.value)
    assert says in message
    assert str(path) in message
    assert "\n" not in message
    assert caught.value.remedy


def test_another_layout_of_the_same_facts_is_readable(made: Made) -> None:
    directory, _ = made
    path = cell_file(directory)
    before = directory.read(path, CellEvidence)
    path.write_text(json.dumps(json.loads(path.read_text())))
    assert directory.read(path, CellEvidence) == before


def test_links_pipes_and_outside_paths_are_refused(made: Made, tmp_path: Path) -> None:
    directory, _ = made
    outside = tmp_path / "outside.json"
    outside.write_bytes(cell_file(directory).read_bytes())
    (directory.path / "link.json").symlink_to(outside)
    os.mkfifo(directory.path / "pipe.json")
    (directory.path / "folder.json").mkdir()
    (directory.path / "linked").symlink_to(tmp_path)
    for path in (
        "link.json",
        "pipe.json",
        "folder.json",
        "linked/outside.json",
        "../x.json",
        outside,
        "cells/../../x",
    ):
        with pytest.raises(EvidenceError) as caught:
            directory.read(path, CellEvidence)
        assert caught.value.kind is ProblemKind.UNREADABLE
    with pytest.raises(EvidenceError) as caught:
        directory.read("not-there.json", CellEvidence)
    assert caught.value.kind is ProblemKind.MISSING


def test_a_giant_is_not_read_into_memory(made: Made) -> None:
    directory, sealed = made
    with cell_file(directory).open("ab") as file:
        file.truncate(1 << 34)  # sparse
    [found] = [content for where, content in directory.cells(sealed) if where == SMALL[0]]
    assert isinstance(found, Problem)
    assert "more than the" in found.problem


def test_a_release_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "root" / "releases").mkdir(parents=True)
    (tmp_path / "root" / "releases" / RELEASE).symlink_to(tmp_path)
    with pytest.raises(EvidenceError, match="symbolic link"):
        EvidenceStore(tmp_path / "root").release(RELEASE, ENGINE)


def test_every_planned_cell_is_listed_with_its_evidence_or_its_problem(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path, without=SMALL[1].key.cell_id)
    found = dict(directory.cells(sealed))
    assert list(found) == list(SMALL)
    kinds = [each.kind if isinstance(each, Problem) else each.outcome for each in found.values()]
    assert kinds == [Outcome.PASSED, ProblemKind.MISSING, ProblemKind.NOT_RUN, ProblemKind.NOT_RUN]


# --- the plan --------------------------------------------------------------------------------------


def test_sealing_the_same_plan_again_keeps_the_time_of_the_first(
    made: Made,
) -> None:
    directory, sealed = made
    assert directory.seal_plan(plan(SMALL, minutes=30)) == sealed
    assert directory.read(directory.plan_path, CertificationPlan) == sealed


def test_sealing_another_plan_sets_aside_the_cells_it_does_not_hold(
    made: Made,
) -> None:
    directory, _ = made
    directory.seal_plan(plan(SMALL[1:], minutes=30))
    name = f"{SMALL[0].key.cell_id}.json"
    assert [path.name for path in (directory.path / "superseded").iterdir()] == [name]
    assert [path.name for path in (directory.path / "cells").iterdir()] == [f"{SMALL[1].key.cell_id}.json"]


ONE = Selection(scenarios=("batch.full_refresh",))


def test_a_plan_narrowed_to_cells_of_the_one_in_force_leaves_it_in_force(made: Made) -> None:
    directory, sealed = made
    assert directory.seal_plan(plan(SMALL[:1], minutes=30, selection=ONE)) == sealed
    assert len(list((directory.path / "cells").iterdir())) == 2


def test_a_red_release_cannot_turn_green_by_leaving_out_what_is_red(made: Made) -> None:
    directory, sealed = made
    other = planned(SMALL[0].key).model_copy(update={"rows": 99})
    for cells in ((other,), (planned(key(scenario="another")),)):
        with pytest.raises(EvidenceError, match="cannot replace it"):
            directory.seal_plan(plan(cells, minutes=30, selection=ONE))
    assert directory.read(directory.plan_path, CertificationPlan) == sealed


def test_a_wider_plan_replaces_a_narrowed_one(tmp_path: Path) -> None:
    directory = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    directory.seal_plan(plan(SMALL[:1], selection=ONE))
    assert directory.seal_plan(plan(SMALL, minutes=30)).cells == SMALL


def test_a_plan_whose_digest_is_not_its_own_is_not_sealed(tmp_path: Path) -> None:
    forged = plan(SMALL).model_copy(update={"cells": SMALL[:1]})
    with pytest.raises(EvidenceError, match="plan_digest"):
        EvidenceStore(tmp_path).release(RELEASE, ENGINE).seal_plan(forged)


# --- attempts --------------------------------------------------------------------------------------


def test_a_pass_after_a_failure_with_nothing_changed_is_flaky(
    made: Made,
) -> None:
    directory, sealed = made
    directory.write(cell(sealed, SMALL[0], RED, minutes=20, run_id="run-2"))
    again = directory.write(cell(sealed, SMALL[0], minutes=30, run_id="run-3"))
    assert again.flaky
    assert again.outcome is Outcome.CANT_TELL
    assert not again.passed
    assert [attempt.run_id for attempt in again.attempts] == ["run-1", "run-2"]
    assert directory.read(cell_file(directory), CellEvidence) == again
    # … and no number of further passes makes it green.
    assert directory.write(cell(sealed, SMALL[0], minutes=40, run_id="run-4")).outcome is Outcome.CANT_TELL


def test_writing_the_same_attempt_twice_is_not_a_rerun(made: Made) -> None:
    directory, sealed = made
    red = cell(sealed, SMALL[0], RED)
    directory.write(red)
    assert directory.write(red).attempts == ()


@pytest.mark.parametrize("change", ["version", "artifact_digest", "scenario_version"])
def test_history_ends_where_something_changed(made: Made, change: str) -> None:
    _, sealed = made
    red = cell(sealed, SMALL[0], RED)
    changes: dict[str, Any] = {"scenario_version": 2}
    if change != "scenario_version":
        changes = {"subject": red.subject.model_copy(update={change: "sha256:" + "00" * 32})}
    new = carry_attempts(red, cell(sealed, SMALL[0], minutes=20, run_id="run-2", **changes))
    assert new.attempts == ()
    assert new.outcome is Outcome.PASSED


def test_another_seed_does_not_hide_a_failure(made: Made) -> None:
    _, sealed = made
    new = carry_attempts(
        cell(sealed, SMALL[0], RED),
        cell(sealed, SMALL[0], minutes=20, run_id="run-2", seed=8, plan_digest="x"),
    )
    assert new.flaky


def test_an_untested_rerun_keeps_the_failure_on_record(made: Made) -> None:
    directory, sealed = made
    directory.write(cell(sealed, SMALL[0], RED, minutes=20, run_id="run-2"))
    gone: dict[str, Any] = {"reason": ReasonCode.SERVICE_UNAVAILABLE, "judgements": ()}
    directory.write(cell(sealed, SMALL[0], minutes=30, run_id="run-3", **gone))
    assert directory.write(cell(sealed, SMALL[0], minutes=40, run_id="run-4")).flaky


def test_a_damaged_earlier_file_is_healed_by_the_next_write(
    made: Made,
) -> None:
    directory, sealed = made
    cell_file(directory).write_text("{")
    assert directory.write(cell(sealed, SMALL[0])).outcome is Outcome.PASSED


# --- latest ----------------------------------------------------------------------------------------


def test_latest_names_the_newest_release(tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path)
    assert store.latest() is None
    assert store.releases() == ()
    release(tmp_path)
    store.set_latest(RELEASE)
    assert store.latest() == RELEASE
    assert store.releases() == (RELEASE,)
    assert store.engines(RELEASE) == (ENGINE,)


@pytest.mark.parametrize("text", ["../../etc\n", "", "a\nb\n", "\xff"])
def test_a_damaged_pointer_is_one_clear_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "latest").write_bytes(text.encode("latin-1"))
    with pytest.raises(EvidenceError, match="names no release"):
        EvidenceStore(tmp_path).latest()


def test_a_relative_root_is_where_it_was_when_the_store_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    directory, sealed = release(Path(".certification"))
    monkeypatch.chdir("/")
    assert directory.read(directory.plan_path, CertificationPlan) == sealed
    assert (tmp_path / ".certification" / "releases" / RELEASE).is_dir()
