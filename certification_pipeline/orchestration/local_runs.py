"""Runs as processes of this machine, watched: what `dagster.yaml` names as the run launcher.

Dagster's own launcher learns of a dead run from the code server that started it. When that is gone as well
(the machine went down, somebody ended both), nobody is left to ask: the run stays *Started* for ever, and no
verdict follows. This one answers Dagster's run monitoring by looking for the process itself.
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

import dagster as dg
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import CheckRunHealthResult, DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG

from certification_pipeline.harness.services.watchdog import start_time, state

_PID = "pid"
_DEAD = ("Z", "X", "")
_SLACK_SECONDS = 2.0
"""The kernel's clock ticks a hundred times a second, and boot time is known to the second."""


class LocalRunLauncher(DefaultRunLauncher):
    """Starts runs as Dagster's default does; says whether one still lives, and stops one nobody else can."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Run monitoring asks :meth:`check_run_worker_health`."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Whether the run's process is there. Of a run that another machine does, nothing is claimed."""
        if not _is_local(run):
            return CheckRunHealthResult(WorkerStatus.RUNNING, "runs on another machine")
        found = run_process(self._instance, run.run_id)
        if found is None:
            # Started, and the event that names the process is a moment away.
            return CheckRunHealthResult(WorkerStatus.RUNNING, "its process has not said who it is")
        pid, alive = found
        if alive:
            return CheckRunHealthResult(WorkerStatus.RUNNING, f"process {pid}")
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its process {pid} is gone")

    def terminate(self, run_id: str) -> bool:
        """Through the code server that started it; when that is gone, the run's process is told itself."""
        try:
            if super().terminate(run_id):  # type: ignore[no-untyped-call]
                return True
        except DagsterUserCodeUnreachableError:
            pass
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or not _is_local(run):
            return False
        pid, alive = run_process(self._instance, run_id) or (0, False)
        if not alive:
            return False
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGINT)
        return True


def run_process(instance: dg.DagsterInstance, run_id: str) -> tuple[int, bool] | None:
    """The process that does a run, and whether it lives; ``None`` while it has not said who it is."""
    for record in instance.all_logs(run_id, of_type=dg.DagsterEventType.ENGINE_EVENT):
        event = record.dagster_event
        value = event.engine_event_data.metadata.get(_PID) if event else None
        if isinstance(value, dg.TextMetadataValue) and value.text and event and event.step_key is None:
            pid = int(value.text)
            return pid, _lives(pid, record.timestamp)
    return None


def _lives(pid: int, said_at: float) -> bool:
    """Whether that very process lives: ids are used again, and then the process is younger than its word."""
    started = start_time(pid)
    if started is None:
        return not Path("/proc/self/stat").exists() and _answers(pid)
    if state(pid) in _DEAD:
        return False
    up = float(Path("/proc/uptime").read_text().split()[0])
    began = time.time() - up + started / os.sysconf("SC_CLK_TCK")
    return began <= said_at + _SLACK_SECONDS


def _answers(pid: int) -> bool:
    """Where there is no ``/proc``."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _is_local(run: dg.DagsterRun) -> bool:
    said = run.tags.get(GRPC_INFO_TAG, "")
    return '"socket"' in said or any(f'"{host}"' in said for host in ("localhost", "127.0.0.1", "::1"))
