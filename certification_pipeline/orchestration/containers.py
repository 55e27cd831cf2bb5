"""Each step in a container of its own: Dagster's ``docker_executor``, and what it leaves open.

What it leaves open (dagster-docker 0.29.27), each tested on a real engine or without one:

- A container that removes itself is gone a moment after its step has written that it has ended. Dagster calls
  what it does not find unhealthy, and the step failed that has succeeded. Here the step's own word counts.
- When a run's container is killed, Dagster leaves those of its steps running. Here they live in the run's PID
  namespace: with its first process the kernel ends them all.
- They carry no label of their run. Here they do, as the run's own container does.
- Of one that was killed and is gone nobody says how. Here the engine's own events do: code, lack of memory.
- They inherit everything the run's container has, Docker's socket too, which no step needs. Here they don't.
"""

import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import dagster as dg
import docker
from dagster._core.executor.step_delegating import (
    CheckStepHealthResult,
    StepDelegatingExecutor,
    StepHandlerContext,
)
from dagster_docker import docker_executor
from dagster_docker.container_context import DockerContainerContext
from dagster_docker.docker_executor import DockerStepHandler
from dagster_docker.docker_run_launcher import DOCKER_CONTAINER_ID_TAG
from dagster_shared.utils.warnings import BetaWarning
from docker.errors import DockerException, NotFound

from certification_pipeline.orchestration.executor import VARIABLE
from certification_pipeline.settings import SettingsError

SOCKET = "/var/run/docker.sock"
"""Where docker/steps.yaml puts it in a run's container."""
RUN_LABEL = "dagster/run_id"
"""As ``DockerRunLauncher`` labels a run's container."""
STEP_LABEL = "dagster/step_key"
_ENDED = {
    dg.DagsterEventType.STEP_SUCCESS,
    dg.DagsterEventType.STEP_FAILURE,
    dg.DagsterEventType.STEP_UP_FOR_RETRY,
}


@dg.executor(
    name="docker",
    config_schema=docker_executor.config_schema.as_field(),
    requirements=dg.multiple_process_executor_requirements(),
)
def a_container_a_step(context: dg.InitExecutorContext) -> dg.Executor:
    """``docker_executor`` with :class:`StepContainers`, one step at a time unless the launchpad says more.

    A release has one writer: a second step of the run would be a container that waits.
    """
    config = {**context.executor_config}
    config.setdefault("max_concurrent", 1)
    with warnings.catch_warnings():
        # Whoever has set the variable has been told, in docs/deployment.md.
        warnings.simplefilter("ignore", BetaWarning)
        made = docker_executor.executor_creation_fn(context._replace(executor_config=config))  # type: ignore[misc]
    assert isinstance(made, StepDelegatingExecutor)
    theirs = made._step_handler
    assert isinstance(theirs, DockerStepHandler)
    made._step_handler = StepContainers(theirs._image, theirs._container_context)
    return made


class StepContainers(DockerStepHandler):
    """Containers of steps: they end with their run's, and say whose they are."""

    def _get_docker_container_context(
        self, step_handler_context: StepHandlerContext
    ) -> DockerContainerContext:
        merged: DockerContainerContext = super()._get_docker_container_context(step_handler_context)
        run = step_handler_context.dagster_run
        container = run.tags.get(DOCKER_CONTAINER_ID_TAG)
        if container is None:
            raise SettingsError(
                f"{VARIABLE}=docker: run {run.run_id} is in no container to which those of its steps belong",
                f"set {VARIABLE}=in_process, or have DockerRunLauncher begin runs (docker/dagster.yaml)",
            )
        labels = {RUN_LABEL: run.run_id, STEP_LABEL: self._get_step_key(step_handler_context)}
        return merged._replace(container_kwargs=_of_a_step(merged.container_kwargs, container, labels))

    def _get_client(self, docker_container_context: DockerContainerContext) -> docker.DockerClient:
        try:
            return super()._get_client(docker_container_context)
        except DockerException as error:
            raise SettingsError(
                f"{VARIABLE}=docker: no Docker engine answers in the run's container ({error})",
                "add --file docker/steps.yaml to every `docker compose`: it mounts the engine's socket",
            ) from None

    def check_step_health(self, step_handler_context: StepHandlerContext) -> CheckStepHealthResult:
        """Unhealthy only when the step has not said that it has ended: its word may be a moment unread."""
        found = super().check_step_health(step_handler_context)
        if found.is_healthy or self._has_ended(step_handler_context):
            return CheckStepHealthResult.healthy()
        how = self._how_it_ended(step_handler_context)
        return CheckStepHealthResult.unhealthy(f"{found.unhealthy_reason}{how}")

    def _how_it_ended(self, context: StepHandlerContext) -> str:
        """What the engine still remembers of a container that has removed itself."""
        try:
            client = self._get_client(self._get_docker_container_context(context))
            about = {"container": self._get_container_name(context), "event": ["oom", "die"]}
            until = int(time.time()) + 1
            events = list(client.events(since=1, until=until, filters=about, decode=True))
        except (DockerException, SettingsError):
            return ""
        codes = [event["Actor"]["Attributes"].get("exitCode") for event in events if event["Action"] == "die"]
        memory = any(event["Action"] == "oom" for event in events)
        return (f" It ended with code {codes[-1]}" if codes else "") + (
            ", out of memory." if memory else "." if codes else ""
        )

    def _has_ended(self, context: StepHandlerContext) -> bool:
        """Whether the step's present attempt has; those before it have, too."""
        step, state = self._get_step_key(context), context.execute_step_args.known_state
        before = state.get_retry_state().get_attempt_count(step) if state else 0
        records = context.instance.all_logs(context.dagster_run.run_id, of_type=_ENDED)
        return sum(record.step_key == step for record in records) > before

    def terminate_step(self, step_handler_context: StepHandlerContext) -> Iterator[dg.DagsterEvent]:
        """One that is gone already keeps no other from being stopped."""
        with suppress(NotFound):
            yield from super().terminate_step(step_handler_context)


def _of_a_step(kwargs: Mapping[str, Any], container: str, labels: Mapping[str, str]) -> dict[str, Any]:
    """What the run's own container was made with, as a step's is made."""
    mounts = [mount for mount in kwargs.get("mounts", ()) if mount.get("Target") != SOCKET]
    groups = [group for group in kwargs.get("group_add", ()) if str(group) not in _group_of_the_socket()]
    given = kwargs.get("labels", {})
    return {
        **kwargs,
        "mounts": mounts,
        "group_add": groups,
        "labels": {**(dict.fromkeys(given, "") if isinstance(given, list) else given), **labels},
        "pid_mode": f"container:{container}",
        # The run's reaps for all of them: it is the first process there is.
        "init": False,
    }


def _group_of_the_socket() -> tuple[str, ...]:
    with suppress(OSError):
        return (str(os.stat(SOCKET).st_gid),)  # noqa: PTH116 - one call, no path to make
    return ()
