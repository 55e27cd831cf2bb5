"""The driver's half of the engine protocol, version 1: write ``describe`` and ``load``, this does the rest.

One file, nothing but Python's standard library: import it from the path that the harness gives, or copy it
beside a driver of your own. It keeps stdout for protocol lines (whatever else prints goes to stderr), turns
exceptions into ``error`` answers, fills in what every run record has, and, with ``fork=True``, imports
once and runs each load in a child that may be killed at any moment without harm to the next one.

    from certify_driver import Failure, Job, installed, serve

    def describe():
        return {"engine": "mine", "version": "1.0", "artifact_digest": installed("mine")}

    def load(job: Job):
        job.phase("extract")
        ...
        return {"extracted_rows": n}

    serve(describe, load)
"""

from __future__ import annotations

import ctypes
import gc
import hashlib
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from types import SimpleNamespace
from typing import Any, BinaryIO

__all__ = ["Failure", "Job", "config", "installed", "peak_memory", "program", "serve"]

PROTOCOL_VERSION = "1"
MAX_MESSAGE = 2000

Describe = Callable[[], dict[str, Any]]
Load = Callable[["Job"], "dict[str, Any] | None"]
Warm = Callable[[dict[str, Any]], object]
Emit = Callable[[dict[str, Any]], None]

_NEEDED = ("run_id", "source", "sink", "columns", "primary_key", "strategy", "state_dir")


