"""What Dagster costs: one plan by ``certify run`` and by the job ``full_certification``, in turns.

Each in a process of its own, from start to exit, and with the same cells, rows and seed: the reference
engine, PostgreSQL -> DuckDB and SQLite, every claimed strategy, the oracle after each load. Dagster runs it
twice: in one process without a history (``in process``), and with the history that ``dagster.yaml`` names
(``launched``: what the process of a run does, and before it whoever makes the run).

Most of what Dagster costs is the same whatever the work: its import, the graph, some seven hundred events an
engine. So it is measured at two sizes, and told as seconds a run (``constant``) and a share of the work
(``slope``). CPU time is that of a process with all its children: rest on it where there is other work, and on
wall time nowhere else but on a quiet machine. Beside it: CPU time until the code location is loaded.

Run: ``python -m benchmarks.dagster_overhead``; ``--whole`` measures what ``make certify`` runs instead.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

import yaml

ROOT = Path(__file__).parents[1]
ROUNDS = 3
SMALL, LARGE = 200, 10_000
"""Rows of a default table; the cells are the same."""
PLAN = {"routes": ["postgres_to_duckdb", "postgres_to_sqlite"], "scenarios": ["strategy.*"], "seed": 1}
ENGINE = "reference"
WAYS = ("certify", "in process", "launched")
WHOLE_WAYS = ("certify", "launched")

IN_PROCESS = """
import json, sys
import dagster as dg
from certification_pipeline.definitions import defs
persistent = sys.argv[2] == "launched"
with (dg.DagsterInstance.get() if persistent else dg.DagsterInstance.ephemeral()) as instance:
    defs.resolve_job_def("full_certification").execute_in_process(
        instance=instance, run_config=json.loads(sys.argv[1]), raise_on_error=False
    )
"""
LOADED = (
    "import certification_pipeline.definitions as d, dagster; dagster.Definitions.validate_loadable(d.defs)"
)


class Cost(NamedTuple):
    """Of one process with its children, in seconds."""

    wall: float
    cpu: float


Costs = dict[str, list[Cost]]


def measure(folder: Path) -> dict[str, float]:
    """Medians in seconds, their ratios to ``certify run``, and what follows from the two sizes."""
    costs: dict[int, Costs] = {rows: {way: [] for way in WAYS} for rows in (SMALL, LARGE)}
    loads: Costs = {"import dagster": [], "code location": []}
    for index in range(ROUNDS):
        for rows, seen in costs.items():
            for way in WAYS:
                place = folder / f"{rows}-{index}-{way.replace(' ', '-')}"
                cost, judged = _certified(way, place, {**PLAN, "rows": rows}, ENGINE)
                if not judged["passed"] or judged["failed"] or judged["cantTell"]:
                    raise SystemExit(f"{way} judged {judged}: nothing is measured by that")
                seen[way].append(cost)
        loads["import dagster"].append(_cost([sys.executable, "-c", "import dagster"], _environ()))
        loads["code location"].append(_cost([sys.executable, "-c", LOADED], _environ()))
    figures: dict[str, float] = {}
    for rows, seen in costs.items():
        for way in WAYS:
            for kind in Cost._fields:
                figures[f"{way} {rows} rows {kind} s"] = _median(seen[way], kind)
    for name, seen_loads in loads.items():
        figures[f"{name} cpu s"] = _median(seen_loads, "cpu")
    for way in WAYS[1:]:
        for kind in Cost._fields:
            small, large = (_median(costs[rows]["certify"], kind) for rows in (SMALL, LARGE))
            more = [_median(costs[rows][way], kind) - _median(costs[rows]["certify"], kind) for rows in costs]
            slope = (more[1] - more[0]) / (large - small)
            figures[f"{way} {kind} constant s"] = more[0] - slope * small
            figures[f"{way} {kind} slope"] = slope
            figures[f"{way} {kind} ratio at {LARGE} rows"] = 1 + more[1] / large
    return figures


def measure_whole(folder: Path) -> dict[str, float]:
    """What ``make certify`` runs, once each way: every engine, cell and family of the embedded profile."""
    # Environments are made and packages compiled by whoever comes first: not by what is measured.
    small = {"scenarios": ["strategy.full_refresh"], "rows": SMALL, "seed": 1}
    _certified("certify", folder / "first", small, None)
    figures: dict[str, float] = {}
    judged: list[dict[str, int]] = []
    for way in WHOLE_WAYS:
        cost, found = _certified(way, folder / f"whole-{way}", {"seed": 1}, None)
        judged.append(found)
        for kind in Cost._fields:
            figures[f"{way} whole {kind} s"] = getattr(cost, kind)
    if judged[0] != judged[1]:
        raise SystemExit(f"they judged {judged}: nothing is measured by that")
    for kind in Cost._fields:
        figures[f"launched {kind} ratio at make certify"] = (
            figures[f"launched whole {kind} s"] / figures[f"certify whole {kind} s"]
        )
    return figures


def _median(costs: list[Cost], kind: str) -> float:
    return float(median(getattr(cost, kind) for cost in costs))


def _certified(
    way: str, place: Path, plan: dict[str, object], engine: str | None
) -> tuple[Cost, dict[str, int]]:
    """One release by that way, and how many cells came out how, over its engines."""
    evidence, home = place / "evidence", place / "home"
    home.mkdir(parents=True)
    shipped = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    shipped["storage"]["custom"]["config"]["base_dir"] = str(home / "storage")
    settings = {"storage": shipped["storage"], "telemetry": {"enabled": False}}
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
    environ = _environ(CERTIFY_EVIDENCE_DIR=str(evidence), DAGSTER_HOME=str(home))
    if engine:
        environ["CERTIFY_ENGINES"] = engine
    if way == "certify":
        command = [sys.executable, "-m", "certification_pipeline.cli", "run"]
        command += ["--release-id", "bench", "--format", "json", *(["--engine", engine] if engine else [])]
        for name, value in plan.items():
            for one in value if isinstance(value, list) else [value]:
                command += [f"--{name.removesuffix('s') if isinstance(value, list) else name}", str(one)]
    else:
        config = {"ops": {"plan": {"config": {**plan, "release_id": "bench"}}}}
        command = [sys.executable, "-c", IN_PROCESS, json.dumps(config), way]
    cost = _cost(command, environ)
    judged = dict.fromkeys(("passed", "failed", "cantTell"), 0)
    for report in (evidence / "releases/bench").glob("*/certification_report.json"):
        totals = json.loads(report.read_text())["totals"]
        judged = {word: count + totals.get(word, 0) for word, count in judged.items()}
    return cost, judged


def _environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CERTIFY_", "DAGSTER"))}
    if cache := os.environ.get("CERTIFY_CACHE"):
        kept["CERTIFY_CACHE"] = cache
    return {**kept, "DAGSTER_DISABLE_TELEMETRY": "1", **more}


def _cost(command: list[str], environ: dict[str, str]) -> Cost:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environ, capture_output=True, check=False)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dagster_overhead", description=__doc__)
    parser.add_argument("--whole", action="store_true", help="what `make certify` runs, once each way")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="certify-bench-") as folder:
        figures = measure_whole(Path(folder)) if asked.whole else measure(Path(folder))
    for name, value in figures.items():
        print(f"{name:36} {value:8.2f}")
    print(json.dumps({**figures, "load average": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
