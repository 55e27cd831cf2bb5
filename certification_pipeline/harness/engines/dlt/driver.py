# /// script
# requires-python = ">=3.11"
# dependencies = [
#     "adbc-driver-postgresql>=1.6",
#     "deltalake>=1.0",
#     "dlt==1.31.0",
#     "duckdb>=1.4",
#     "pandas>=2.2",
#     "psycopg2-binary>=2.9.10",
#     "pyarrow>=20",
#     "pyiceberg>=0.10",
#     "pyiceberg-core>=0.6",
#     # dlt 1.31 does not recognise DOUBLE PRECISION columns reflected by SQLAlchemy 2.1: see README.md.
#     "sqlalchemy>=2.0.40,<2.1",
# ]
# ///
"""dlt behind the engine protocol: a warm parent that forks one child a load.

Runs in an environment of its own and therefore imports nothing of certification_pipeline; the
protocol's lines are the contract (``harness/engines/protocol.py``). This file knows the protocol and
processes, ``loading.py`` knows dlt, ``failures.py`` knows how to name what went wrong.

The parent imports dlt once (about a second), starts no thread, and forks for each ``load``: a child
may be killed at any moment without harm to the next load. Only the parent writes protocol lines, one
whole line at a time; whatever dlt prints goes to stderr.

Regenerate ``driver.lock`` (run in this folder; no registry host gets into it)::

    uv pip compile driver.py --universal --python-version 3.11 --generate-hashes \\
        --no-emit-index-url --no-header --output-file driver.lock
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import signal
import sys
from typing import Any, BinaryIO

PROTOCOL_VERSION = "1"

# Settings of dlt's own that must stand before its first import. `setdefault`: whoever debugs may override.
os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("RUNTIME__LOG_LEVEL", "CRITICAL")
# Neither Arrow's allocator nor numpy may start threads at import: the parent forks.
os.environ.setdefault("JE_ARROW_MALLOC_CONF", "background_thread:false")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# No configuration file of the user or of the working directory may change what is certified.
os.environ["DLT_PROJECT_DIR"] = os.environ["DLT_DATA_DIR"] = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120


def main() -> int:
    """Serve requests from stdin until ``stop`` or end of file."""
    events = _take_stdout()
    # Heavy, and only after stdout is safe. It must not be imported before `configuration`, which sets it up.
    import configuration  # type: ignore[import-not-found]  # noqa: F401, PLC0415
    import loading  # type: ignore[import-not-found]  # noqa: PLC0415

    gc.collect()
    gc.freeze()  # the children share the parent's pages instead of copying them at their first collection
    for line in sys.stdin.buffer:
        if not line.strip():
            continue
        try:
            request = json.loads(line)
            kind = request["type"]
        except (ValueError, TypeError, KeyError):
            _write(events, _error("", "configuration", "the request is not a JSON object with a 'type'"))
            continue
        if kind == "stop":
            return 0
        if kind == "describe":
            _write(events, {"type": "described", "protocol": PROTOCOL_VERSION, **loading.describe()})
        elif kind == "load" and (missing := _missing(request)):
            message = f"the load request lacks {', '.join(missing)}"
            _write(events, _error(str(request.get("run_id", "")), "configuration", message))
        elif kind == "load":
            loading.warm(request)
            _load_in_child(request, events, loading)
        else:
            _write(events, _error("", "configuration", f"unknown request type {kind!r}"))
    return 0


def _missing(request: dict[str, Any]) -> list[str]:
    needed = ("run_id", "source", "sink", "primary_key", "strategy", "state_dir")
    return [name for name in needed if name not in request]


def _take_stdout() -> BinaryIO:
    """Keep stdout for the protocol alone: file descriptor 1 becomes stderr for everybody else."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return events


def _load_in_child(request: dict[str, Any], events: BinaryIO, loading: Any) -> None:
    """Fork, relay the child's events, and answer in its stead when it died without a word."""
    run_id = str(request.get("run_id", ""))
    read_end, write_end = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _child(request, run_id, write_end, parent, loading)
    os.close(write_end)
    answer = b""
    with os.fdopen(read_end, "rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break  # the child died in the middle of a line
            if json.loads(line)["type"] in ("result", "error"):
                answer = line
            else:
                events.write(line)
                events.flush()
    _, status = os.waitpid(child, 0)
    # Only now: whoever reads the answer may open the sink, and the child's locks are gone.
    if answer:
        events.write(answer)
        events.flush()
    else:
        _write(events, _error(run_id, "internal", f"the load's process died: {_how(status)}"))


def _child(request: dict[str, Any], run_id: str, write_end: int, parent: int, loading: Any) -> None:
    """One load in a process of its own; never returns."""
    code = 1
    try:
        _die_with(parent)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        with os.fdopen(write_end, "wb") as pipe:
            loading.serve(request, lambda event: _write(pipe, event))
        code = 0
    except BaseException as error:  # nothing may unwind into the parent's loop
        sys.stderr.write(f"dlt driver, run {run_id}: {type(error).__name__}: {error}\n")
    finally:
        sys.stderr.flush()
        os._exit(code)


def _die_with(parent: int) -> None:
    """Linux: the child is killed when the parent is, so that no orphan keeps writing to a sink."""
    if sys.platform.startswith("linux"):
        set_parent_death_signal = 1
        ctypes.CDLL(None).prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"


def _error(run_id: str, category: str, message: str) -> dict[str, Any]:
    return {"type": "error", "run_id": run_id, "category": category, "message": message, "retryable": False}


def _write(stream: BinaryIO, event: dict[str, Any]) -> None:
    stream.write(json.dumps(event, ensure_ascii=False).encode() + b"\n")
    stream.flush()


if __name__ == "__main__":
    code = main()
    sys.stderr.flush()
    os._exit(code)  # nothing is open; tearing down the libraries takes time and writes complaints
