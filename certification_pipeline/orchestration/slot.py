"""The slot of a pool that a step was given before it began: lent back while the step only waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg
from dagster._core.execution.context.compute import current_execution_context
from dagster._core.execution.plan.instance_concurrency_context import InstanceConcurrencyContext

_LOOK_AGAIN_SECONDS = 0.5


@contextmanager
def slot_given_back() -> Iterator[None]:
    """Within, the step that is being executed here holds no slot; afterwards it holds one again.

    A step that waits for a run and keeps a slot of which that run has need would wait for ever. Claiming it
    again takes as long as the pool is full. When what is within raises, it is not claimed again. A step of no
    pool has none to give back, and whoever is no step neither.
    """
    context = current_execution_context.get()
    step = context.op_execution_context.get_step_execution_context().step if context is not None else None
    if context is None or step is None or step.pool is None:
        yield
        return
    run, instance = context.run, context.instance
    instance.event_log_storage.free_concurrency_slot_for_step(run.run_id, step.key)
    yield
    # As the run's executor claimed the first one, and gives back either: it counts by run and step.
    with InstanceConcurrencyContext(instance, run) as slots:
        told = False
        while not slots.claim(step.pool, step.key):
            if not told:
                dg.get_dagster_logger().info(f"Waiting: pool {step.pool} is full.")
                told = True
            time.sleep(_LOOK_AGAIN_SECONDS)