class Failure(Exception):  # noqa: N818 - what the protocol calls it
    """A load failed, and the driver knows how; anything else that is raised is ``internal``.

    ``category`` is one of: configuration, authentication, connectivity, not_found, schema, data, conflict,
    state, resource, unsupported, internal. ``record`` holds what is known of the run all the same.
    """

    def __init__(
        self,
        category: str,
        message: str,
        *,
        retryable: bool = False,
        record: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.message = message
        self.retryable = retryable
        self.record = record or {}


class Job:
    """One ``load`` request.

    ``source`` and ``sink`` have ``system``, ``dsn``, ``namespace`` and ``name``; ``columns`` have ``name``,
    ``type`` and ``nullable``; ``options`` has the attributes of the protocol's load options. ``state_dir`` is
    kept from load to load of one table, unless the harness loses it on purpose.
    """

    def __init__(self, request: dict[str, Any], emit: Emit) -> None:
        self.request = request
        self.run_id: str = request["run_id"]
        self.source = SimpleNamespace(**request["source"])
        self.sink = SimpleNamespace(**request["sink"])
        self.columns = [SimpleNamespace(**column) for column in request["columns"]]
        self.primary_key: list[str] = list(request["primary_key"])
        self.cursor: str | None = request.get("cursor")
        self.strategy: str = request["strategy"]
        self.options = SimpleNamespace(**request.get("options", {}))
        self.state_dir = Path(request["state_dir"])
        self._emit = emit
        _begin_new_peak()
        self._started = datetime.now(UTC)
        self._clock = time.monotonic()
        self._phase: str | None = None
        self._timings: dict[str, float] = {}

    def phase(self, name: str) -> None:
        """Tell that the load enters a phase: extract, stage, load, finalize, state, or one of its own."""
        self._end_phase()
        self._phase = name
        self._emit({"type": "phase", "run_id": self.run_id, "phase": name})

    def progress(self, rows: int) -> None:
        """Tell how many rows of the current phase are done."""
        self._emit({"type": "progress", "run_id": self.run_id, "rows": rows})

    def record(self, who: dict[str, Any], claims: dict[str, Any]) -> dict[str, Any]:
        """The run record: ``claims`` as the engine makes them, and what only the driver can know."""
        self._end_phase()
        return {
            "run_id": self.run_id,
            "engine": who["engine"],
            "engine_version": who["version"],
            "manifest_path": self.request.get("manifest_path") or None,
            "selector": self.request.get("selector") or None,
            "source_id": _identity(self.source),
            "sink_id": _identity(self.sink),
            "started_at": self._started.isoformat(),
            "finished_at": datetime.now(UTC).isoformat(),
            "timings_seconds": self._timings,
            "peak_memory_bytes": peak_memory(),
            **claims,
        }

    def _end_phase(self) -> None:
        now = time.monotonic()
        if self._phase is not None:
            spent = self._timings.get(self._phase, 0.0) + now - self._clock
            self._timings[self._phase] = round(spent, 6)
        self._clock = now


def peak_memory() -> int:
    """Peak resident bytes of this load: of this process, or of the largest program it waited for.

    ``ru_maxrss`` alone would not do: Linux lets it begin, across ``exec``, with what the process held that
    started us.
    """
    unit = 1 if sys.platform == "darwin" else 1024
    programs = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    try:
        (line,) = (
            one for one in Path("/proc/self/status").read_text().splitlines() if one.startswith("VmHWM:")
        )
        return max(programs, int(line.split()[1]) * 1024)
    except (OSError, ValueError):
        return max(programs, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit)


def _begin_new_peak() -> None:
    """Where the kernel can (Linux); elsewhere the peak is that of the process."""
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def config() -> dict[str, Any]:
    """What the catalogue's ``driver.config`` says; empty when it says nothing."""
    found = json.loads(os.environ.get("CERTIFY_ENGINE_CONFIG", "{}"))
    if not isinstance(found, dict):
        raise TypeError("CERTIFY_ENGINE_CONFIG is no JSON object")
    return found


def program(environment: str, name: str) -> str:
    """The path of a program in one of the catalogue's ``driver.environments``."""
    home = os.environ[f"CERTIFY_ENV_{environment.upper().replace('-', '_')}"]
    return str(Path(home) / "bin" / name)


def installed(name: str) -> str:
    """``sha256:<hex>`` over the RECORD of an installed distribution; empty when it is not installed."""
    try:
        record = distribution(name).read_text("RECORD") or ""
    except PackageNotFoundError:
        return ""
    return "sha256:" + hashlib.sha256("\n".join(sorted(record.splitlines())).encode()).hexdigest()


def serve(
    describe: Describe, load: Load, *, fork: bool = False, replays: bool = False, warm: Warm | None = None
) -> None:
    """Answer requests from stdin until ``stop`` or end of file; ends the process.

    ``fork``: each load in a child process of its own. Only for a parent that has started no thread.
    ``warm``: called in the parent with each request before it forks, for imports that only some loads need.
    ``replays``: ``load`` looks at ``options.replay``; else such requests are refused, because a replay that
    is taken for the next load moves the wrong rows.
    """
    events = _take_stdout()
    who: dict[str, Any] = {}
    if fork:
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
            break
        who = who or _with_forks({"engine": os.environ.get("CERTIFY_ENGINE_ID", ""), **describe()}, fork)
        if kind == "describe":
            _write(events, {"type": "described", "protocol": PROTOCOL_VERSION, **who})
        elif kind != "load":
            _write(events, _error("", "configuration", f"unknown request type {kind!r}"))
        elif missing := [name for name in _NEEDED if name not in request]:
            message = f"the load request lacks {', '.join(missing)}"
            _write(events, _error(str(request.get("run_id", "")), "configuration", message))
        elif (request.get("options") or {}).get("replay") and not replays:
            _write(events, _error(str(request["run_id"]), "unsupported", "no run can be done again"))
        elif fork:
            if warm is not None:
                with suppress(Exception):  # the load meets it again, and tells
                    warm(request)
            _load_in_child(request, events, who, load)
        else:
            _load(request, lambda event: _write(events, event), who, load)
    sys.stderr.flush()
    os._exit(0)  # nothing is open; tearing down libraries takes time and writes complaints


def _with_forks(who: dict[str, Any], fork: bool) -> dict[str, Any]:
    """Says whether the harness may kill a load and spare its parent."""
    return {**who, "details": {**who.get("details", {}), "forks": fork}}


def _load(request: dict[str, Any], emit: Emit, who: dict[str, Any], load: Load) -> None:
    """One load, ended by exactly one ``result`` or ``error``."""
    job = Job(request, emit)
    try:
        claims = load(job) or {}
    except Failure as failure:
        record = job.record(who, {**failure.record, "failure_category": failure.category})
        emit(_error(job.run_id, failure.category, failure.message, failure.retryable, record))
    except BaseException as error:  # some libraries' terminal errors derive from BaseException
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        stack = traceback.extract_tb(error.__traceback__)
        frames = "".join(f"  {frame.filename}:{frame.lineno} in {frame.name}\n" for frame in stack)
        # Without the message, which may quote a connection string.
        sys.stderr.write(f"run {job.run_id}: {type(error).__name__} at\n{frames}")
        message = _without_dsn(f"{type(error).__name__}: {error}", job)
        record = job.record(who, {"failure_category": "internal"})
        emit(_error(job.run_id, "internal", message, False, record))
    else:
        emit({"type": "result", "run_id": job.run_id, "record": job.record(who, claims)})


# --- one child a load -------------------------------------------------------------------------------------


def _load_in_child(request: dict[str, Any], events: BinaryIO, who: dict[str, Any], load: Load) -> None:
    """Fork, relay the child's events, and answer in its stead when it died without a word."""
    run_id = str(request["run_id"])
    read_end, write_end = os.pipe()
    parent = os.getpid()
    child = os.fork()
    if child == 0:
        os.close(read_end)
        _child(request, write_end, parent, who, load)
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


def _child(request: dict[str, Any], write_end: int, parent: int, who: dict[str, Any], load: Load) -> None:
    """One load in a process of its own; never returns."""
    code = 1
    try:
        _die_with(parent)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        with os.fdopen(write_end, "wb") as pipe:
            _load(request, lambda event: _write(pipe, event), who, load)
        code = 0
    except BaseException as error:  # nothing may unwind into the parent's loop
        sys.stderr.write(f"run {request['run_id']}: {type(error).__name__}\n")
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


# --- lines ------------------------------------------------------------------------------------------------


def _take_stdout() -> BinaryIO:
    """Keep stdout for the protocol alone: file descriptor 1 becomes stderr for everybody else."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return events


def _identity(thing: SimpleNamespace) -> str:
    return f"{thing.system}:{'.'.join(part for part in (thing.namespace, thing.name) if part)}"


def _without_dsn(text: str, job: Job) -> str:
    for end in (job.source, job.sink):
        text = text.replace(end.dsn, f"<{end.system}>")
    return text


def _error(
    run_id: str, category: str, message: str, retryable: bool = False, record: dict[str, Any] | None = None
) -> dict[str, Any]:
    answer = {
        "type": "error",
        "run_id": run_id,
        "category": category,
        "message": message[:MAX_MESSAGE],
        "retryable": retryable,
    }
    return {**answer, "record": record} if record else answer


def _write(stream: BinaryIO, event: dict[str, Any]) -> None:
    stream.write(json.dumps(event, ensure_ascii=False, default=str).encode(errors="replace") + b"\n")
    stream.flush()
