"""A run whose process is killed, or that somebody ends, in the midst of its cells."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from tests.orchestration.stacks.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.nightly]


def missing(stack: Stack, release: str) -> None:
    """The verdict that followed: red for what is missing, over the cells that were finished."""
    summary = stack.summary(release)
    assert summary.outcome is Outcome.FAILED
    assert summary.blockers
    assert stack.ledger().count(release) == 1


def test_a_killed_run_is_marked_failed_and_its_verdict_says_what_is_missing(stack: Stack) -> None:
    run = stack.launch("killed")
    stack.midway("killed", run)
    stack.kill_worker(run)
    assert stack.ended(run) == "FAILURE"
    kept = stack.cells("killed")
    stack.leaves_nothing()
    verdict = stack.verdict_run("killed", run)
    assert stack.status(verdict) == "FAILURE", "a release that misses cells is not publishable"
    assert stack.cells("killed") == kept
    missing(stack, "killed")


def test_a_terminated_run_stops_its_services_keeps_its_cells_and_gets_a_verdict(stack: Stack) -> None:
    run = stack.launch("stopped")
    stack.midway("stopped", run)
    stack.terminate(run)
    assert stack.ended(run) == "CANCELED"
    kept = stack.cells("stopped")
    stack.leaves_nothing()
    stack.verdict_run("stopped", run)
    assert stack.cells("stopped") == kept
    missing(stack, "stopped")


def test_force_termination_stops_it_as_well(stack: Stack) -> None:
    run = stack.launch("forced")
    stack.midway("forced", run)
    stack.terminate(run, "MARK_AS_CANCELED_IMMEDIATELY")
    assert stack.ended(run) == "CANCELED"
    stack.leaves_nothing()
    stack.verdict_run("forced", run)
    missing(stack, "forced")
