"""Run by an older Dagster, and importing nothing of ours: writes the history of an installation.

``python older.py HOME``: two runs, one green and one red, what people switched on and off, ticks of its own
daemon. Prints as JSON what it then remembers (``shown.py`` asks the same of the new one).
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._cli import create_dagster_cli

LOCATION = "certification"
ROUTE = dg.AssetKey(["matrix", "reference", "postgres", "duckdb"])
SUMMARY = dg.AssetKey(["verdict", "reference", "release_summary"])
CHECKS = {ROUTE: "full_refresh", SUMMARY: "publishable"}
CURSOR = json.dumps({"told": "1 notice, all told before.", "at": "2026-01-05 04:00", "mark": ""})
"""As the sensor wrote it before it had another field."""
SWITCHED = (
    ("schedule", "start", "daily_connector_certification"),
    ("schedule", "stop", "daily_pruning"),
    ("sensor", "start", "red_gate"),
    ("sensor", "stop", "missed_tick"),
)
"""Each against what is so by default."""
TICKING = ("red_gate", "decide_after_a_crash")
WAIT = 180.0


@dg.asset(name="plan")
def plan() -> None:
    """Begins a release."""


@dg.asset(key=ROUTE, deps=[plan], check_specs=[dg.AssetCheckSpec(CHECKS[ROUTE], asset=ROUTE)])
def route(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """Every cell on it."""
    green = context.run.tags["certification/release"] == "green"
    return dg.MaterializeResult(metadata={"cells": 2}, check_results=[dg.AssetCheckResult(passed=green)])


@dg.asset(
    key=SUMMARY,
    deps=[route],
    check_specs=[dg.AssetCheckSpec(CHECKS[SUMMARY], asset=SUMMARY, blocking=True)],
)
def summary(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    """May it go out?"""
    green = context.run.tags["certification/release"] == "green"
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=green)])


@dg.sensor(name="red_gate", default_status=dg.DefaultSensorStatus.STOPPED)
def red_gate(context: dg.SensorEvaluationContext) -> dg.SkipReason:
    """Tells people."""
    context.update_cursor(CURSOR)
    return dg.SkipReason("all told before")


@dg.sensor(name="missed_tick", default_status=dg.DefaultSensorStatus.RUNNING)
def missed_tick() -> dg.SkipReason:
    """Tells people of gaps."""
    return dg.SkipReason("none")


@dg.run_failure_sensor(name="decide_after_a_crash", default_status=dg.DefaultSensorStatus.RUNNING)
def decide_after_a_crash() -> dg.SkipReason:
    """Begins a verdict."""
    return dg.SkipReason("has decided")


everything = dg.define_asset_job("full_certification", dg.AssetSelection.all())
daily = dg.define_asset_job("connector_certification", dg.AssetSelection.all())
defs = dg.Definitions(
    assets=[plan, route, summary],
    jobs=[everything, daily],
    schedules=[
        dg.ScheduleDefinition(name="daily_connector_certification", cron_schedule="17 2 * * *", job=daily),
        dg.ScheduleDefinition(
            name="daily_pruning",
            cron_schedule="23 5 * * *",
            job=daily,
            default_status=dg.DefaultScheduleStatus.RUNNING,
        ),
    ],
    sensors=[red_gate, missed_tick, decide_after_a_crash],
    executor=dg.in_process_executor,
)


def main(home: Path) -> None:
    """All of it, below that ``DAGSTER_HOME``."""
    here = Path(__file__).resolve()
    workspace = home / "older_workspace.yaml"
    target = {"relative_path": str(here), "location_name": LOCATION, "attribute": "defs"}
    workspace.write_text(json.dumps({"load_from": [{"python_file": target}]}))
    command = create_dagster_cli()  # type: ignore[no-untyped-call]
    for release in ("green", "red"):
        tags = json.dumps({"certification/release": release})
        words = ["job", "execute", "-f", str(here), "-a", "defs", "-j", "full_certification", "--tags", tags]
        subprocess.run([sys.executable, "-m", "dagster", *words], check=release == "green", stdout=sys.stderr)
    for kind, verb, name in SWITCHED:
        command([kind, verb, name, "-w", str(workspace)], standalone_mode=False)
    with dg.DagsterInstance.get() as instance:
        daemon = subprocess.Popen(
            [sys.executable, "-m", "dagster._daemon", "run", "-w", str(workspace)], stdout=sys.stderr
        )
        try:
            until = time.monotonic() + WAIT
            while not ticked(instance):
                if daemon.poll() is not None or time.monotonic() > until:
                    sys.exit("its daemon does not tick")
                time.sleep(0.2)
        finally:
            daemon.send_signal(signal.SIGINT)
            daemon.wait(60)
        (home / "remembered.json").write_text(json.dumps(remembered(instance)))


def ticked(instance: dg.DagsterInstance) -> bool:
    """Whether both sensors have looked, and said how far they got."""
    cursors = remembered(instance)["sensors"]
    return all(cursors.get(name, [False, None])[1] for name in TICKING)


def remembered(instance: dg.DagsterInstance) -> dict[str, dict[str, Any]]:
    """What people find in the UI: runs, materializations, checks' history, what is on, and how far it got."""
    states = instance.all_instigator_state()
    return {
        "runs": {run.run_id: [run.job_name, run.status.value] for run in instance.get_runs()},
        "materializations": {
            key.to_user_string(): [
                record.run_id for record in instance.fetch_materializations(key, limit=100).records
            ]
            for key in (dg.AssetKey("plan"), ROUTE, SUMMARY)
        },
        "checks": {
            f"{key.to_user_string()} {name}": [
                [record.run_id, record.status.value]
                for record in instance.event_log_storage.get_asset_check_execution_history(
                    dg.AssetCheckKey(key, name), limit=100
                )
            ]
            for key, name in CHECKS.items()
        },
        "schedules": {
            state.name: state.status.value != "STOPPED"
            for state in states
            if state.instigator_type.value == "SCHEDULE"
        },
        "sensors": {
            state.name: [
                state.status.value != "STOPPED",
                getattr(state.instigator_data, "cursor", None),
            ]
            for state in states
            if state.instigator_type.value == "SENSOR"
        },
    }


if __name__ == "__main__":
    os.environ["DAGSTER_HOME"] = sys.argv[1]
    main(Path(sys.argv[1]))
