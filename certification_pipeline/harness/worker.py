"""One worker of the pool: takes a cell, plays its scenario with a warm engine, cleans up after it.

Whatever breaks, the cell comes back with what is known and whose fault it was: the engine's, a service's,
the bench's own, or nobody's, because the run was stopped.
"""

from __future__ import annotations

import queue
import shutil
import threading
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from time import perf_counter

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.cell import CheckJudgement, LoadEvidence, RowJudgement, ServiceUse
from certification_pipeline.evidence.delivery import DeliveryTrials
from certification_pipeline.evidence.disruption import CrashLine, FaultEvidence
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.session import EngineError, EngineSession
from certification_pipeline.harness.events import CellStarted
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from certification_pipeline.harness.services.provider import ServiceError
from certification_pipeline.harness.shop import Workshop, namespace_of
from certification_pipeline.harness.warm import WarmEngines

HARNESS_LOG = "harness.log"
"""Tracebacks of our own defects, below the working directory; kept by whoever keeps evidence."""

GLANCE_SECONDS = 0.2
"""How often who waits for a worker looks up."""

_FINISH_SECONDS = 30.0


@dataclass(frozen=True)
class CellResult:
    """What came of one cell; ``families.matrix`` turns it into evidence."""

    planned: PlannedCell
    started_at: datetime
    finished_at: datetime
    seconds: float
    services: tuple[ServiceUse, ...] = ()
    loads: tuple[LoadEvidence, ...] = ()
    judgements: tuple[RowJudgement | CheckJudgement, ...] = ()
    faults: tuple[FaultEvidence, ...] = ()
    crash_line: CrashLine | None = None
    delivery: DeliveryTrials | None = None
    reason: ReasonCode | None = None
    detail: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class _Course:
    """How a cell went; ``reason`` is set when it ended before its scenario did."""

    bench: Bench | None
    reason: ReasonCode | None = None
    detail: str | None = None
    remedy: str | None = None


