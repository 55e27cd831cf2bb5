"""Where a run's steps are executed: in the run's process, or each in a container (``CERTIFY_EXECUTOR``)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module

import dagster as dg

from certification_pipeline.settings import ENV_PREFIX, SettingsError

VARIABLE = f"{ENV_PREFIX}EXECUTOR"


class Kind(StrEnum):
    """What the variable may say."""

    IN_PROCESS = "in_process"
    DOCKER = "docker"


@dataclass(frozen=True, slots=True)
class Steps:
    """How steps are executed."""

    executor: dg.ExecutorDefinition
    apart: bool
    """Whether each is a process of its own."""


# Parallelism is inside the steps (the pool of cells); a process a step would cost seconds each.
TOGETHER = Steps(dg.in_process_executor, apart=False)


def chosen_steps() -> Steps:
    """As ``CERTIFY_EXECUTOR`` says; empty is the default. Raises ``SettingsError``.

    What knows Docker is imported only when it is asked for: every process loads the code location.
    """
    given = os.environ.get(VARIABLE, "").strip() or Kind.IN_PROCESS
    if given not in list(Kind):
        raise SettingsError(f"{VARIABLE}: there is no '{given}'", f"write one of {', '.join(Kind)}")
    if given == Kind.IN_PROCESS:
        return TOGETHER
    containers = import_module("certification_pipeline.orchestration.containers")
    return Steps(containers.a_container_a_step, apart=True)
