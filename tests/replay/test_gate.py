"""The verdict follows from the judgements; what a file claims beside them is found out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReplayKind
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.replay import Aspect
from certification_pipeline.gates.families import verification_of
from certification_pipeline.gates.verification import Verification, read_plan
from tests.evidence.builders import provenance, release
from tests.gates.releases import write_json
from tests.replay.builders import evidence, item, whole

NAME = "replay_evidence.json"
RESUME = item(ReplayKind.RESUME)


def codes(*blockers: Any) -> list[str]:
    return [blocker.code for blocker in blockers]


def test_all_that_is_declared_and_right_is_green() -> None:
    made = whole()
    assert (made.outcome, made.blockers) == (Outcome.PASSED, ())
    assert "window" in markdown(made)


@pytest.mark.parametrize(
    ("aspect", "code", "outcome"),
    [
        (Aspect.EXECUTED, "replay.failed", Outcome.FAILED),
        (Aspect.INSIDE, "replay.inside_differs", Outcome.FAILED),
        (Aspect.OUTSIDE, "replay.outside_touched", Outcome.FAILED),
        (Aspect.IDEMPOTENT, "replay.not_idempotent", Outcome.FAILED),
        (Aspect.STATE, "replay.state_wrong", Outcome.FAILED),
        (Aspect.BASIS, "replay.no_witness", Outcome.CANT_TELL),
        (Aspect.WITNESS, "replay.no_witness", Outcome.CANT_TELL),
    ],
)
def test_each_aspect_that_fails_blocks(aspect: Aspect, code: str, outcome: Outcome) -> None:
    made = evidence(item(red=aspect), RESUME)
    assert codes(*made.blockers) == [f"{code}:load-2"]
    assert made.outcome is outcome
    assert made.blockers[0].next_step == (
        "certify replay execute --engine reference --release-id 2024.11.19-r1 --run-id load-2 "
        "--action resync --from 2024-05-23 --to 2024-05-26"
    )


@pytest.mark.parametrize("aspect", Aspect)
def test_an_aspect_without_a_judgement_is_not_green(aspect: Aspect) -> None:
    made = evidence(item(without=aspect), RESUME)
    assert codes(*made.blockers) == ["replay.incomplete:load-2"]
    assert not made.passed


def test_a_plan_alone_is_never_green() -> None:
    made = evidence(item(mode="plan"), item(ReplayKind.RESUME, mode="plan"), mode="plan")
    assert "replay.not_executed" in codes(*made.blockers)
    assert made.outcome is Outcome.UNTESTED
    assert all(not one.executed and not one.state_committed for one in made.items)


def test_nothing_at_all_is_not_green() -> None:
    made = evidence()
    assert codes(*made.blockers)[0] == "replay.no_items"
    assert not made.passed


def test_a_declared_kind_that_nobody_replayed_blocks() -> None:
    made = evidence(item())
    assert codes(*made.blockers) == ["replay.missing:postgres_to_duckdb/resume"]
    assert made.outcome is Outcome.UNTESTED


# --- files -------------------------------------------------------------------------------------------


def verified(root: Path, forge: Callable[[dict[str, Any]], object], minutes: float = 60) -> Verification:
    directory, _ = release(root)
    made = directory.write(whole(), "")
    value = made.model_dump(mode="json")
    forge(value)
    write_json(directory.path / NAME, value, resealed=True)
    return verification_of(directory, NAME, provenance(minutes))


def test_an_honest_file_verifies(tmp_path: Path) -> None:
    found = verified(tmp_path, lambda value: None)
    assert (found.outcome, found.problems) == (Outcome.PASSED, ())


def _judged(value: dict[str, Any], aspect: str) -> dict[str, Any]:
    judgement: dict[str, Any] = next(
        one["judgement"] for one in value["items"][0]["judgements"] if one["aspect"] == aspect
    )
    return judgement


FORGERIES: dict[str, tuple[Callable[[dict[str, Any]], object], str]] = {
    "an unknown run": (
        lambda v: v["items"][0].update(run_id="no-such-run"),
        "no cell of this release records",
    ),
    "another strategy": (lambda v: v["items"][0].update(strategy="xmin"), "strategy is xmin"),
    "another sink": (lambda v: v["items"][0].update(sink="sqlite"), "sink is sqlite"),
    "more rows": (lambda v: v["items"][0].update(rows=10**6), "rows is 1000000"),
    "green in spite of lost rows": (
        lambda v: _judged(v, "inside").update(anomalies={"lost": 2}),
        "outcome: says 'passed', is 'failed'",
    ),
    "outside touched": (
        lambda v: _judged(v, "outside")["actual"].update(digest="other"),
        "outcome: says 'passed', is 'failed'",
    ),
    "committed without proof": (
        lambda v: v["items"][0].update(judgements=[]),
        "executed: says True, is False",
    ),
    "less declared": (
        lambda v: v["declared"][0]["support"].pop("window") and v.update(catalog_digest="sha256:" + "0" * 64),
        "another catalogue",
    ),
    "a route the plan does not run": (lambda v: v["declared"][0].update(sink="clickhouse"), "runs no"),
    "twice the same": (lambda v: v["items"].append(v["items"][0]), "listed twice"),
    "made before the plan": (lambda v: v.update(created_at="2020-01-01T00:00:00Z"), "before the plan"),
}


def test_a_replay_of_a_cell_that_was_run_again_since_is_out_of_date(tmp_path: Path) -> None:
    directory, _ = release(tmp_path / "cells")
    plan = read_plan(directory).plan
    ran = max(
        cell.finished_at for _, cell in directory.cells(plan) if isinstance(cell, CellEvidence)
    ) - timedelta(milliseconds=1)

    def older(value: dict[str, Any]) -> None:
        value["items"][0].update(run_id="the-run-before")
        value.update(created_at=ran.isoformat())

    found = verified(tmp_path / "forged", older)
    assert any("was run again after this replay" in problem for problem in found.problems), found.problems
    later = verified(tmp_path / "honest", lambda value: value["items"][0].update(run_id="never"))
    assert not any("was run again" in problem for problem in later.problems), later.problems


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_file_is_found_out(tmp_path: Path, name: str) -> None:
    forge, says = FORGERIES[name]
    found = verified(tmp_path, forge)
    assert any(says in problem for problem in found.problems), found.problems


@pytest.mark.parametrize(
    "forge",
    [
        lambda v: v["items"][0].update(strategy="no_such_strategy"),
        lambda v: v["items"][0].update(kind="no_such_window"),
        lambda v: v["items"][0].update(surprise=True),
        lambda v: v.update(blockers=[{"code": "x", "message": "x", "next_step": "x"}]),
    ],
)
def test_what_no_replay_can_be_is_unreadable(
    tmp_path: Path, forge: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(EvidenceError):
        verified(tmp_path, forge)


def test_a_run_that_failed_cannot_have_been_replayed(tmp_path: Path) -> None:
    directory, _ = release(tmp_path)
    path = next((directory.path / "cells").glob("*cursor_ties.json"))
    path.write_text(path.read_text().replace('"ended": "result"', '"ended": "error"'))
    directory.write(whole(), "")
    found = verification_of(directory, NAME, provenance(60))
    assert any("a failed run cannot be replayed" in problem for problem in found.problems)