class Worker:
    """One thread with one warm driver process, of the engine whose cells it is at."""

    def __init__(
        self,
        index: int,
        shop: Workshop,
        todo: queue.SimpleQueue[PlannedCell],
        done: queue.SimpleQueue[CellResult],
        stop: threading.Event,
    ) -> None:
        self._shop = shop
        self._todo = todo
        self._done = done
        self._stop = stop
        self._dir = shop.work_dir / f"worker-{index}"
        self._engines = WarmEngines(self._start)
        self._thread = threading.Thread(target=self._loop, name=f"cell-worker-{index}", daemon=True)

    def start(self) -> None:
        """Begin to take cells."""
        self._dir.mkdir(parents=True, exist_ok=True)
        self._thread.start()

    def abandon(self) -> None:
        """End the engines, whatever they are doing."""
        self._engines.kill()

    def finish(self) -> None:
        """End engines and thread; after ``stop`` is set, a cell in hand loses its engine and ends, too."""
        deadline = perf_counter() + _FINISH_SECONDS
        self._join()
        while self._thread.is_alive() and perf_counter() < deadline:
            self.abandon()
            self._join()
        if self._shop.cancel.is_set():
            self.abandon()
        self._engines.close()

    def _join(self) -> None:
        if self._thread.ident is not None:  # it may never have been started
            self._thread.join(GLANCE_SECONDS)

    def _loop(self) -> None:
        while not self._stop.is_set():
            try:
                cell = self._todo.get_nowait()
            except queue.Empty:
                return
            self._done.put(self._run(cell))

    def _run(self, cell: PlannedCell) -> CellResult:
        """Whatever breaks in here, the cell comes back: somebody waits for it."""
        started_at, clock = utc_now(), perf_counter()
        try:
            course = self._course(cell)
        except BaseException as error:
            course = self._broken(cell, None, error)
        return CellResult(
            planned=cell,
            started_at=started_at,
            finished_at=utc_now(),
            seconds=round(perf_counter() - clock, 4),
            services=self._shop.services_of(cell.key),
            loads=tuple(course.bench.loads) if course.bench else (),
            judgements=tuple(course.bench.judgements) if course.bench else (),
            faults=tuple(course.bench.faults) if course.bench else (),
            crash_line=course.bench.crash_line if course.bench else None,
            delivery=course.bench.delivery if course.bench else None,
            reason=course.reason,
            detail=self._shop.redactor.redact(course.detail) if course.detail else None,
            remedy=course.remedy,
        )

    def _course(self, cell: PlannedCell) -> _Course:
        if self._shop.cancel.is_set():
            return _Course(None, ReasonCode.INTERRUPTED, "the run was stopped before this cell", _RERUN)
        if absent := [s for s in (cell.key.source, cell.key.sink) if s not in self._shop.services]:
            detail = f"{' and '.join(absent)} could not be started in this run"
            return _Course(None, ReasonCode.SERVICE_UNAVAILABLE, detail, _UNAVAILABLE_REMEDY)
        try:
            with self._shop.apart(cell.key) as shop:
                return self._at(shop, cell)
        except ServiceError as error:
            return _Course(None, ReasonCode.SERVICE_UNAVAILABLE, str(error.args[0]), error.remedy)

    def _at(self, shop: Workshop, cell: PlannedCell) -> _Course:
        """The cell in a workshop of which some services may be its own."""
        if gone := _gone(shop, cell):
            return _Course(None, ReasonCode.SERVICE_DIED, gone, _SERVICE_REMEDY)
        if lacking := shop.lacking(cell.key):
            missing = " and ".join(f"this {lack.system} has no {lack.capability}" for lack in lacking)
            remedy = " ".join(lack.remedy for lack in lacking)
            detail = f"{missing}, which the strategy needs"
            return _Course(None, ReasonCode.SERVICE_UNAVAILABLE, detail, remedy)
        # Cells come engine by engine: the one before is done with.
        self._engines.end_all_but(cell.key.engine)
        self._shop.on_event(CellStarted(cell.key.engine, cell.key.cell_id))
        course = self._played(shop, cell)
        if self._stopping():
            # Killed engines look like failed ones; a cell in hand proves nothing any more.
            course = _Course(
                course.bench, ReasonCode.INTERRUPTED, "the run was stopped during this cell", _RERUN
            )
        elif (course.reason or _failed(course.bench)) and (gone := _find_dead(shop, cell)):
            course = _Course(course.bench, ReasonCode.SERVICE_DIED, gone, _SERVICE_REMEDY)
        self._clean(shop, cell, course.bench)
        return course

    def _played(self, shop: Workshop, cell: PlannedCell) -> _Course:
        """The scenario, to its end or to where it halted."""
        bench: Bench | None = None
        try:
            warm = partial(self._session, cell.key.engine)
            bench = Bench(shop.station(cell, self._cell_dir(cell), warm, warm))
            SCENARIOS[cell.key.scenario](bench)
        except Halt as halt:
            return _Course(bench, halt.reason, halt.detail or None, halt.remedy or None)
        except Exception as error:
            return self._broken(cell, bench, error)
        return _Course(bench)

    def _broken(self, cell: PlannedCell, bench: Bench | None, error: BaseException) -> _Course:
        self._log(cell, "".join(traceback.format_exception(error)))
        detail = "".join(traceback.format_exception_only(error)).strip()
        return _Course(bench, ReasonCode.HARNESS_ERROR, detail, _HARNESS_REMEDY)

    def _stopping(self) -> bool:
        return self._shop.cancel.is_set() or self._stop.is_set()

    def _session(self, engine: str, environment: Mapping[str, str] | None = None) -> EngineSession:
        """The worker's process of that engine; one with an environment of its own ends with the cell."""
        if self._stopping():
            raise Halt
        return self._engines.session(engine, environment)

    def _start(self, engine: str, environment: Mapping[str, str] | None) -> EngineSession:
        try:
            return self._shop.session(engine, self._dir, environment)
        except EngineError as error:
            # No process at all: it answered `describe` before the run, so it is the machine that refuses.
            raise RuntimeError(str(error)) from None

    def _clean(self, shop: Workshop, cell: PlannedCell, bench: Bench | None) -> None:
        """Leave nothing of the cell behind; trouble in here is not the subject's, and not the verdict's."""
        try:
            if bench is not None:
                bench.close()
            shop.clean(cell.key)
        except Exception:
            self._log(cell, traceback.format_exc())
        shutil.rmtree(self._cell_dir(cell), ignore_errors=True)

    def _cell_dir(self, cell: PlannedCell) -> Path:
        path = self._dir / "cells" / namespace_of(cell.key)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _log(self, cell: PlannedCell, text: str) -> None:
        with suppress(OSError), (self._shop.work_dir / HARNESS_LOG).open("a", encoding="utf-8") as stream:
            stream.write(f"--- {cell.key.engine} {cell.key.cell_id}\n{self._shop.redactor.redact(text)}\n")


_RERUN = "run it again; cells that were finished are kept"
_UNAVAILABLE_REMEDY = "see `certify doctor`; run the cell again when the service is back"
_SERVICE_REMEDY = "see the service's last log line; start the run again"
_HARNESS_REMEDY = "a defect of the bench, not of the engine: see harness.log in the release, and report it"


def _gone(shop: Workshop, cell: PlannedCell) -> str | None:
    for system in (cell.key.source, cell.key.sink):
        if system in shop.dead:
            return f"{system} stopped answering: {shop.dead[system]}"
    return None


def _find_dead(shop: Workshop, cell: PlannedCell) -> str | None:
    """Before an engine is blamed: do the services it needed still answer as the ones we started?"""
    for system in (cell.key.source, cell.key.sink):
        instance = shop.services[system]
        if system not in shop.dead and not instance.alive():
            tail = instance.log_tail().strip().splitlines()
            shop.dead[system] = tail[-1] if tail else "no log"
    return _gone(shop, cell)


def _failed(bench: Bench | None) -> bool:
    return bench is not None and any(j.outcome is not Outcome.PASSED for j in bench.judgements)
