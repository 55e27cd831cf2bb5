# /// script
# requires-python = ">=3.11"
# dependencies = [
#     # 1.12 builds its parser from source where there is no wheel for it.
#     "dbt-core==1.11.16",
#     "dbt-duckdb==1.11.1",
#     "dbt-postgres==1.11.0",
# ]
# ///
"""dbt in a process of its own: imports it once, then runs each command in a forked child.

``runner.py ADAPTER...`` reads one JSON object a line from stdin::

    {"argv": ["build", ...], "target_dir": "...", "keep": {"run_results.json": "/where/to"}}

and answers each with one, as it does once when it is ready::

    {"ok": true, "message": null, "seconds": 1.5}

``ok`` says that dbt came to an end, not that models are right: that stands in its artifacts. A child
leaves no lock on a DuckDB file and no state of dbt's behind; what dbt prints goes to stderr.

Imports nothing of certification_pipeline: it runs in the environment of ``runner.lock``. Regenerate that in
this folder with::

    uv pip compile runner.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --no-annotate --output-file runner.lock
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import sys
import time
import traceback
from pathlib import Path
from typing import Any, TextIO


def main() -> None:
    """Serve until stdin ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever prints, prints to the log
    # The slow part: once, before any fork.
    from dbt.cli.main import dbtRunner  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    for adapter in sys.argv[1:]:
        importlib.import_module(f"dbt.adapters.{adapter}")
    _say(answers, {"ok": True, "message": None, "seconds": 0.0})
    for line in sys.stdin:
        ask = json.loads(line)
        begin = time.perf_counter()
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            _work(dbtRunner, ask, write)
        os.close(write)
        with os.fdopen(read, encoding="utf-8") as pipe:
            said = pipe.read()
        _, status = os.waitpid(child, 0)
        answer = json.loads(said) if said else {"ok": False, "message": f"dbt died, wait status {status}"}
        _say(answers, {**answer, "seconds": round(time.perf_counter() - begin, 4)})


def _work(runner: Any, ask: dict[str, Any], write: int) -> None:
    """In the child: never returns."""
    try:
        for name in ask.get("keep", {}):
            # What an earlier command left must not be taken for this one's.
            (Path(ask["target_dir"]) / name).unlink(missing_ok=True)
        done = runner().invoke(ask["argv"])
        # A failed model is no exception: dbt ran, and its artifacts say what came of it.
        ok, message = done.exception is None, str(done.exception) if done.exception else None
        for name, place in ask.get("keep", {}).items():
            found = Path(ask["target_dir"]) / name
            if found.is_file():
                shutil.copyfile(found, place)
        _close_duckdb()
    except BaseException:
        ok, message = False, traceback.format_exc(limit=5)
    with os.fdopen(write, "w", encoding="utf-8") as pipe:
        json.dump({"ok": ok, "message": message}, pipe)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _close_duckdb() -> None:
    """Done at exit by dbt-duckdb, but a forked child has no exit of that kind: the file keeps a journal."""
    module = sys.modules.get("dbt.adapters.duckdb.connections")
    if module is not None:
        module.DuckDBConnectionManager.close_all_connections()


def _say(answers: TextIO, answer: dict[str, Any]) -> None:
    answers.write(json.dumps(answer) + "\n")
    answers.flush()


if __name__ == "__main__":
    main()
