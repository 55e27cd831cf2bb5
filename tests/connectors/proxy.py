"""The reference engine behind a proxy that plants one defect a connector; run as the engine's command.

The defects to plant are the words in ``FAULTS`` of the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def main() -> None:
    faults = os.environ["FAULTS"].split(",")
    command = [sys.executable, "-m", "certification_pipeline.reference"]
    engine = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert engine.stdin
    assert engine.stdout
    loads: dict[str, int] = {}
    for line in sys.stdin:
        ask = json.loads(line)
        system = ask.get("sink", {}).get("system", "")
        loads[system] = loads.get(system, 0) + 1
        if system == "sqlite" and loads[system] == 2 and "skip_changes" in faults and "canary" not in line:
            say({"type": "result", "run_id": ask["run_id"], "record": record(ask)})
            continue
        engine.stdin.write(line)
        engine.stdin.flush()
        for answer in engine.stdout:
            event = json.loads(answer)
            say(spoilt(event, ask, system, faults))
            if event["type"] in ("described", "result", "error"):
                break
        if ask["type"] == "stop":
            break
    engine.stdin.close()
    engine.wait()


def spoilt(event: dict[str, Any], ask: dict[str, Any], system: str, faults: list[str]) -> dict[str, Any]:
    isolated = "CERTIFY_BLOCKED" in os.environ
    if event["type"] == "error":
        if "leak" in faults and "canary" in ask["source"]["dsn"]:
            sys.stderr.write(f"cannot connect to {ask['source']['dsn']}\n")
        if "crash_category" in faults and system == "duckdb" and not isolated:
            event["category"] = "internal"
        if "foreign_package" in faults and system == "parquet" and isolated:
            event["category"], event["message"] = "internal", "No module named 'pandas'"
    if event["type"] == "result" and "written_down" in faults and system == "sqlite":
        password = urlsplit(ask["source"]["dsn"]).password or ""
        Path(ask["sink"]["dsn"] + ".trace").write_text(f"read with {password}")
    return event


def record(ask: dict[str, Any]) -> dict[str, Any]:
    return {"run_id": ask["run_id"], "engine": "reference", "engine_version": "0.1.0"}


def say(event: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
