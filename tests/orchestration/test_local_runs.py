"""Whether a run's process lives, and how one is stopped whose code server is gone. Real processes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import dagster as dg
import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.events import EngineEventData
from dagster._core.launcher import DefaultRunLauncher, WorkerStatus
from dagster._core.storage.tags import GRPC_INFO_TAG
from dagster._core.test_utils import create_run_for_test

from certification_pipeline.orchestration import local_runs
from certification_pipeline.orchestration.local_runs import LocalRunLauncher, run_process

HERE = {GRPC_INFO_TAG: '{"host": "localhost", "socket": "/tmp/x"}'}
ELSEWHERE = {GRPC_INFO_TAG: '{"host": "code", "port": 4000}'}
WAITS = "import sys; print('up', flush=True); sys.stdin.read()"


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def launcher(instance: dg.DagsterInstance) -> LocalRunLauncher:
    made = LocalRunLauncher()
    made.register_instance(instance)
    return made


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """One that waits until somebody ends it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", WAITS], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL
    ) as made:
        assert made.stdout
        made.stdout.readline()
        yield made
        made.kill()


def started(instance: dg.DagsterInstance, pid: int | None, tags: dict[str, str] = HERE) -> dg.DagsterRun:
    """A run whose process has said who it is."""
    run = create_run_for_test(instance, status=dg.DagsterRunStatus.STARTED, tags=tags)
    if pid is not None:
        data = EngineEventData(metadata={"pid": dg.TextMetadataValue(str(pid))})
        instance.report_engine_event("Started process for run", run, data)
    return run


@pytest.mark.parametrize(
    "said",
    ['{"host": "localhost", "socket": "/tmp/x"}', '{"socket": "/x"}', '{"host": "127.0.0.1", "port": 1}'],
)
def test_a_run_whose_process_lives_is_running(
    instance: dg.DagsterInstance, launcher: LocalRunLauncher, process: subprocess.Popen[bytes], said: str
) -> None:
    run = started(instance, process.pid, {GRPC_INFO_TAG: said})
    assert run_process(instance, run.run_id) == (process.pid, True)
    assert launcher.supports_check_run_worker_health
    health = launcher.check_run_worker_health(run)
    assert (health.status, health.msg) == (WorkerStatus.RUNNING, f"process {process.pid}")


def test_one_that_is_gone_or_only_waits_to_be_buried_is_not_found(
    instance: dg.DagsterInstance, launcher: LocalRunLauncher, process: subprocess.Popen[bytes]
) -> None:
    run = started(instance, process.pid)
    os.kill(process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    health = launcher.check_run_worker_health(run)
    assert (health.status, health.msg) == (WorkerStatus.NOT_FOUND, f"its process {process.pid} is gone")
    process.wait()
    assert launcher.check_run_worker_health(run).status is WorkerStatus.NOT_FOUND


def test_a_process_that_is_younger_than_its_word_is_another_one(process: subprocess.Popen[bytes]) -> None:
    assert local_runs._lives(process.pid, time.time())
    assert not local_runs._lives(process.pid, time.time() - 3600)


def test_without_proc_it_is_asked_and_not_disturbed(process: subprocess.Popen[bytes]) -> None:
    assert local_runs._answers(process.pid)
    process.kill()
    assert process.wait() == -signal.SIGKILL, "and not of the question"
    assert not local_runs._answers(process.pid)


@pytest.mark.parametrize(("tags", "told"), [(ELSEWHERE, "another machine"), (HERE, "has not said who it is")])
def test_of_what_nobody_can_know_nothing_is_claimed(
    instance: dg.DagsterInstance, launcher: LocalRunLauncher, tags: dict[str, str], told: str
) -> None:
    health = launcher.check_run_worker_health(started(instance, None, tags))
    assert health.status is WorkerStatus.RUNNING
    assert told in str(health.msg)


@pytest.fixture(params=["says no", "is gone"])
def server(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The code server that started the run."""

    def asked(self: DefaultRunLauncher, run_id: str) -> bool:
        if request.param == "is gone":
            raise DagsterUserCodeUnreachableError("gone")
        return False

    monkeypatch.setattr(DefaultRunLauncher, "terminate", asked)


@pytest.mark.usefixtures("server")
def test_whose_code_server_does_not_stop_it_is_told_itself(
    instance: dg.DagsterInstance, launcher: LocalRunLauncher, process: subprocess.Popen[bytes]
) -> None:
    run = started(instance, process.pid)
    assert launcher.terminate(run.run_id)
    assert process.wait(30) == -signal.SIGINT
    assert not launcher.terminate(run.run_id), "there is nobody left to tell"


@pytest.mark.usefixtures("server")
def test_nobody_elses_process_is_ended(
    instance: dg.DagsterInstance, launcher: LocalRunLauncher, process: subprocess.Popen[bytes]
) -> None:
    elsewhere, over = started(instance, process.pid, ELSEWHERE), started(instance, process.pid)
    instance.report_run_failed(over)
    for run_id in (elsewhere.run_id, over.run_id, started(instance, None).run_id, "no-such-run"):
        assert not launcher.terminate(run_id)
    assert process.poll() is None
