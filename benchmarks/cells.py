"""Seconds per judged cell of the seeds' matrix, real rows moved, against dpone simulating one of its own.

Both in one run on one machine, alternating, so that the ratio holds when the machine's speed drifts:

* ours: ``certify run`` of the reference engine on PostgreSQL -> PostgreSQL, all ten strategies of the seeds'
  matrix, 10 000 rows, four loads a cell, every row judged after each. Whole process, start-up included.
* dpone 0.88.0: ``dpone ops certification-run --row-count 10000``, its 237 simulated cases; nothing is moved.

Run: ``python -m benchmarks cells``. dpone goes into a throw-away environment (by package name).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import uv

ROUNDS = 3
DPONE = "dpone==0.88.0"
DPONE_CASES = 237
STRATEGIES = 10


def measure(rows: int = 10_000) -> dict[str, float]:
    """Medians over the rounds: ``ours`` and ``dpone`` in seconds a cell, and ``ratio`` of the two."""
    with tempfile.TemporaryDirectory(prefix="certify-bench-") as folder:
        dpone = _install_dpone(Path(folder) / "dpone")
        ours, theirs = [], []
        for index in range(ROUNDS):
            ours.append(_ours(Path(folder) / f"evidence-{index}", rows) / STRATEGIES)
            theirs.append(_dpone(dpone, Path(folder) / f"dpone-{index}", rows) / DPONE_CASES)
    return {"ours": median(ours), "dpone": median(theirs), "ratio": median(ours) / median(theirs)}


def _ours(evidence: Path, rows: int) -> float:
    command = [sys.executable, "-m", "certification_pipeline.cli", "run", "--engine", "reference"]
    command += ["--route", "postgres_to_postgres", "--scenario", "strategy.*", "--rows", str(rows)]
    command += ["--evidence-dir", str(evidence), "--release-id", "bench", "--no-report", "--format", "json"]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, check=False)
    seconds = time.perf_counter() - begin
    report = json.loads((evidence / "releases/bench/reference/certification_report.json").read_text())
    judged = report["totals"].get("passed", 0)
    if done.returncode != 0 or judged != STRATEGIES:
        raise SystemExit(
            f"the run judged {judged} of {STRATEGIES} cells green: {done.stderr.decode()[-500:]}"
        )
    return seconds


def _dpone(python: Path, artifacts: Path, rows: int) -> float:
    command = [str(python.parent / "dpone"), "ops", "certification-run", "--format", "json"]
    command += ["--artifact-dir", str(artifacts), "--row-count", str(rows)]
    begin = time.perf_counter()
    subprocess.run(command, capture_output=True, check=True)
    return time.perf_counter() - begin


def _install_dpone(where: Path) -> Path:
    env = {**os.environ, "UV_COMPILE_BYTECODE": "1"}
    tool = uv.find_uv_bin()
    subprocess.run([tool, "venv", "--quiet", str(where)], check=True, env=env)
    python = where / "bin" / "python"
    subprocess.run([tool, "pip", "install", "--quiet", "--python", str(python), DPONE], check=True, env=env)
    return python


def main() -> None:
    """Print the figures."""
    result = measure()
    print(f"ours  {result['ours'] * 1000:8.1f} ms a judged cell (real rows, four loads, every row judged)")
    print(f"dpone {result['dpone'] * 1000:8.1f} ms a simulated case (nothing moved)")
    print(f"ratio {result['ratio']:8.2f}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
