"""The daemon, the webserver or the code server is killed while a run is in the midst of its cells."""

from __future__ import annotations

import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.plan import CertificationPlan, Trigger
from tests.orchestration.stacks.stack import LOCATION, Stack, eventually, verified

pytestmark = [pytest.mark.integration, pytest.mark.nightly]

SELECTOR = {
    "repositoryName": "__repository__",
    "repositoryLocationName": LOCATION,
    "scheduleName": "every_minute",
}
TICKS = (
    "query ($s: ScheduleSelector!) { scheduleOrError(scheduleSelector: $s) "
    "{ ... on Schedule { scheduleState { id ticks(limit: 20) { timestamp status } } } } }"
)


def ticks(stack: Stack) -> list[float]:
    state = stack.ask(TICKS, s=SELECTOR)["scheduleOrError"]["scheduleState"]
    return sorted(tick["timestamp"] for tick in state["ticks"] if tick["status"] in ("SUCCESS", "SKIPPED"))


def green(stack: Stack, release: str) -> None:
    assert stack.summary(release).outcome is Outcome.PASSED
    assert stack.ledger().count(release) == 1
    stack.leaves_nothing()


def test_a_daemon_that_is_killed_begins_nothing_twice(stack: Stack, tmp_path: Path) -> None:
    # Not the next minute, which may be over before the schedule is on.
    chosen = datetime.now(UTC) + timedelta(minutes=2)
    stack.tick_at(chosen.strftime("%H:%M"))
    stack.ask(
        "mutation ($s: ScheduleSelector!) { startSchedule(scheduleSelector: $s) { __typename } }", s=SELECTOR
    )
    try:
        run = next(iter(eventually("a tick", lambda: stack.of_release("tick"))))
        stack.midway("tick", run)
        stack.kill("daemon")
        before = ticks(stack)
        stack.start("daemon")
        assert stack.ended(run) == "SUCCESS"
        eventually("the schedule goes on", lambda: len(ticks(stack)) > len(before))
        assert list(stack.of_release("tick")) == [run]
    finally:
        state = stack.ask(TICKS, s=SELECTOR)["scheduleOrError"]["scheduleState"]
        stack.ask("mutation ($i: String) { stopRunningSchedule(id: $i) { __typename } }", i=state["id"])
    directory = stack.store.release("tick", "reference")
    assert directory.read(directory.plan_path, CertificationPlan).trigger is Trigger.SCHEDULE
    green(stack, "tick")
    honest = verified(stack.store.root, "tick")
    assert honest.returncode == 0, honest.stdout + honest.stderr
    taken = shutil.copytree(stack.store.root, tmp_path / "evidence")
    [cell, *_] = sorted((taken / "releases/tick/reference/cells").glob("*.json"))
    cell.write_text(cell.read_text().replace('"passed"', '"failed"', 1))
    touched = verified(taken, "tick")
    assert touched.returncode == 1
    assert cell.name in touched.stdout + touched.stderr


def test_a_webserver_that_is_killed_takes_nothing_with_it(stack: Stack) -> None:
    run = stack.launch("no-web")
    stack.midway("no-web", run)
    stack.kill("webserver")
    stack.start("webserver")
    assert stack.ended(run) == "SUCCESS"
    green(stack, "no-web")


def test_a_run_outlives_its_code_server_and_can_still_be_stopped(stack: Stack) -> None:
    """Its process is nobody's child any more: who ends it must find it."""
    run = stack.launch("no-code")
    stack.midway("no-code", run)
    stack.kill("code")
    stack.terminate(run)
    assert stack.ended(run) == "CANCELED"
    stack.leaves_nothing()
    stack.start("code")
    stack.verdict_run("no-code", run)
    assert stack.ledger().count("no-code") == 1


def test_a_run_that_died_with_its_code_server_is_found_by_run_monitoring(stack: Stack) -> None:
    run = stack.launch("both")
    stack.midway("both", run)
    stack.kill("code")
    gone = stack.kill_worker(run)
    assert stack.ended(run) == "FAILURE"
    assert re.search(gone, stack.messages(run))
    stack.leaves_nothing()
    stack.start("code")
    stack.verdict_run("both", run)
    assert stack.summary("both").outcome is Outcome.FAILED
    assert stack.ledger().count("both") == 1


def test_a_code_location_reloaded_under_a_run_does_not_touch_it(stack: Stack) -> None:
    run = stack.launch("reloaded")
    stack.midway("reloaded", run)
    stack.reload()
    eventually("it is loaded again", stack.loaded)
    assert stack.ended(run) == "SUCCESS"
    green(stack, "reloaded")
