"""The main job from end to end: what is on disk afterwards, and what a rerun does."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.exclusive import LOCK, writing
from certification_pipeline.evidence.seal.keys import SigningKeyError
from certification_pipeline.families.plan import PlanError
from certification_pipeline.gates.seal_check import check_decisions, check_seal
from certification_pipeline.harness.events import (
    CellFinished,
    EngineReady,
    RunEvent,
    RunPlanned,
    ServiceStarted,
)
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from tests.pipeline.conftest import Release, Run
from tests.seal import canary

pytestmark = pytest.mark.integration

EMPTY = "postgres_to_postgres__full_refresh__batch.empty"


def test_one_run_leaves_a_green_release_on_disk(green: Release) -> None:
    assert green.decided.outcome is Outcome.PASSED
    assert green.red() == set()
    assert len(green.cells()) == 6
    there = {path.name for path in green.directory.path.iterdir()}
    for name in (
        *("certification_automation_plan", "certification_report", "certification_suite"),
        "release_summary",
    ):
        assert {f"{name}.json", f"{name}.md"} <= there
    assert {"certification_suite_index.json", "artifact_index.json", "cells"} <= there
    for file in green.directory.path.rglob("*.json"):
        if file.name != "catalog.json":  # what the plan was made from, of no release
            assert json.loads(file.read_text())["release_id"] == "r1"
    for cell in green.cells().values():
        assert cell.plan_digest == green.plan.plan_digest
        assert cell.subject == green.plan.subject
        assert cell.subject.artifact_digest.startswith("sha256:")
        assert {use.role for use in cell.services} == {"source", "sink"}
        assert cell.judgements
        assert cell.loads
    kinds = [type(event) for event in green.events]
    assert kinds.index(EngineReady) < kinds.index(RunPlanned) < kinds.index(ServiceStarted)
    assert kinds.count(CellFinished) == 6


def test_evidence_and_decisions_are_signed_and_the_key_is_in_none_of_it(green: Release) -> None:
    keys = (canary.SIGNER.public_key,)
    assert green.decided.summary.signed_by == canary.SIGNER.key_id
    assert check_seal(green.directory, keys) == ()
    assert check_decisions(green.directory, keys) == ()
    canary.holds_nothing(green.directory.path.parents[2])


def test_a_key_that_cannot_be_used_is_told_before_anything_runs(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CERTIFY_SIGNING_KEY", "no key")
    with pytest.raises(SigningKeyError, match="CERTIFY_SIGNING_KEY: is no private key"):
        run()
    assert not (tmp_path / "evidence").exists()


@pytest.mark.nightly
def test_filters_on_a_release_that_is_there_rerun_only_those_cells(green: Release, again: Run) -> None:
    before = {name: cell.run_id for name, cell in green.cells().items()}
    rerun = again(scenarios=("batch.empty",))
    assert rerun.ran() == [EMPTY]
    assert rerun.directory.plan_path.read_bytes() == green.directory.plan_path.read_bytes()
    changed = {name for name, cell in rerun.cells().items() if cell.run_id != before[name]}
    assert changed == {"postgres/full_refresh/batch.empty"}
    assert rerun.decided.outcome is Outcome.PASSED, "the cells that did not run again still count"
    with pytest.raises(PlanError, match="holds no such cell"):
        again(scenarios=("types.matrix",))


def test_resume_runs_only_what_has_no_verdict(green: Release, again: Run, tmp_path: Path) -> None:
    cells = tmp_path / "evidence" / "releases" / "r1" / "reference" / "cells"
    (cells / f"{EMPTY}.json").unlink()
    (cells / "postgres_to_sqlite__full_refresh__batch.full_refresh.json").write_text("{")
    rest = again(resume=True, routes=())
    assert sorted(rest.ran()) == [EMPTY, "postgres_to_sqlite__full_refresh__batch.full_refresh"]
    assert rest.decided.outcome is Outcome.PASSED
    nothing = again(resume=True, routes=())
    assert nothing.ran() == []
    assert not any(isinstance(event, ServiceStarted) for event in nothing.events), "nothing is started"


def broken_by(monkeypatch: pytest.MonkeyPatch, scenario: str) -> None:
    """Make that scenario see a failure that the engine did not have."""

    def failing(bench: object) -> None:
        SCENARIOS[scenario](bench)  # type: ignore[arg-type]
        bench.check("at the end", "planted", True, False)  # type: ignore[attr-defined]

    changed = {**SCENARIOS, scenario: failing}
    monkeypatch.setattr("certification_pipeline.harness.worker.SCENARIOS", changed)


def test_passed_after_failed_is_flaky_and_not_green(again: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as planted:
        broken_by(planted, "batch.empty")
        failed = again(scenarios=("batch.empty",))
        assert failed.red() == {"postgres/full_refresh/batch.empty"}
        assert failed.decided.outcome is Outcome.FAILED
    assert again(resume=True, routes=()).ran() == [], "a failure is a verdict: resume does not try again"
    lucky = again(scenarios=("batch.empty",))
    cell = lucky.cells()["postgres/full_refresh/batch.empty"]
    assert cell.flaky
    assert cell.outcome is Outcome.CANT_TELL
    assert [attempt.outcome for attempt in cell.attempts] == [Outcome.PASSED, Outcome.FAILED]
    assert lucky.decided.outcome is Outcome.CANT_TELL


def test_another_build_of_the_engine_is_another_release(again: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CERTIFY_PLANTED_DEFECT", "count_extracted_as_loaded")
    with pytest.raises(EvidenceError) as refused:
        again(scenarios=("batch.empty",))
    assert "was sealed for reference" in str(refused.value)
    assert "another digest" in str(refused.value)
    assert "Begin a new release" in refused.value.remedy


@pytest.mark.nightly
def test_an_engine_that_is_not_in_the_release_is_left_alone(again: Run) -> None:
    """Without ``--engine``, a rerun is about the engines that the release has plans for."""
    assert again(scenarios=("batch.empty",), engines=()).ran() == [EMPTY]
    with pytest.raises(PlanError, match=r"r1 has no plan for dlt") as refused:
        again(scenarios=("batch.empty",), engines=("dlt", "reference"))
    assert "sealed for reference" in refused.value.remedy


def test_a_filter_that_fits_nothing_is_a_mistake(run: Run, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="matches no planned scenario"):
        run(scenarios=("batch.fullrefresh",))
    assert not list(tmp_path.rglob("*.json"))


@pytest.mark.nightly
def test_cancel_keeps_what_is_finished_and_the_decision_says_what_is_missing(run: Run) -> None:
    cancel = threading.Event()

    def stop_after_the_first(event: RunEvent) -> None:
        if isinstance(event, CellFinished):
            cancel.set()

    scenarios = ("batch.full_refresh", "batch.empty", "incr.noop")
    release = run(scenarios=scenarios, cancel=cancel, on_event=stop_after_the_first)
    assert len(release.ran()) == 1
    assert len(list((release.directory.path / "cells").iterdir())) == 1
    assert release.decided.outcome is not Outcome.PASSED
    assert release.decided.summary.blockers


def test_our_own_defect_is_inconclusive_and_leaves_its_log(
    again: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(bench: object) -> None:
        raise ZeroDivisionError("ours")

    changed = {**SCENARIOS, "batch.empty": broken}
    monkeypatch.setattr("certification_pipeline.harness.worker.SCENARIOS", changed)
    release = again(scenarios=("batch.empty",))
    cell = release.cells()["postgres/full_refresh/batch.empty"]
    assert cell.reason is ReasonCode.HARNESS_ERROR
    assert release.decided.outcome is Outcome.CANT_TELL
    log = (tmp_path / "evidence" / "releases" / "r1" / "harness.log").read_text()
    assert "ZeroDivisionError: ours" in log


def test_a_release_has_one_writer_at_a_time(run: Run, tmp_path: Path) -> None:
    release = tmp_path / "evidence" / "releases" / "r1"
    with writing(release), pytest.raises(PlanError, match=r"another run is writing release r1 \(pid \d+\)"):
        run(scenarios=("batch.empty",))
    assert {path.name for path in release.iterdir()} == {LOCK}, "the refused run wrote nothing"
    with writing(release):
        pass  # the lock went with its holder
