"""The engine's processes as a bench uses them: which one does the next load, who hears it, how it ended."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from certification_pipeline.catalog.vocabulary import ReasonCode
from certification_pipeline.evidence.cell import Dataset, DatasetColumn, LoadEvidence
from certification_pipeline.evidence.disruption import FaultEvidence
from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.engines.protocol import DataObject, Load, Phase
from certification_pipeline.harness.engines.session import EngineError, EngineSession, LoadOutcome
from certification_pipeline.harness.engines.venv import EngineUnavailable
from certification_pipeline.harness.nemesis import Halt
from certification_pipeline.harness.station import Station

Begin = Callable[[EngineSession], None]
Hear = Callable[[EngineSession, Event], None]
Over = Callable[[], object]


class EngineSide:
    """See the module docstring. One instance serves one bench."""

    def __init__(self, station: Station) -> None:
        self._station = station
        self._session = station.session
        self._environment: Mapping[str, str] = {}
        self._begin: Begin | None = None
        self._hear: Hear | None = None
        self._over: Over | None = None
        self._asked: EngineSession | None = None

    def run(self, asked: Load, timeout: float, interrupt: Hear | None) -> LoadOutcome:
        """Have it load. An engine that does not come up, or broke down while idle, has failed the load."""
        try:
            session = self._asked = self._process()
            heard = interrupt or self._hear
            if self._begin is not None:
                self._begin(session)
            hear = partial(heard, session) if heard else None
            outcome = session.load(asked, timeout=timeout, on_event=hear)
            if self._over is not None:
                self._over()
        except EngineError as error:
            return LoadOutcome(error.ended, None, None, str(error), 0.0)
        return outcome

    def _process(self) -> EngineSession:
        if not self._environment:
            return self._session()
        if self._station.dressed is None:
            raise RuntimeError("this bench starts no engines with variables of their own")
        return self._station.dressed(self._environment)

    def dress(self, environment: Mapping[str, str]) -> None:
        """Let the next loads be done by a process with these variables; none: by the usual one."""
        self._environment = environment

    def at_work(self) -> EngineSession:
        """The process that was asked for the last load. Raises ``LookupError`` before the first."""
        if self._asked is None:
            raise LookupError("no load has been asked for yet")
        return self._asked

    @contextmanager
    def hearing(self, hear: Hear, begin: Begin | None, over: Over | None) -> Iterator[None]:
        """See :meth:`Bench.hearing`."""
        before = (self._hear, self._begin, self._over)
        self._hear, self._begin, self._over = hear, begin, over
        try:
            yield
        finally:
            self._hear, self._begin, self._over = before

    @contextmanager
    def previous_release(self, step: Callable[[], str], faults: list[FaultEvidence]) -> Iterator[None]:
        """See :meth:`Bench.previous_release`; ``faults`` keeps, under ``step``, that it is the one meant."""
        earlier, version = self._station.earlier, self._station.engine.previous
        if earlier is None or version is None:
            raise LookupError(f"{self._station.engine.id} names no previous release")
        running: list[EngineSession] = []

        def session() -> EngineSession:
            if not running or not running[-1].alive:
                running.append(earlier())
                described = running[-1].describe()
                said = described.version.removeprefix("v")
                faults.append(_release_evidence(step(), version, said, described.artifact_digest))
                if said != version:
                    detail = f"it is {said} that runs, not {version}"
                    raise Halt(ReasonCode.NO_WITNESS, detail, _OTHER_RELEASE)
            return running[-1]

        self._session = session
        try:
            yield
        except EngineUnavailable as error:
            raise Halt(ReasonCode.DRIVER_MISSING, str(error.args[0]), error.remedy) from None
        finally:
            self._session = self._station.session
            for each in running:
                each.close()


def load_evidence(
    step: str, asked: Load, outcome: LoadOutcome, started_at: datetime, finished_at: datetime
) -> LoadEvidence:
    """A load as it is kept: what was asked, how it ended, what the engine said about it."""
    record = outcome.record.model_dump(mode="json", exclude_none=True) if outcome.record else None
    return LoadEvidence(
        step=step,
        run_id=asked.run_id,
        ended=outcome.ended,
        message=outcome.message,
        record=record,
        seconds=round(outcome.seconds, 4),
        started_at=started_at,
        finished_at=finished_at,
        source=_dataset(asked.source),
        sink=_dataset(asked.sink),
        columns=tuple(DatasetColumn(name=c.name, type=c.type) for c in asked.columns),
        phases=tuple(event.phase for event in outcome.events if isinstance(event, Phase)),
    )


def _release_evidence(step: str, version: str, said: str, artifact_digest: str | None) -> FaultEvidence:
    """Another version than the one meant proves nothing about it."""
    return FaultEvidence(
        step=step,
        fault="engine.previous_release",
        planned={"version": version},
        witness={"version": said, "artifact_digest": artifact_digest} if said == version else None,
    )


def _dataset(thing: DataObject) -> Dataset:
    return Dataset(system=thing.system, namespace=thing.namespace, name=thing.name)


_OTHER_RELEASE = "the driver must say the version that runs, and `previous` the one that is installed"
