"""What Dagster costs: one plan by ``certify run`` and by the job ``full_certification``, in turns.

Each in a process of its own, from start to exit, and with the same cells, rows and seed: the reference
engine, PostgreSQL -> DuckDB and SQLite, every claimed strategy, the oracle after each load. Dagster runs it
twice: in one process without a history (``in process``), and as the process of a run that keeps its events in
SQLite (``launched``: what a code server starts). CPU time counts children too: read the ratio from it on a
machine that has other work.

Beside it: CPU time until the code location is loaded, over that of ``import dagster``.

Run: ``python -m benchmarks dagster_overhead``.
"""

from __future__ import annotations

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

ROUNDS = 3
ROWS = 10_000
PLAN: dict[str, object] = {
    "routes": ["postgres_to_duckdb", "postgres_to_sqlite"],
    "scenarios": ["strategy.*"],
    "rows": ROWS,
    "seed": 1,
}
ENGINE = "reference"

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


class Cost(NamedTuple):
    """Of one process with its children, in seconds."""

    wall: float
    cpu: float


def measure() -> dict[str, float]:
    """Medians in seconds and their ratios to ``certify run``."""
    costs: dict[str, list[Cost]] = {"certify": [], "in process": [], "launched": []}
    loads: dict[str, list[Cost]] = {"import dagster": [], "code location": []}
    with tempfile.TemporaryDirectory(prefix="certify-bench-") as folder:
        for index in range(ROUNDS):
            for name, seen in costs.items():
                seen.append(_certified(name, Path(folder) / f"{index}-{name.replace(' ', '-')}"))
            loads["import dagster"].append(_cost([sys.executable, "-c", "import dagster"], _environ()))
            program = "import certification_pipeline.definitions as d, dagster; "
            program += "dagster.Definitions.validate_loadable(d.defs)"
            loads["code location"].append(_cost([sys.executable, "-c", program], _environ()))
    figures: dict[str, float] = {}
    for name, seen in (*costs.items(), *loads.items()):
        figures[f"{name} wall s"] = median(cost.wall for cost in seen)
        figures[f"{name} cpu s"] = median(cost.cpu for cost in seen)
    for name in ("in process", "launched"):
        for kind in ("wall", "cpu"):
            figures[f"{name} {kind} ratio"] = figures[f"{name} {kind} s"] / figures[f"certify {kind} s"]
    return figures


def _certified(name: str, place: Path) -> Cost:
    """One release by that way; it must have judged the same cells green, or the figures say nothing."""
    evidence, home = place / "evidence", place / "home"
    home.mkdir(parents=True)
    (home / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    environ = _environ(CERTIFY_EVIDENCE_DIR=str(evidence), DAGSTER_HOME=str(home))
    if name == "certify":
        command = [sys.executable, "-m", "certification_pipeline.cli", "run", "--engine", ENGINE]
        for option, key in (("--route", "routes"), ("--scenario", "scenarios")):
            command += [word for value in PLAN[key] for word in (option, value)]  # type: ignore[attr-defined]
        command += ["--rows", str(ROWS), "--seed", "1", "--release-id", "bench", "--format", "json"]
    else:
        config = {"ops": {"plan": {"config": {**PLAN, "release_id": "bench"}}}}
        command = [sys.executable, "-c", IN_PROCESS, json.dumps(config), name]
    cost = _cost(command, environ)
    report = json.loads((evidence / f"releases/bench/{ENGINE}/certification_report.json").read_text())
    judged = {word: report["totals"].get(word, 0) for word in ("passed", "failed", "cantTell")}
    if not judged["passed"] or judged["failed"] or judged["cantTell"]:
        raise SystemExit(f"{name} judged {judged}: nothing is measured by that")
    return cost


def _environ(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CERTIFY_", "DAGSTER"))}
    if cache := os.environ.get("CERTIFY_CACHE"):
        kept["CERTIFY_CACHE"] = cache
    return {**kept, "CERTIFY_ENGINES": ENGINE, "DAGSTER_DISABLE_TELEMETRY": "1", **more}


def _cost(command: list[str], environ: dict[str, str]) -> Cost:
    before, begin = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, env=environ, capture_output=True, check=False)
    wall, after = time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(wall, cpu)


def main() -> None:
    """Print the figures."""
    figures = measure()
    for name, value in figures.items():
        print(f"{name:28} {value:8.2f}")
    print(json.dumps({**figures, "load average": os.getloadavg()[0]}))


if __name__ == "__main__":
    main()
