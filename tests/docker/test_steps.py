"""A container a step, as ``docker/steps.yaml`` has it: what it is made of, and who ends with whom."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from docker.errors import NotFound

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.plan import CertificationPlan
from tests.orchestration.stacks.compose import ROLE, STEP, ComposeStack
from tests.orchestration.stacks.stack import eventually, verified

pytestmark = [pytest.mark.integration_live, pytest.mark.docker]

MATRIX = "matrix_reference"
MEMORY = 1 << 30
KILLED = 137
STARTED = (
    "query ($r: ID!) { logsForRun(runId: $r) { ... on EventConnection { events { __typename "
    "... on ExecutionStepStartEvent { stepKey } } } } }"
)


@pytest.fixture(scope="module")
def stack(compose_stack: ComposeStack) -> Iterator[ComposeStack]:
    with compose_stack.besides("steps.yaml"):
        yield compose_stack


@contextmanager
def seen(stack: ComposeStack) -> Iterator[list[Mapping[str, Any]]]:
    """Every container of a run or a step that begins meanwhile, as the engine describes it."""
    found: list[Mapping[str, Any]] = []
    events = stack.client.events(decode=True, filters={"event": "start", "label": ROLE})

    def watch() -> None:
        for event in events:
            with suppress(NotFound):
                found.append(stack.client.api.inspect_container(event["id"]))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        yield found
    finally:
        events.close()
        watching.join(60)


def steps_of(stack: ComposeStack, run: str) -> set[str]:
    """As Dagster counts them."""
    events = stack.ask(STARTED, r=run)["logsForRun"]["events"]
    return {event["stepKey"] for event in events if event["__typename"] == "ExecutionStepStartEvent"}


def runs_the_matrix(stack: ComposeStack, release: str) -> tuple[str, Any]:
    """A run, and the container of its step in the midst of its cells."""
    run = stack.launch(release)
    stack.midway(release, run)
    return run, stack.steps(run)[MATRIX]


def exit_code(stack: ComposeStack, container: Any) -> int:
    """As the engine remembers it of a container that is gone."""
    about = {"container": container.name, "event": "die"}
    (died,) = stack.client.events(since=1, until=int(time.time()) + 1, filters=about, decode=True)
    return int(died["Actor"]["Attributes"]["exitCode"])


def decided_as_missing(stack: ComposeStack, release: str, run: str) -> None:
    """What was finished is kept, what was not is named in a verdict, and nothing runs on."""
    kept = stack.cells(release)
    directory = stack.store.release(release, "reference")
    planned = directory.read(directory.plan_path, CertificationPlan).cells
    assert 0 < len(kept) < sum(cell.disposition == "run" for cell in planned), "it was in the midst of them"
    stack.leaves_nothing()
    stack.verdict_run(release, run)
    assert stack.cells(release) == kept
    summary = stack.summary(release)
    assert summary.outcome is Outcome.FAILED
    assert summary.blockers
    assert stack.ledger().count(release) == 1
    stack.leaves_nothing()


def test_each_step_has_a_container_of_its_own_and_the_evidence_verifies_outside(stack: ComposeStack) -> None:
    with seen(stack) as containers:
        run = stack.launch("steps", execution={"container_kwargs": {"mem_limit": "1g"}})
        assert stack.ended(run) == "SUCCESS", stack.messages(run)
        stack.leaves_nothing()
    mine = [each for each in containers if each["Config"]["Labels"]["dagster/run_id"] == run]
    (of_the_run,) = (each for each in mine if STEP not in each["Config"]["Labels"])
    of_steps = [each for each in mine if each is not of_the_run]
    assert sorted(each["Config"]["Labels"][STEP] for each in of_steps) == sorted(steps_of(stack, run))
    assert {MATRIX, "plan"} <= steps_of(stack, run)
    assert "docker.sock" in str(of_the_run["Mounts"])
    for step in of_steps:
        assert step["HostConfig"]["Memory"] == MEMORY
        assert step["HostConfig"]["PidMode"] == f"container:{of_the_run['Id']}"
        assert "docker.sock" not in str(step["Mounts"])
        assert not step["HostConfig"]["GroupAdd"]
        assert step["Config"]["Image"] == of_the_run["Config"]["Image"]
        assert step["HostConfig"]["Binds"] == of_the_run["HostConfig"]["Binds"]
    assert stack.summary("steps").outcome is Outcome.PASSED
    honest = verified(stack.store.root, "steps")
    assert honest.returncode == 0, honest.stdout + honest.stderr


def test_a_step_that_is_killed_fails_alone_and_is_named_and_nothing_else_is_lost(stack: ComposeStack) -> None:
    run, container = runs_the_matrix(stack, "step-killed")
    of_the_run = stack.worker(run)
    container.kill()
    assert stack.ended(run) == "FAILURE"
    said = stack.messages(run)
    assert re.search(rf"{MATRIX} failed health check: .*{container.name}.* It ended with code 137\.", said)
    eventually("the run's container ends by itself", lambda: stack.worker(run) is None)
    with pytest.raises(NotFound):
        of_the_run.reload()
    decided_as_missing(stack, "step-killed", run)


def test_a_step_that_needs_more_memory_than_it_may_have_says_so(stack: ComposeStack) -> None:
    little = {"mem_limit": "64m", "memswap_limit": "64m"}
    run = stack.launch("too-little", assets=["plan"], execution={"container_kwargs": little})
    assert stack.ended(run) == "FAILURE"
    assert re.search(
        r"plan failed health check: .* It ended with code \d+, out of memory\.", stack.messages(run)
    )
    stack.leaves_nothing()


def test_a_run_that_is_killed_takes_its_step_with_it(stack: ComposeStack) -> None:
    run, container = runs_the_matrix(stack, "run-of-steps-killed")
    stack.kill_worker(run)
    eventually("its step is gone", lambda: not stack.steps(run))
    assert exit_code(stack, container) == KILLED, "nobody but the kernel could: else it goes on to its end"
    assert stack.ended(run) == "FAILURE"
    decided_as_missing(stack, "run-of-steps-killed", run)


def test_a_run_that_is_terminated_stops_its_step(stack: ComposeStack) -> None:
    run, _ = runs_the_matrix(stack, "steps-stopped")
    stack.terminate(run)
    assert stack.ended(run) == "CANCELED"
    decided_as_missing(stack, "steps-stopped", run)


def test_a_second_plan_for_its_release_is_refused_and_the_first_run_is_green(stack: ComposeStack) -> None:
    run, _ = runs_the_matrix(stack, "same-by-steps")
    second = stack.launch("same-by-steps")
    assert stack.ended(second) == "FAILURE"
    assert "another run is writing release same-by-steps" in stack.messages(second)
    assert stack.ended(run) == "SUCCESS", stack.messages(run)
    assert {cell.run_id for cell in stack.cells("same-by-steps").values()} == {run}
