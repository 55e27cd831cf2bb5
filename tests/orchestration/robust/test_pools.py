"""Slots of a pool that a run held when it was killed: given back by the daemon, whoever waits goes on.

Who lowers the pool to one slot, as the documentation says for a service that runs share, would else wait for
ever for a run that is no more.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from certification_pipeline.orchestration.names import MATRIX_POOL
from tests.orchestration.stacks.stack import Stack, eventually

pytestmark = [pytest.mark.integration, pytest.mark.nightly]


@pytest.fixture
def one_slot(stack: Stack) -> Iterator[None]:
    """As an operator sets it under *Deployment > Concurrency*; afterwards the default again."""
    stack.ask(
        "mutation ($k: String!) { setConcurrencyLimit(concurrencyKey: $k, limit: 1) }",
        k=MATRIX_POOL,
    )
    yield
    stack.ask("mutation ($k: String!) { deleteConcurrencyLimit(concurrencyKey: $k) }", k=MATRIX_POOL)


def of_the_pool(stack: Stack, what: str) -> set[str]:
    """Runs whose steps have ``claimedSlots``, or are ``pendingSteps``."""
    asked = f"{what} {{ runId }}"
    found = stack.ask(
        f"query ($k: String!) {{ instance {{ concurrencyLimit(concurrencyKey: $k) {{ {asked} }} }} }}",
        k=MATRIX_POOL,
    )
    return {each["runId"] for each in found["instance"]["concurrencyLimit"][what]}


def holders(stack: Stack) -> set[str]:
    return of_the_pool(stack, "claimedSlots")


def given_back(stack: Stack, run: str) -> None:
    eventually(f"run {run} holds no slot", lambda: run not in holders(stack))


def test_a_slot_that_a_killed_run_held_is_given_back_and_who_waits_goes_on(
    stack: Stack, one_slot: None
) -> None:
    holding = stack.launch("holding")
    stack.midway("holding", holding)
    stack.kill("daemon")
    try:
        stack.kill_worker(holding)
        waiting = stack.launch("waiting")
        assert holders(stack) == {holding}, (
            "without the daemon nobody gives it back: else this proves nothing"
        )
    finally:
        stack.start("daemon")
    assert stack.ended(holding) == "FAILURE"
    given_back(stack, holding)
    assert stack.ended(waiting) == "SUCCESS", stack.messages(waiting)
    stack.verdict_run("holding", holding)
    assert holders(stack) == set()


@pytest.mark.parametrize("policy", ["SAFE_TERMINATE", "MARK_AS_CANCELED_IMMEDIATELY"])
def test_a_run_that_somebody_ends_gives_its_slot_back(stack: Stack, one_slot: None, policy: str) -> None:
    release = policy.lower()
    run = stack.launch(release)
    stack.midway(release, run)
    assert holders(stack) == {run}
    stack.terminate(run, policy)
    assert stack.ended(run) == "CANCELED"
    given_back(stack, run)
    stack.leaves_nothing()
    stack.verdict_run(release, run)
