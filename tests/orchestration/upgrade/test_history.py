"""Dagster's history survives an upgrade of Dagster and every reload of the code location."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import partial

import pytest

from tests.orchestration.stacks.size import SIZE
from tests.orchestration.stacks.stack import eventually
from tests.orchestration.upgrade.conftest import Upgraded
from tests.orchestration.upgrade.shown import History, ended_ticks, lost, seen

NARROW = {
    **SIZE,
    "routes": ["postgres_to_duckdb"],
    "strategies": ["full_refresh"],
    "scenarios": ["strategy.full_refresh"],
    "families": ["openlineage"],
}
THERE = History(
    runs={"r1": ["full_certification", "SUCCESS"]},
    materializations={"plan": ["r1"]},
    checks={"plan kept": [["r1", "SUCCEEDED"]]},
    schedules={"daily": True},
    sensors={"red_gate": [True, "7"]},
)


@pytest.mark.parametrize(
    ("now", "names"),
    [
        (replace(THERE, runs={}), "run r1"),
        (replace(THERE, runs={"r1": ["full_certification", "FAILURE"]}), "run r1"),
        (replace(THERE, materializations={"plan": []}), "materializations of plan"),
        (replace(THERE, checks={"plan kept": [["r1", "FAILED"]]}), "checks of plan kept"),
        (replace(THERE, schedules={"daily": False}), "schedule daily"),
        (replace(THERE, sensors={"red_gate": [False, "7"]}), "sensor red_gate"),
        (replace(THERE, sensors={"red_gate": [True, None]}), "sensor red_gate"),
    ],
)
def test_each_kind_of_loss_is_seen(now: History, names: str) -> None:
    assert [problem.split(":")[0] for problem in lost(THERE, now)] == [names]


def test_what_came_after_is_no_loss() -> None:
    more = replace(
        THERE,
        runs={**THERE.runs, "r2": ["verdict", "STARTED"]},
        materializations={"plan": ["r2", "r1"]},
        checks={"plan kept": [["r2", "FAILED"], ["r1", "SUCCEEDED"]]},
    )
    assert not list(lost(THERE, more))


@pytest.mark.integration
@pytest.mark.nightly
def test_nothing_is_lost_by_an_upgrade_of_dagster_and_a_new_run_works_beside_it(upgraded: Upgraded) -> None:
    stack, before = upgraded.stack, upgraded.before
    # What it was like: two runs, one red, each switch against its default, two sensors that got somewhere.
    assert sorted(status for _, status in before.runs.values()) == ["FAILURE", "SUCCESS"]
    assert before.schedules == {"daily_connector_certification": True, "daily_pruning": False}
    assert {name: on for name, (on, _) in before.sensors.items()} == {
        "red_gate": True,
        "missed_tick": False,
        "decide_after_a_crash": True,
    }
    schemas = re.findall(r"current: (\w+)\s+latest: (\w+)", upgraded.migrated.partition("after migration")[2])
    assert len(schemas) == 3, upgraded.migrated  # runs, events, schedules
    assert all(current == latest for current, latest in schemas), upgraded.migrated
    assert not list(lost(before, seen(stack, before)))

    stack.reload()
    eventually("it is loaded again", stack.loaded)
    assert not list(lost(before, seen(stack, before))), "a reload forgets nothing"

    stack.start("daemon")
    run = stack.launch("after", config=NARROW)
    # Narrowed, so nothing is published; whatever its verdict, it was decided.
    assert stack.ended(run) in ("SUCCESS", "FAILURE"), stack.messages(run)
    assert stack.ledger() == ["after"]
    assert stack.cells("after")
    for sensor in ("red_gate", "decide_after_a_crash"):
        ended = eventually(f"{sensor} goes on", partial(ended_ticks, stack, sensor))
        assert "FAILURE" not in ended, "its cursor is of an older version, and no reason to fail"
    after = seen(stack, before)
    assert not list(lost(before, after, cursors=False))
    # The red run of before was decided then: nothing is begun for it again.
    assert set(after.runs) == {*before.runs, run}
    assert all(runs[0] == run for runs in after.materializations.values())
