"""``CERTIFY_EXECUTOR``: what it takes, what it says of anything else, and what a step's container is."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.retries import RetryMode, RetryState
from dagster._core.executor.step_delegating import CheckStepHealthResult, StepDelegatingExecutor
from dagster_docker.container_context import DockerContainerContext
from dagster_docker.docker_executor import DockerStepHandler
from dagster_docker.docker_run_launcher import DOCKER_CONTAINER_ID_TAG
from docker.errors import NotFound

from certification_pipeline.orchestration import containers
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.containers import SOCKET, StepContainers, a_container_a_step
from certification_pipeline.orchestration.executor import TOGETHER, VARIABLE, chosen_steps
from certification_pipeline.settings import SettingsError

GONE = CheckStepHealthResult.unhealthy("Docker container dagster-step-1 could not be found.")
DECIDES_ONLY = {"verdict", "push_evidence", "prune_history"}


@pytest.mark.parametrize("given", [None, "", "in_process"])
def test_all_steps_of_a_run_are_one_process_unless_told_otherwise(
    monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    if given is not None:
        monkeypatch.setenv(VARIABLE, given)
    assert chosen_steps() is TOGETHER


def test_another_word_is_refused_when_the_location_loads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "docekr")
    with pytest.raises(SettingsError) as refused:
        build_defs()
    assert str(refused.value) == "CERTIFY_EXECUTOR: there is no 'docekr' — write one of in_process, docker"


def test_a_container_a_step_is_for_what_runs_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "docker")
    monkeypatch.setenv("CERTIFY_PUSH_TO", "s3://somewhere")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        defs = build_defs()
    jobs = [job for job in defs.resolve_all_job_defs() if not job.name.startswith("__")]
    assert {job.name for job in jobs} > DECIDES_ONLY
    for job in (*jobs, defs.resolve_implicit_global_asset_job_def()):
        assert job.executor_def.name == ("in_process" if job.name in DECIDES_ONLY else "docker"), job.name


def test_each_step_takes_its_turn_where_each_is_a_process(monkeypatch: pytest.MonkeyPatch) -> None:
    assert build_defs().resources["turn"].by_step is False  # type: ignore[index]
    monkeypatch.setenv(VARIABLE, "docker")
    assert build_defs().resources["turn"].by_step is True  # type: ignore[index]


def _executor(**config: object) -> StepDelegatingExecutor:
    with dg.DagsterInstance.ephemeral() as instance, warnings.catch_warnings():
        warnings.simplefilter("error")
        job: Any = dg.JobDefinition(graph_def=dg.GraphDefinition("nothing"))
        context = dg.InitExecutorContext(
            job=dg._core.definitions.job_base.InMemoryJob(job),  # type: ignore[attr-defined]
            executor_def=a_container_a_step,
            executor_config={"retries": {"disabled": {}}, "step_dependency_config": {}, **config},
            instance=instance,
        )
        made = a_container_a_step.executor_creation_fn(context)  # type: ignore[misc]
    assert isinstance(made, StepDelegatingExecutor)
    return made


def test_one_step_at_a_time_unless_the_launchpad_says_more() -> None:
    assert _executor()._max_concurrent == 1
    assert _executor(max_concurrent=3)._max_concurrent == 3


def test_what_the_launchpad_says_of_containers_reaches_the_steps() -> None:
    handler = _executor(container_kwargs={"mem_limit": "2g"})._step_handler
    assert isinstance(handler, StepContainers)
    assert handler._container_context.container_kwargs == {"mem_limit": "2g"}


@pytest.fixture
def ran() -> Iterator[tuple[dg.DagsterInstance, dg.DagsterRun]]:
    """A run of which the step ``done`` has succeeded."""

    @dg.op
    def done() -> None:
        """Nothing."""

    @dg.job
    def one() -> None:
        done()

    with dg.DagsterInstance.ephemeral() as instance:
        result = one.execute_in_process(instance=instance)
        run = instance.get_run_by_id(result.run_id)
        assert run
        yield instance, run


def _asked(ran: tuple[dg.DagsterInstance, dg.DagsterRun], step: str, *, tries: int = 0, **tags: str) -> Any:
    instance, run = ran
    state = SimpleNamespace(get_retry_state=lambda: RetryState({step: tries} if tries else {}))
    arguments = SimpleNamespace(step_keys_to_execute=[step], known_state=state, run_id=run.run_id)
    return SimpleNamespace(
        instance=instance, dagster_run=run.with_tags(tags), execute_step_args=arguments, retries=RetryMode
    )


@pytest.mark.parametrize(
    ("step", "tries", "healthy"),
    [("done", 0, True), ("running", 0, False), ("done", 1, False)],
    ids=["its word is there", "it was killed", "the word is of the attempt before"],
)
def test_a_step_that_has_ended_is_not_failed_because_its_container_is_gone(
    monkeypatch: pytest.MonkeyPatch,
    ran: tuple[dg.DagsterInstance, dg.DagsterRun],
    step: str,
    tries: int,
    healthy: bool,
) -> None:
    monkeypatch.setattr(DockerStepHandler, "check_step_health", lambda *_: GONE)
    monkeypatch.setattr(StepContainers, "_how_it_ended", lambda *_: " It ended with code 137.")
    found = StepContainers(None, DockerContainerContext()).check_step_health(_asked(ran, step, tries=tries))
    assert found.is_healthy is healthy
    if not healthy:
        assert found.unhealthy_reason == f"{GONE.unhealthy_reason} It ended with code 137."


def test_an_engine_that_does_not_say_how_it_ended_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, ran: tuple[dg.DagsterInstance, dg.DagsterRun]
) -> None:
    monkeypatch.setattr(DockerStepHandler, "check_step_health", lambda *_: GONE)
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    asked = _asked(ran, "running", **{DOCKER_CONTAINER_ID_TAG: "abc"})
    assert StepContainers(None, DockerContainerContext()).check_step_health(asked) == GONE


def test_a_container_that_is_gone_keeps_no_other_from_being_stopped(
    monkeypatch: pytest.MonkeyPatch, ran: tuple[dg.DagsterInstance, dg.DagsterRun]
) -> None:
    def gone(*_: object) -> Iterator[dg.DagsterEvent]:
        raise NotFound("no such container")
        yield

    monkeypatch.setattr(DockerStepHandler, "terminate_step", gone)
    assert list(StepContainers(None, DockerContainerContext()).terminate_step(_asked(ran, "done"))) == []


def test_a_run_without_a_container_says_what_to_set(ran: tuple[dg.DagsterInstance, dg.DagsterRun]) -> None:
    with pytest.raises(SettingsError, match=r"CERTIFY_EXECUTOR=docker: run .* is in no container") as refused:
        StepContainers(None, DockerContainerContext())._get_docker_container_context(_asked(ran, "done"))
    assert "set CERTIFY_EXECUTOR=in_process" in str(refused.value)


def test_an_engine_that_does_not_answer_is_told_with_the_file_to_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    with pytest.raises(SettingsError, match=r"no Docker engine answers .* add --file docker/steps\.yaml"):
        StepContainers(None, DockerContainerContext())._get_client(DockerContainerContext())


def test_a_step_has_what_its_run_has_but_for_docker_s_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "_group_of_the_socket", lambda: ("999",))
    socket = {"Type": "bind", "Source": "/elsewhere/docker.sock", "Target": SOCKET}
    given = {
        "volumes": ["evidence:/evidence"],
        "auto_remove": True,
        "init": True,
        "mounts": [socket, {"Type": "bind", "Source": "/a", "Target": "/b"}],
        "group_add": ["999", "1000"],
        "labels": {"certification_pipeline.role": "run"},
    }
    made = containers._of_a_step(given, "abc", {"dagster/run_id": "r"})
    assert made == {
        **given,
        "init": False,
        "mounts": [{"Type": "bind", "Source": "/a", "Target": "/b"}],
        "group_add": ["1000"],
        "labels": {"certification_pipeline.role": "run", "dagster/run_id": "r"},
        "pid_mode": "container:abc",
    }
    assert given["mounts"][0] is socket, "the run's own is another step's, too"
    assert containers._of_a_step({"labels": ["plain"]}, "abc", {})["labels"] == {"plain": ""}
