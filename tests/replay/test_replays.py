"""Replays by a real engine: as released it is green, and each planted defect is red for its own reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReplayKind
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.replay import Aspect, ReplayEvidence
from certification_pipeline.gates.families import verification_of
from tests.replay.conftest import Release, Run

pytestmark = pytest.mark.integration

NAME = "replay_evidence.json"
FEW = {"scenarios": ("incr.noop", "strategy.partition_replace"), "families": ("replay",)}


def evidence(release: Release) -> ReplayEvidence:
    return release.directory.read(NAME, ReplayEvidence)


def codes(made: ReplayEvidence) -> set[str]:
    return {blocker.code.partition(":")[0] for blocker in made.blockers}


@pytest.mark.nightly  # eight replays; a planted defect's are judged by day
def test_the_engine_as_released_is_green_and_verifies(run: Run) -> None:
    release = run(**FEW, routes=("postgres_to_parquet",))
    made = evidence(release)
    assert made.blockers == ()
    assert made.outcome is Outcome.PASSED
    assert {(item.route_id, item.kind) for item in made.items} == {
        (route, kind) for route in ("postgres_to_parquet",) for kind in ReplayKind
    }
    for item in made.items:
        assert item.status == "executed"
        assert item.state_committed
        assert {check.name for check in item.status_checks} == {j.aspect for j in item.judgements}
    checked = verification_of(release.directory, NAME, stamp("t"))
    assert (checked.outcome, checked.problems) == (Outcome.PASSED, ())


@pytest.mark.parametrize(
    ("defect", "aspect", "code"),
    [
        ("replay_widens_scope", Aspect.OUTSIDE, "replay.outside_touched"),
        pytest.param("replay_appends", Aspect.IDEMPOTENT, "replay.not_idempotent", marks=pytest.mark.nightly),
        pytest.param("replay_moves_state", Aspect.STATE, "replay.state_wrong", marks=pytest.mark.nightly),
        pytest.param(
            "replay_does_nothing", Aspect.INSIDE, "replay.inside_differs", marks=pytest.mark.nightly
        ),
    ],
)
def test_a_planted_defect_is_red_for_its_own_reason(
    run: Run, monkeypatch: pytest.MonkeyPatch, defect: str, aspect: Aspect, code: str
) -> None:
    monkeypatch.setenv("CERTIFY_PLANTED_DEFECT", defect)
    scenarios = ("incr.noop",)
    release = run(scenarios=scenarios, strategies=("incremental_merge", "xmin"), families=("replay",))
    assert release.red() == set(), "no cell of the matrix replays anything"
    made = evidence(release)
    assert made.outcome is Outcome.FAILED
    assert code in codes(made)
    red = [item for item in made.items if item.aspect(aspect) is Outcome.FAILED]
    assert red
    assert all(f"{code}:{item.run_id}" in {b.code for b in made.blockers} for item in red)
    if defect == "replay_moves_state":
        proof = [j.judgement for item in red for j in item.judgements if j.aspect is Aspect.STATE]
        assert any(j.kind == "rows" and j.outcome is Outcome.FAILED for j in proof), "seen in rows, too"
    assert all(item.mode == "execute" for item in made.items)


@pytest.mark.nightly
def test_a_load_that_was_not_broken_proves_nothing_about_resuming(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from certification_pipeline.families.replay import execute

    monkeypatch.setattr(execute, "BREAK_AT", "no such phase")
    release = run(scenarios=("incr.noop",), strategies=("cdc",), families=("replay",))
    made = evidence(release)
    assert "replay.no_witness" in codes(made)
    [resumed] = [item for item in made.items if item.kind is ReplayKind.RESUME]
    assert resumed.outcome is Outcome.CANT_TELL, "the fault did not fire: nothing is known"
    assert json.loads(Path(release.directory.path / NAME).read_text())["outcome"] != "passed"
