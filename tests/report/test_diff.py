"""Two subjects cell by cell: each kind of change is told, and nothing that got worse is missed."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.cell import CheckJudgement
from certification_pipeline.report.diff import (
    Change,
    changes_table,
    compare_subjects,
    facts_table,
)
from certification_pipeline.report.release import CellLine, SubjectView
from tests.cli.conftest import Certify, certify
from tests.report.on_disk import write_release
from tests.report.sample import make_subject

__all__ = ["certify"]


@pytest.fixture(scope="module")
def before() -> SubjectView:
    return make_subject("dlt")


def having(subject: SubjectView, outcome: Outcome) -> CellLine:
    return next(line for line in subject.lines if line.outcome is outcome)


def changed(subject: SubjectView, line: CellLine, **row: object) -> SubjectView:
    """The same subject with another verdict of one cell."""
    other = replace(line, row=line.row.model_copy(update=row))
    return replace(subject, lines=tuple(other if one is line else one for one in subject.lines))


@pytest.mark.parametrize(
    ("was", "now", "kind", "regression"),
    [
        (Outcome.PASSED, Outcome.FAILED, Change.BROKE, True),
        (Outcome.PASSED, Outcome.CANT_TELL, Change.LOST, True),
        (Outcome.PASSED, Outcome.UNTESTED, Change.LOST, True),
        (Outcome.PASSED, Outcome.INAPPLICABLE, Change.LOST, True),
        (Outcome.FAILED, Outcome.PASSED, Change.FIXED, False),
        (Outcome.FAILED, Outcome.CANT_TELL, Change.OTHER, False),
        (Outcome.UNTESTED, Outcome.FAILED, Change.NOW_FAILS, False),
        (Outcome.CANT_TELL, Outcome.PASSED, Change.NOW_PASSES, False),
    ],
)
def test_each_change_has_its_kind(
    before: SubjectView, was: Outcome, now: Outcome, kind: Change, regression: bool
) -> None:
    line = having(before, was)
    diff = compare_subjects(before, changed(before, line, outcome=now))
    assert diff.counts[kind] == 1
    assert diff.counts[Change.SAME] == len(before.lines) - 1
    assert diff.changes[0].kind is kind
    assert diff.outcome is (Outcome.FAILED if regression else Outcome.PASSED)


def test_a_subject_and_itself_are_the_same(before: SubjectView) -> None:
    diff = compare_subjects(before, before)
    assert diff.counts == {Change.SAME: len(before.lines)}
    assert diff.facts == ()
    assert diff.outcome is Outcome.PASSED


def test_a_passed_cell_that_is_no_longer_planned_is_a_regression(before: SubjectView) -> None:
    gone = having(before, Outcome.PASSED)
    after = replace(before, lines=tuple(line for line in before.lines if line is not gone))
    assert compare_subjects(before, after).outcome is Outcome.FAILED
    back = compare_subjects(after, before)
    assert (back.counts[Change.ONLY_AFTER], back.outcome) == (1, Outcome.PASSED)


def test_another_reason_for_a_failure_is_told(before: SubjectView) -> None:
    line = having(before, Outcome.FAILED)
    assert line.evidence is not None
    odd = CheckJudgement(step="load 1", name="odd", expected=1, observed=2)
    evidence = line.evidence.model_copy(update={"judgements": (odd,)})
    other = replace(line, evidence=evidence)
    after = replace(before, lines=tuple(other if one is line else one for one in before.lines))
    diff = compare_subjects(before, after)
    assert diff.counts[Change.REASON] == 1
    (row,) = changes_table(diff).itertuples(index=False)
    assert "odd" in row[-1]


def test_nothing_decided_on_both_sides_is_inconclusive(before: SubjectView) -> None:
    none = replace(before, lines=tuple(line for line in before.lines if line.outcome is Outcome.UNTESTED))
    assert compare_subjects(none, before).outcome is Outcome.CANT_TELL


def test_versions_claims_and_reasons_are_facts(before: SubjectView) -> None:
    own = before.subject.model_copy(update={"version": "9", "artifact_digest": "sha256:9"})
    line = before.lines[0]
    planned = line.planned.model_copy(update={"support": None, "guarantee": None, "scenario_version": 7})
    after = replace(
        before,
        plan=before.plan.model_copy(update={"subject": own}),
        lines=(replace(line, planned=planned), *before.lines[1:]),
    )
    names = set(facts_table(compare_subjects(before, after))["what differs"])
    claim = f"claim {line.key.route_id}/{line.key.strategy.value}"
    assert {"version", "artifact", claim, f"scenario {line.key.scenario}"} == names
    undecided = having(before, Outcome.UNTESTED)
    moved = changed(before, undecided, reason=ReasonCode.DRIVER_MISSING)
    assert compare_subjects(before, moved).counts[Change.OTHER] == 1


def test_two_releases_are_compared_from_their_cells(tmp_path: Path, certify: Certify) -> None:
    write_release(tmp_path, "dlt", release_id="r1")
    write_release(tmp_path, "dlt", release_id="r2")
    two = ("diff", "--release-id", "r1", "--release-id", "r2", "--evidence-dir", tmp_path)
    answer = certify(*two)
    assert answer.code == 0, answer.out + answer.err
    assert "no regression" in answer.out
    cells = tmp_path / "releases" / "r2" / "dlt" / "cells"
    passed = next(f for f in sorted(cells.glob("*.json")) if json.loads(f.read_text())["passed"])
    passed.unlink()
    answer = certify(*two, "--format", "json")
    assert answer.code == 1, answer.out + answer.err
    (made,) = json.loads(answer.out)
    assert made["counts"]["no verdict any more"] == 1


@pytest.mark.nightly
def test_two_engines_of_one_release(tmp_path: Path, certify: Certify) -> None:
    for engine in ("reference", "dlt"):
        write_release(tmp_path, engine, release_id="r1")
    answer = certify("diff", "--engine", "reference", "--engine", "dlt", "--evidence-dir", tmp_path)
    assert answer.code == 1
    assert "cells that passed do not any more" in answer.out
    answer = certify(
        "diff",
        "--engine",
        "reference",
        "--engine",
        "reference",
        "--evidence-dir",
        tmp_path,
        "--format",
        "json",
    )
    assert answer.code == 0


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--engine", "dlt"),
        ("--engine", "dlt", "--release-id", "r1"),
        ("--release-id", "r1", "--release-id", "nowhere"),
        ("--engine", "dlt==1.30.0", "--engine", "nobody"),
    ],
)
def test_wrong_usage_is_told(tmp_path: Path, certify: Certify, words: tuple[str, ...]) -> None:
    write_release(tmp_path, "dlt", release_id="r1")
    answer = certify("diff", *words, "--evidence-dir", tmp_path)
    assert answer.code == 2, answer.out + answer.err
    assert "→" in answer.err
