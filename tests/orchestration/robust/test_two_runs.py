"""Two runs at once: on two releases, and on one."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from tests.orchestration.stacks.stack import Stack

pytestmark = [pytest.mark.integration, pytest.mark.nightly]


def test_two_releases_at_once_do_not_touch_each_other(stack: Stack) -> None:
    runs = {release: stack.launch(release) for release in ("left", "right")}
    for run in runs.values():
        assert stack.ended(run) == "SUCCESS", stack.messages(run)
    for release, run in runs.items():
        cells = stack.cells(release).values()
        assert {cell.run_id for cell in cells} == {run}
        assert {cell.outcome for cell in cells} == {Outcome.PASSED}
    ledger = stack.ledger()
    assert sorted(release for release in ledger if release in runs) == ["left", "right"]
    stack.leaves_nothing()


def test_a_second_plan_for_one_release_is_refused_and_the_first_run_is_green(stack: Stack) -> None:
    first = stack.launch("same")
    stack.midway("same", first)
    second = stack.launch("same")
    assert stack.ended(second) == "FAILURE"
    assert "another run is writing release same" in stack.messages(second)
    assert stack.ended(first) == "SUCCESS", stack.messages(first)
    assert {cell.run_id for cell in stack.cells("same").values()} == {first}
    assert stack.ledger().count("same") == 1


def test_two_clicks_on_execute_have_their_turns(stack: Stack) -> None:
    first = stack.launch("clicked")
    assert stack.ended(first) == "SUCCESS", stack.messages(first)
    reruns = [
        stack.launch("clicked", checks={sink: "snapshot_diff"}, config=None) for sink in ("duckdb", "sqlite")
    ]
    for run in reruns:
        assert stack.ended(run) == "SUCCESS", stack.messages(run)
    for run, sink in zip(reruns, ("duckdb", "sqlite"), strict=True):
        cells = stack.cells("clicked")
        again = {name for name, cell in cells.items() if cell.run_id == run}
        assert again == {name for name in cells if f"_{sink}__snapshot_diff__" in name}
    decided = stack.launch("clicked", "verdict", config=None)
    assert stack.ended(decided) == "SUCCESS", stack.messages(decided)
    stack.ledger()
    stack.leaves_nothing()
