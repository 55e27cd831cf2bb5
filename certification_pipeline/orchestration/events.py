"""A run's own events, told to Dagster's log."""

from __future__ import annotations

from collections import Counter

import dagster as dg

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.harness.events import (
    CellFinished,
    EngineMissing,
    EnginePreparing,
    EngineReady,
    FamilyFinished,
    FamilyStep,
    OnEvent,
    RunEvent,
    RunPlanned,
    ServiceStarted,
)

EVERY = 25
"""After so many cells a line says how far a step is."""


def log_to(log: dg.DagsterLogManager) -> OnEvent:
    """Starts, ends and what went wrong; a green cell is a debug line, hundreds of them are noise."""
    done: Counter[Outcome] = Counter()

    def tell(event: RunEvent) -> None:
        match event:
            case RunPlanned():
                log.info(f"{event.engine}: {event.to_run} of {event.total} planned cells will run")
            case EnginePreparing():
                log.info(f"{event.engine}: {event.detail}")
            case EngineReady():
                log.info(f"{event.engine} {event.version} is ready")
            case EngineMissing():
                log.warning(f"{event.engine} cannot be started here: {event.detail}")
            case ServiceStarted():
                log.info(f"{event.system} {event.version} ({event.provider}) is up in {event.seconds:.1f} s")
            case CellFinished():
                said = (
                    f"{event.outcome}  {event.cell_id}  {event.seconds:.1f} s  {event.detail or ''}".rstrip()
                )
                log.debug(said) if event.outcome is Outcome.PASSED else log.warning(said)
                done[event.outcome] += 1
                if done.total() % EVERY == 0:
                    counts = ", ".join(f"{count} {outcome}" for outcome, count in done.most_common())
                    log.info(f"{done.total()} cells so far: {counts}")
            case FamilyStep():
                log.info(f"{event.engine} {event.family}: {event.text}")
            case FamilyFinished():
                said = f"{event.engine} {event.family}: {event.outcome}  {event.seconds:.1f} s  "
                log.info(f"{said}{event.detail or ''}".rstrip())
            case _:
                pass

    return tell
