"""The last gate: nothing typed by hand, edited, removed, added or moved in gets past it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.store import EvidenceError, EvidenceStore
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.artifact_index import artifact_index, verify_index
from certification_pipeline.gates.decide import decide as decide_now
from tests.evidence.builders import ENGINE, RELEASE, SMALL, cell, provenance, release, row_judgement
from tests.gates.releases import codes, decide, decided_release, suite, summary, verified, write_json

TYPED = {"passed": True, "evidence_status": "PASS", "release_id": RELEASE}


def test_an_honest_release_is_green_and_stays_green_when_verified(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    again = verified(directory)
    assert again.passed
    assert again.blockers == ()
    assert [(item.name.value, item.required, item.outcome.value) for item in again.items] == [
        ("certification_automation_plan", True, "passed"),
        ("certification_suite", True, "passed"),
        ("artifact_index", True, "passed"),
        ("matrix_evidence_chain", True, "passed"),
        ("replay_evidence_chain", False, "untested"),
        ("connector_certification", False, "untested"),
        ("connector_evidence_chain", False, "untested"),
    ]
    assert [item.passed for item in again.items] == [True] * 4 + [False] * 3


def test_decide_writes_every_artifact_in_json_and_markdown(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    decided = decide_now(directory, "run-2")
    assert decided.outcome is Outcome.PASSED
    assert decided.summary.created_at <= utc_now()
    names = {
        "certification_report",
        "certification_suite",
        "certification_suite_index",
        "artifact_index",
        "release_summary",
    }
    for name in names:
        assert (directory.path / f"{name}.json").is_file()
        assert (directory.path / f"{name}.md").read_text().startswith("# PASS: ")


def test_deciding_without_a_plan_is_one_clear_message(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match=r"certification_automation_plan\.json"):
        decide_now(EvidenceStore(tmp_path).release(RELEASE, ENGINE), "run-2")


def test_nothing_at_all_is_red(tmp_path: Path) -> None:
    directory = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    made = summary(directory)
    assert made.outcome is Outcome.FAILED
    assert codes(made) == [
        "certification_automation_plan.missing",
        "certification_suite.missing",
        "artifact_index.missing",
        "matrix_evidence_chain.missing",
    ]


def test_three_typed_fields_used_three_times_are_red_and_say_why(tmp_path: Path) -> None:
    directory = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    directory.path.mkdir(parents=True)
    for path in (
        directory.plan_path,
        directory.suite_path,
        directory.artifact_index_path,
        directory.summary_path,
    ):
        write_json(path, TYPED)
    made = verified(directory)
    assert made.outcome is Outcome.FAILED
    assert codes(made) == [
        "release_summary.not_verified",
        "certification_automation_plan.not_verified",
        "certification_suite.not_verified",
        "artifact_index.not_verified",
        "matrix_evidence_chain.missing",
    ]
    assert all("schema_version: is missing" in blocker.message for blocker in made.blockers[:-1])


@pytest.mark.parametrize("name", ["plan_path", "suite_path", "artifact_index_path", "summary_path"])
def test_three_typed_fields_in_any_one_place_are_red(tmp_path: Path, name: str) -> None:
    directory = decided_release(tmp_path)
    write_json(getattr(directory, name), TYPED)
    assert verified(directory).outcome is Outcome.FAILED


def test_a_suite_of_no_items_is_red(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    value = json.loads(directory.suite_path.read_text()) | {"items": []}
    write_json(directory.suite_path, value, resealed=True)
    assert "certification_suite.not_verified" in codes(summary(directory))


def test_a_suite_that_required_less_than_the_release_does_is_red(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    made = summary(directory, require={ItemName.BENCHMARK_BASELINE})
    assert codes(made) == ["certification_suite.not_verified"]
    assert "did not require benchmark_baseline" in made.blockers[0].message


def test_an_inconclusive_matrix_is_inconclusive_to_the_end(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path)
    directory.write(cell(sealed, SMALL[0], (row_judgement(lost=1),), minutes=20, run_id="run-2"))
    directory.write(cell(sealed, SMALL[0], minutes=30, run_id="run-3"))
    made = decide(directory)
    assert made.outcome is Outcome.CANT_TELL
    assert codes(made) == ["certification_suite.not_passed"]
    assert "flaky" in made.blockers[0].message


@pytest.mark.parametrize(
    "victim",
    [
        "certification_automation_plan.json",
        "certification_report.json",
        "certification_report.md",
        "certification_suite.json",
        "certification_suite_index.json",
        "artifact_index.json",
        "release_summary.json",
        f"cells/{SMALL[0].key.cell_id}.json",
    ],
)
def test_removing_any_file_is_found(tmp_path: Path, victim: str) -> None:
    directory = decided_release(tmp_path)
    (directory.path / victim).unlink()
    assert verified(directory).outcome is Outcome.FAILED


@pytest.mark.parametrize(
    "added", ["cells/extra.json", "notes.md", "lineage/events.jsonl", "benchmark_baseline.json"]
)
def test_adding_any_file_is_found(tmp_path: Path, added: str) -> None:
    directory = decided_release(tmp_path)
    (directory.path / added).parent.mkdir(exist_ok=True)
    (directory.path / added).write_text("{}")
    assert verified(directory).outcome is Outcome.FAILED


def test_an_edited_markdown_is_found(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    path = directory.path / "certification_report.md"
    path.write_text(path.read_text().replace("PASS", "PASS "))
    made = verified(directory)
    assert "artifact_index.not_verified" in codes(made)
    assert "certification_report.md was changed" in next(
        blocker.message for blocker in made.blockers if blocker.code.startswith("artifact_index")
    )


def test_cells_of_another_release_moved_in_are_found(tmp_path: Path) -> None:
    directory = decided_release(tmp_path / "a")
    red, sealed = release(tmp_path / "b")
    red.write(cell(sealed, SMALL[0], (row_judgement(lost=1),), minutes=20))
    shutil.copy(directory.cell_path(SMALL[0].key.cell_id), red.cell_path(SMALL[0].key.cell_id))
    shutil.copytree(tmp_path / "a", tmp_path / "b", dirs_exist_ok=True)
    assert verified(red).passed  # the same plan, subject and release: the same evidence
    moved = EvidenceStore(tmp_path / "c").release("another", ENGINE)
    shutil.copytree(directory.path, moved.path)
    made = verified(moved)
    assert made.outcome is Outcome.FAILED
    assert "certification_suite.release_id_mismatch" in codes(made)


def test_evidence_may_be_copied_elsewhere_and_read_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = decided_release(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    for path in (tmp_path / "b").rglob("*.json"):
        os.utime(path, (0, 0))
    monkeypatch.chdir(tmp_path / "b" / "releases")
    assert verified(EvidenceStore(Path("..")).release(directory.release_id, ENGINE)).passed


@pytest.mark.parametrize("item", ["certification_suite", "artifact_index"])
def test_what_claims_to_be_made_after_the_decision_is_red(tmp_path: Path, item: str) -> None:
    directory = decided_release(tmp_path)
    if item == "certification_suite":
        directory.write(suite(directory, minutes=90))
    directory.write(artifact_index(directory, provenance(90 if item == "artifact_index" else 62)))
    made = summary(directory)
    assert made.outcome is Outcome.FAILED
    assert codes(made) == [f"{item}.not_verified", "matrix_evidence_chain.not_verified"]
    assert "after this decision" in made.blockers[0].message


@pytest.mark.parametrize(
    ("field", "value"),
    [("evidence_status", "FAIL"), ("passed", False), ("outcome", "failed"), ("blockers", [...])],
)
def test_a_decision_that_contradicts_itself_cannot_be_read(tmp_path: Path, field: str, value: Any) -> None:
    directory = decided_release(tmp_path)
    document = json.loads(directory.summary_path.read_text())
    blocker = {"code": "x", "message": "x", "next_step": "x"}
    document[field] = [blocker] if value == [...] else value
    write_json(directory.summary_path, document, resealed=True)
    with pytest.raises(EvidenceError, match=r"contradicts|in spite of|but outcome is"):
        directory.read(directory.summary_path, ReleaseSummary)


# --- the artifact index ----------------------------------------------------------------------------


def test_the_index_lists_every_file_but_what_rests_on_it(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    index = directory.read(directory.artifact_index_path, ArtifactIndex)
    there = {str(path.relative_to(directory.path)) for path in directory.path.rglob("*") if path.is_file()}
    after = {"artifact_index.json", "artifact_index.md", "release_summary.json", "release_summary.md"}
    after |= {"decisions.intoto.jsonl"}
    assert after <= there
    assert {entry.path for entry in index.entries} == there - after
    types = {entry.artifact_type for entry in index.entries}
    assert {"cell", "certification_report", "certification_suite", "markdown", "attestations"} <= types
    assert {entry.release for entry in index.entries if entry.path.endswith(".json")} == {RELEASE}
    assert verify_index(directory, index) == ()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: path.unlink(), "is listed and gone"),
        (lambda path: path.write_bytes(path.read_bytes() + b"\n"), "was changed after it was listed"),
        (lambda path: (path.parent / "new.txt").write_text("x"), "is there and not listed"),
    ],
)
def test_verifying_the_index_names_the_file(tmp_path: Path, change: Any, says: str) -> None:
    directory = decided_release(tmp_path)
    index = directory.read(directory.artifact_index_path, ArtifactIndex)
    change(directory.report_path)
    [problem] = verify_index(directory, index)
    assert says in problem


def test_an_entry_that_misquotes_its_file_is_found(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    document = json.loads(directory.artifact_index_path.read_text())
    at = next(n for n, entry in enumerate(document["entries"]) if entry["path"].startswith("cells/"))
    document["entries"][at]["run_id"] = "another"
    write_json(directory.artifact_index_path, document, resealed=True)
    [problem] = verify_index(directory, directory.read(directory.artifact_index_path, ArtifactIndex))
    assert problem == f"entries[{at}].run_id: says 'another', is 'run-1'"


def test_links_and_files_of_another_release_make_the_index_red(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    (directory.path / "link.json").symlink_to("/etc/hostname")
    write_json(directory.path / "foreign.json", {"release_id": "other"})
    index = artifact_index(directory, provenance(62))
    assert index.outcome is Outcome.FAILED
    assert [blocker.code for blocker in index.blockers] == [
        "artifact_index.release_id_mismatch:foreign.json",
        "artifact_index.not_verified:link.json",
    ]


def test_an_index_of_nothing_is_red(tmp_path: Path) -> None:
    directory = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    index = artifact_index(directory, provenance(62))
    assert [blocker.code for blocker in index.blockers] == ["artifact_index.missing"]


def test_a_suite_can_be_evaluated_again_after_the_index(tmp_path: Path) -> None:
    directory = decided_release(tmp_path)
    directory.write(suite(directory, minutes=64))
    assert "artifact_index.not_verified" in codes(verified(directory))
    assert decide(directory).passed
