"""What Dagster's pages show of an installation's history, asked over HTTP, and what of it is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tests.orchestration.stacks.stack import LOCATION, Stack

REPOSITORY = {"repositoryName": "__repository__", "repositoryLocationName": LOCATION}
RUNS = "{ runsOrError { ... on Runs { results { runId jobName status } } } }"
MADE = (
    "query ($k: AssetKeyInput!) { assetNodeOrError(assetKey: $k) "
    "{ ... on AssetNode { assetMaterializations(limit: 100) { runId } } } }"
)
CHECKED = (
    "query ($k: AssetKeyInput!, $n: String!) "
    "{ assetCheckExecutions(assetKey: $k, checkName: $n, limit: 100) { runId status } }"
)
SCHEDULE = (
    "query ($s: ScheduleSelector!) { scheduleOrError(scheduleSelector: $s) "
    "{ ... on Schedule { scheduleState { status } } } }"
)
SENSOR = (
    "query ($s: SensorSelector!) { sensorOrError(sensorSelector: $s) { ... on Sensor { sensorState { status "
    "typeSpecificData { ... on SensorData { lastCursor } } ticks(limit: 50) { status } } } } }"
)


@dataclass(frozen=True)
class History:
    """``older.py`` prints the same of before."""

    runs: dict[str, list[str]]
    """Run id -> job, status."""
    materializations: dict[str, list[str]]
    """Asset -> runs, newest first."""
    checks: dict[str, list[list[str]]]
    """``asset check`` -> run and result, newest first."""
    schedules: dict[str, bool]
    """Whether it is on."""
    sensors: dict[str, list[bool | str | None]]
    """Whether it is on, and its cursor."""


def seen(stack: Stack, of: History) -> History:
    """What people see now of the things there were."""
    runs = stack.ask(RUNS)["runsOrError"]["results"]
    return History(
        runs={run["runId"]: [run["jobName"], run["status"]] for run in runs},
        materializations={key: _made(stack, key) for key in of.materializations},
        checks={check: _checked(stack, *check.split(" ")) for check in of.checks},
        schedules={name: _schedule(stack, name) for name in of.schedules},
        sensors={name: _sensor(stack, name) for name in of.sensors},
    )


def lost(before: History, after: History, *, cursors: bool = True) -> Iterator[str]:
    """Each thing that there was and is not any more; what came after it is nobody's loss.

    ``cursors``: no daemon has worked since, which moves them.
    """
    for run, what in before.runs.items():
        if after.runs.get(run) != what:
            yield f"run {run}: was {what}, is {after.runs.get(run)}"
    for title, then, now in (
        ("materializations", before.materializations, after.materializations),
        ("checks", before.checks, after.checks),
    ):
        for name, events in then.items():
            if not events or now[name][-len(events) :] != events:
                yield f"{title} of {name}: were {events}, are {now[name]}"
    for name, on in before.schedules.items():
        if after.schedules[name] is not on:
            yield f"schedule {name}: was {'on' if on else 'off'}"
    for name, was in before.sensors.items():
        found = after.sensors[name]
        if found[0] is not was[0] or (cursors and found != was):
            yield f"sensor {name}: was {was}; is {found}"


def ended_ticks(stack: Stack, name: str) -> list[str]:
    """How its ticks since the first ended, newest first."""
    state = stack.ask(SENSOR, s={**REPOSITORY, "sensorName": name})["sensorOrError"]["sensorState"]
    return [tick["status"] for tick in state["ticks"]][:-1]


def _made(stack: Stack, key: str) -> list[str]:
    found = stack.ask(MADE, k={"path": key.split("/")})["assetNodeOrError"]["assetMaterializations"]
    return [event["runId"] for event in found]


def _checked(stack: Stack, key: str, name: str) -> list[list[str]]:
    found = stack.ask(CHECKED, k={"path": key.split("/")}, n=name)["assetCheckExecutions"]
    return [[event["runId"], event["status"]] for event in found]


def _schedule(stack: Stack, name: str) -> bool:
    found = stack.ask(SCHEDULE, s={**REPOSITORY, "scheduleName": name})["scheduleOrError"]
    return bool(found["scheduleState"]["status"] == "RUNNING")


def _sensor(stack: Stack, name: str) -> list[bool | str | None]:
    state = stack.ask(SENSOR, s={**REPOSITORY, "sensorName": name})["sensorOrError"]["sensorState"]
    return [state["status"] == "RUNNING", (state["typeSpecificData"] or {}).get("lastCursor")]
