"""One load, from request to run record.

Each attempt opens source and sink, and runs one or more rounds (backfill: one a day); a round is one sink
transaction: stage, evolve, finalize, state, commit. Only a log source is told to move on, and only after
that commit.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from functools import partial
from pathlib import Path

import structlog

from certification_pipeline.harness.engines.protocol import Error, Load, Phase, Result
from certification_pipeline.reference.defects import Defect
from certification_pipeline.reference.failures import LoadError, redact
from certification_pipeline.reference.planted.effort import burn
from certification_pipeline.reference.planted.positions import lock_file
from certification_pipeline.reference.planted.telling import spoilt_failure, spoilt_record
from certification_pipeline.reference.record import ENGINE, TWO_PHASE_ENGINE, Ledger, reset_peak_memory
from certification_pipeline.reference.request import check_capability, check_request
from certification_pipeline.reference.resync import is_resync, resync_plan
from certification_pipeline.reference.retry import with_retries
from certification_pipeline.reference.rounds import Attempt
from certification_pipeline.reference.sinks.registry import open_sink
from certification_pipeline.reference.sources.registry import capabilities_of, open_source
from certification_pipeline.reference.state import PipelineState
from certification_pipeline.reference.strategies.registry import PLANS

Emit = Callable[[Phase | Result | Error], None]


def run_load(load: Load, emit: Emit, defect: Defect | None = None, *, two_phase: bool = False) -> None:
    """Serve one request; always ends in exactly one ``result`` or ``error`` event."""
    reset_peak_memory()
    ledger, began = Ledger(load, TWO_PHASE_ENGINE if two_phase else ENGINE), time.monotonic()
    log = structlog.get_logger().bind(run_id=load.run_id, strategy=str(load.strategy), sink=load.sink.system)
    secrets = (load.source.dsn, load.sink.dsn if "://" in load.sink.dsn else "")

    def phase(name: str) -> None:
        emit(Phase(run_id=load.run_id, phase=name))

    def note(retries: int, error: LoadError) -> None:
        ledger.retries += 1
        log.warning(
            "retry", retries=retries, category=str(error.category), reason=redact(error.message, *secrets)
        )
        phase("retry")

    try:
        with_retries(lambda: _attempt(load, ledger, phase, defect, two_phase), note)
        if defect is Defect.SLOW_LOAD:
            burn(time.monotonic() - began)
    except LoadError as error:
        message = redact(error.message, *secrets)
        log.error("load failed", category=str(error.category), reason=message)
        if defect is Defect.ERRORS_SWALLOWED:
            emit(Result(run_id=load.run_id, record=ledger.record()))
            return
        category, message = spoilt_failure(defect, load, error, message)
        record = ledger.record(category)
        emit(
            Error(
                run_id=load.run_id,
                category=category,
                message=message,
                retryable=error.retryable,
                record=record,
            )
        )
        return
    record = spoilt_record(defect, ledger.record())
    log.info("load done", loaded=record.loaded_rows, final=record.final_rows, seconds=record.timings_seconds)
    emit(Result(run_id=load.run_id, record=record))


def _attempt(
    load: Load, ledger: Ledger, phase: Callable[[str], None], defect: Defect | None, two_phase: bool
) -> None:
    ledger.reset()
    plan = resync_plan(load) if is_resync(load) else PLANS[load.strategy]
    check_request(load, plan)
    check_capability(load, plan, capabilities_of(load.source.system))
    if defect is Defect.RETRY_BELIEVED_DONE and ledger.retries:
        return
    folder = _work_folder(load)
    try:
        phase("connect")
        with ExitStack() as stack:
            if defect is Defect.LOCK_FILE_LEFT:
                stack.enter_context(lock_file(Path(load.state_dir)))
            sink = stack.enter_context(closing(open_sink(load.sink)))
            coordinator = None
            if two_phase:
                from certification_pipeline.reference.two_phase.opening import (  # noqa: PLC0415
                    open_coordinator,
                )

                # Before the source: what is in doubt must not wait for a source that is down.
                coordinator = stack.enter_context(open_coordinator(load, sink, phase, defect))
            source = stack.enter_context(closing(open_source(load, ledger, defect)))
            attempt = Attempt(load, plan, sink, source, ledger, phase, folder, defect)
            if coordinator is not None:
                pipeline = attempt.identity()
                coordinator.sweep(pipeline)
                attempt.settle = partial(coordinator.settle, pipeline)
            attempt.run()
    finally:
        if load.options.staging_retention == "drop":
            shutil.rmtree(folder, ignore_errors=True)


def _work_folder(load: Load) -> Path:
    """Where file artifacts rest during a load; what a crashed run left there is removed first."""
    folder = Path(load.state_dir) / "artifacts"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def forget(load: Load) -> None:
    """Drop what a pipeline left at the source (slot, publication) and its state; the sink's rows stay.

    Raises :class:`LoadError`. For a pipeline that is retired: an orphaned slot keeps the source's log.
    """
    from certification_pipeline.reference.sources.log import LogReader  # noqa: PLC0415
    from certification_pipeline.reference.sources.postgres import PostgresSource  # noqa: PLC0415

    ledger = Ledger(load)
    with closing(open_sink(load.sink)) as sink, closing(open_source(load, ledger)) as source:
        attempt = Attempt(
            load, PLANS[load.strategy], sink, source, ledger, lambda _: None, Path(load.state_dir), None
        )
        sink.pipeline = attempt.identity()
        if isinstance(source, PostgresSource):
            LogReader(source.connection, source.namespace, source.name, sink.pipeline).forget()
        with attempt.transaction():
            sink.write_state(PipelineState())
            sink.commit()
