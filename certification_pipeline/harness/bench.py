"""The bench a scenario works on: one source table, one engine, one sink, one judge.

A scenario says *what happens* (``seed``, ``load``, ``change``, ``judge``); the bench does it, remembers
the history the oracle needs, and collects every judgement. It decides no outcome: that follows from the
judgements (``evidence/cell.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from datetime import datetime
from functools import partial
from uuid import uuid4

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import (
    Anomaly,
    DriftBehaviour,
    DriftKind,
    FailureCategory,
    Guarantee,
    Outcome,
    ReasonCode,
    Side,
    Strategy,
)
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.cell import (
    CheckJudgement,
    Dataset,
    DatasetColumn,
    LoadEvidence,
    RowJudgement,
)
from certification_pipeline.evidence.delivery import DeliveryTrials
from certification_pipeline.evidence.disruption import CrashLine, FaultEvidence
from certification_pipeline.evidence.trials import as_declared
from certification_pipeline.harness.engines.outcome import Event
from certification_pipeline.harness.engines.protocol import DataObject, Described, Load, LoadOptions, Phase
from certification_pipeline.harness.engines.session import EngineError, EngineSession, LoadOutcome
from certification_pipeline.harness.engines.venv import EngineUnavailable
from certification_pipeline.harness.nemesis import ANY_END, Halt, Nemesis
from certification_pipeline.harness.oracle.oracle import History, Resync, SinkView
from certification_pipeline.harness.station import Station
from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.slices import slice_of
from certification_pipeline.harness.workload.source import LoggedSource, SourceWriter, TransactionalSource
from certification_pipeline.harness.workload.sources import open_source
from certification_pipeline.harness.workload.tables import build_workload

__all__ = ["Bench", "Halt"]

Begin = Callable[[EngineSession], None]
Hear = Callable[[EngineSession, Event], None]

_LOAD_TIMEOUT_SECONDS = 120.0
_SECONDS_PER_MILLION_ROWS = 600.0


class Bench:
    """See the module docstring. One instance serves one cell, in one thread."""

    def __init__(self, station: Station, *, prefix: str = "") -> None:
        self.station = station
        self.key = station.planned.key
        self.strategy: Strategy = self.key.strategy
        self.judgements: list[RowJudgement | CheckJudgement] = []
        self.loads: list[LoadEvidence] = []
        self.faults: list[FaultEvidence] = []
        self.crash_line: CrashLine | None = None
        self.delivery: DeliveryTrials | None = None
        self.nemesis = Nemesis(self)
        self.prefix = prefix
        """Of all its steps, where a scenario works at several tables (:meth:`afresh`)."""
        self.options = LoadOptions(cursor_nulls=station.claim.cursor_nulls)
        self.drift: DriftBehaviour | None = None
        self.lookback_judged: int | None = None
        """Seconds, where the engine takes late rows without being told how late: what the oracle is told."""
        self.applied = 0
        self.aborted: tuple[int, ...] = ()
        """Change rounds that were rolled back, and not yet done again."""
        self.slots: tuple[str, ...] = ()
        """Replication slots that this bench's loads have made."""
        self._workload: Workload | None = None
        self._source: SourceWriter | None = None
        self._successes: tuple[int, ...] = ()
        self._resyncs: tuple[Resync, ...] = ()
        self.state_dir = station.work_dir / "state"
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._engine: EngineSession | None = None
        self._environment: Mapping[str, str] = {}
        self._session = station.session
        self._begin: Begin | None = None
        self._hear: Hear | None = None
        self._over: Callable[[], object] | None = None

    # --- the source -------------------------------------------------------------------------------

    @property
    def workload(self) -> Workload:
        """The seeded workload; a scenario that asks before :meth:`seed` is wrong."""
        if self._workload is None:
            raise RuntimeError("the scenario used the workload before seeding it")
        return self._workload

    @property
    def source(self) -> SourceWriter:
        """The source table, for scenarios that disturb it themselves."""
        if self._source is None:
            raise RuntimeError("the scenario used the source before seeding it")
        return self._source

    @property
    def transactional_source(self) -> TransactionalSource:
        """As :attr:`source`, with statements; plans hold no cell that needs it of a system without them."""
        source = self.source
        if not isinstance(source, TransactionalSource):
            raise TypeError(f"{self.key.source} has no transactions, and the scenario's `needs` is silent")
        return source

    @property
    def logged_source(self) -> LoggedSource:
        """As :attr:`source`, with replication slots."""
        source = self.source
        if not isinstance(source, LoggedSource):
            raise TypeError(f"{self.key.source} has no log with slots, and the scenario's `needs` is silent")
        return source

    def seed(self, workload: str = "standard", *, rows: int | None = None) -> None:
        """Create the source table and fill it with the workload's initial rows."""
        planned = self.station.planned
        self._workload = build_workload(workload, planned.rows if rows is None else rows, planned.seed)
        self._source = open_source(
            self.key.source, self.station.source_dsn, self.station.namespace, self._workload.table_name
        )
        self._source.seed(self._workload)
        self._choose_slice()
        if self.strategy in (Strategy.REPLACE, Strategy.BACKFILL, Strategy.PARTITION_REPLACE):
            self.options = self.options.model_copy(update={"partition_column": self._workload.spec.partition})

    def _choose_slice(self) -> None:
        low, high = slice_of(self.strategy, self.workload)
        if low is not None and high is not None:
            update = {"partition_from": low.isoformat(), "partition_to": high.isoformat()}
            self.options = self.options.model_copy(update=update)

    def change(self) -> None:
        """Apply the workload's next change round to the source."""
        self.applied += 1
        self.source.apply(self.workload.change(self.applied))

    def change_as(self, manner: Manner) -> None:
        """The next change round, done in another manner: other statements, the same rows in the end."""
        change = self.workload.change(self.applied + 1)
        step = f"{self.next_step()}, before change round {change.index}"
        with self.transactional_source.open_transaction() as transaction:
            transaction.apply(change, manner)
            transaction.commit()
        self.applied += 1
        done: dict[str, JsonValue] = {
            "inserted_rows": change.inserts.num_rows,
            "updated_rows": change.updates.num_rows,
            "deleted_rows": change.deletes.num_rows,
        }
        planned: dict[str, JsonValue] = {"change_round": change.index}
        self.faults.append(FaultEvidence(step=step, fault=f"source.{manner}", planned=planned, witness=done))

    @contextmanager
    def change_in_flight(self) -> Iterator[None]:
        """Apply the next change round in a transaction that commits only when the block ends."""
        with self.station.quiet, self.transactional_source.open_transaction() as transaction:
            transaction.apply(self.workload.change(self.applied + 1))
            yield
            transaction.commit()
        self.applied += 1

    def touch(self) -> None:
        """Commit a transaction that writes a row and changes nothing.

        Beside :meth:`change_in_flight` it is the younger one that commits first, so that who remembers the
        highest transaction seen has passed the older one by. Rows that are locked are left alone.
        """
        key = '"' + self.workload.spec.primary_key[0].replace('"', '""') + '"'
        source = self.transactional_source
        table = source.qualified_name
        source.execute(
            f"UPDATE {table} SET {key} = {key} WHERE {key} IN "
            f"(SELECT {key} FROM {table} FOR UPDATE SKIP LOCKED LIMIT 1)"
        )

    # --- the engine -------------------------------------------------------------------------------

    @property
    def successful_loads(self) -> int:
        """Loads so far that the oracle reckons with; a resync is none."""
        return len(self._successes)

    def request(self) -> Load:
        """The load request for the source as it is now."""
        spec = self.workload.change(self.applied).spec if self.applied else self.workload.spec
        made = self.station.request(spec, self.workload.table_name, self.options, self.state_dir)
        source = made.source.model_copy(update={"dsn": self.nemesis.dsn(Side.SOURCE, made.source.dsn)})
        sink = made.sink.model_copy(update={"dsn": self.nemesis.dsn(Side.SINK, made.sink.dsn)})
        return made.model_copy(update={"source": source, "sink": sink})

    def load(
        self,
        *,
        expect: FailureCategory | None = None,
        ends: Collection[str] = (),
        request: Load | None = None,
        halt: bool = True,
        resync: Resync | None = None,
        interrupt: Callable[[EngineSession, Event], None] | None = None,
        timeout: float | None = None,
    ) -> LoadOutcome:
        """Have the engine load; judge how it ended. Raises :class:`Halt` when it ended otherwise.

        ``expect`` is the failure category the load must end in; ``None`` means it must succeed. ``ends`` are
        all ends that are right, spelt as :attr:`LoadOutcome.end`, or :data:`nemesis.ANY_END`.
        ``halt=False`` goes on after an unexpected end, where the next step does not rest on this one.
        ``resync`` says what the request reads again, when it is not the next load. ``interrupt`` hears every
        phase and progress as it comes and must end the engine: the load has then to end in ``killed``.
        ``timeout`` is in seconds, where the scenario has one of its own; a load that takes longer is ended.
        """
        step = self.next_step()
        self.station.on_step(step)
        asked = request or self.request()
        started_at = utc_now()
        timeout = timeout or _LOAD_TIMEOUT_SECONDS + self.workload.rows / 1e6 * _SECONDS_PER_MILLION_ROWS
        # A replication slot can only begin when all transactions of the server have ended.
        waits = self.station.quiet if self.strategy is Strategy.CDC else nullcontext()
        try:
            with waits, self._noting_slots():
                session = self._engine = self._process()
                heard = interrupt or self._hear
                hear = partial(heard, session) if heard else None
                if self._begin is not None:
                    self._begin(session)
                outcome = session.load(asked, timeout=timeout, on_event=hear)
                if self._over is not None:
                    self._over()
        except EngineError as error:
            # It did not come up again, or broke down while idle: its own failure, as in the midst of a load.
            outcome = LoadOutcome(error.ended, None, None, str(error), 0.0)
        self._remember(step, asked, outcome, started_at, utc_now())
        if not ends:
            ends = ("killed" if interrupt else "result" if expect is None else f"error: {expect}",)
        if ends != ANY_END:
            self.record_check(_ended_as_wanted(step, ends, outcome.end))
            if outcome.end not in ends and halt:
                raise Halt
        if outcome.end == "result" and (ends == ANY_END or "result" in ends):
            if resync is not None:
                self._resyncs = (*self._resyncs, resync)
            else:
                self._successes = (*self._successes, self.applied)
        return outcome

    @contextmanager
    def _noting_slots(self) -> Iterator[None]:
        """Those made in the block are the load's: loads that make slots wait for each other."""
        before = self._slots_there()
        try:
            yield
        finally:
            new = [name for name in self._slots_there() if name not in (*before, *self.slots)]
            self.slots = (*self.slots, *new)

    def _slots_there(self) -> tuple[str, ...]:
        logged = self.strategy is Strategy.CDC and isinstance(self._source, LoggedSource)
        return self.logged_source.slots() if logged else ()

    def loaded_beside(
        self, asked: Load, outcome: LoadOutcome, started_at: datetime, finished_at: datetime
    ) -> None:
        """Take a load into the history that another process did while this bench waited for its own."""
        self._remember(self.next_step(), asked, outcome, started_at, finished_at)
        if outcome.end == "result":
            self._successes = (*self._successes, self.applied)

    def _remember(
        self, step: str, asked: Load, outcome: LoadOutcome, started_at: datetime, finished_at: datetime
    ) -> None:
        record = outcome.record.model_dump(mode="json", exclude_none=True) if outcome.record else None
        self.loads.append(
            LoadEvidence(
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
        )

    def next_step(self) -> str:
        """What the next load is called in the evidence."""
        step = f"{self.prefix}load {len(self.loads) + 1}"
        return f"{step}, after change round {self.applied}" if self.applied else step

    def dress(self, environment: Mapping[str, str]) -> None:
        """Let the next loads be done by a process with these variables; none: by the usual one."""
        self._environment = environment

    def _process(self) -> EngineSession:
        if not self._environment:
            return self._session()
        if self.station.dressed is None:
            raise RuntimeError("this bench starts no engines with variables of their own")
        return self.station.dressed(self._environment)

    def engine_at_work(self) -> EngineSession:
        """The process that was asked for the last load. Raises ``LookupError`` before the first."""
        if self._engine is None:
            raise LookupError("no load has been asked for yet")
        return self._engine

    @contextmanager
    def previous_release(self) -> Iterator[None]:
        """The block's loads are done by the release before; :class:`Halt` where it cannot be had here.

        Raises ``LookupError`` where none is named; plans hold no cell that needs it then.
        """
        earlier, version = self.station.earlier, self.station.engine.previous
        if earlier is None or version is None:
            raise LookupError(f"{self.key.engine} names no previous release")
        running: list[EngineSession] = []

        def session() -> EngineSession:
            if not running or not running[-1].alive:
                running.append(earlier())
                self._witness_release(version, running[-1].describe())
            return running[-1]

        self._session = session
        try:
            yield
        except EngineUnavailable as error:
            raise Halt(ReasonCode.DRIVER_MISSING, str(error.args[0]), error.remedy) from None
        finally:
            self._session = self.station.session
            for each in running:
                each.close()

    def _witness_release(self, version: str, described: Described) -> None:
        """Another version than the one meant proves nothing about it."""
        said = described.version.removeprefix("v")
        witness: dict[str, JsonValue] = {"version": said, "artifact_digest": described.artifact_digest}
        self.faults.append(
            FaultEvidence(
                step=self.next_step(),
                fault="engine.previous_release",
                planned={"version": version},
                witness=witness if said == version else None,
            )
        )
        if said != version:
            raise Halt(ReasonCode.NO_WITNESS, f"it is {said} that runs, not {version}", _OTHER_RELEASE)

    @contextmanager
    def hearing(
        self, hear: Hear, begin: Begin | None = None, over: Callable[[], object] | None = None
    ) -> Iterator[None]:
        """``hear`` has every event of the block's loads, ``begin`` their beginnings, ``over`` their ends.

        ``over`` is called before anything is asked of source or sink: what is at work in a thread of its own,
        as a server that is being started again, is waited for there.
        """
        before, self._hear, self._begin, self._over = (self._hear, self._begin, self._over), hear, begin, over
        try:
            yield
        finally:
            self._hear, self._begin, self._over = before

    def afresh(self, number: int, prefix: str) -> Bench:
        """A bench at a table of its own, which adds to this one's evidence; close it before this one."""
        other = Bench(self.station.afresh(number), prefix=prefix)
        other.judgements, other.loads, other.faults = self.judgements, self.loads, self.faults
        return other

    def declared_drift(self, kind: DriftKind) -> DriftBehaviour:
        """What the engine declares for this strategy; plans hold no drift cell without a declaration."""
        declared = self.station.claims.drift_behaviour(self.strategy, kind)
        if declared is None:
            raise LookupError(
                f"{self.key.engine} declares nothing about schema.{kind} on {self.key.route_id}"
            )
        return declared

    def lose_state(self) -> None:
        """Empty the engine's state folder, as when a pod with ephemeral disk is rescheduled."""
        shutil.rmtree(self.state_dir)
        self.state_dir.mkdir()

    # --- the judge --------------------------------------------------------------------------------

    def judge(self, remark: str = "") -> RowJudgement:
        """Let the oracle compare the sink with the reference model, now."""
        step = f"{self.prefix}after load {len(self.loads)}" + (f" ({remark})" if remark else "")
        judgement = self._judgement(step)
        self.judgements.append(judgement)
        return judgement

    def count_broken_load(self) -> None:
        """The load that was broken last had decided to commit: for the oracle, it is a success."""
        self._successes = (*self._successes, self.applied)

    def judge_all_or_nothing(self, remark: str) -> None:
        """As :meth:`judge`, where it is open whether the broken load came about; if it did, it counts."""
        step = f"{self.prefix}after load {len(self.loads)} ({remark})"
        without, judgement = self._successes, self._judgement(step)
        if judgement.outcome is not Outcome.PASSED:
            self.count_broken_load()
            other = self._judgement(step)
            if other.outcome is Outcome.PASSED:
                judgement = other
            else:
                self._successes = without
        self.judgements.append(judgement)

    def judge_as_of(self, rounds: Iterable[int], remark: str) -> None:
        """As :meth:`judge`, for a load that ran while the source changed: the sink must be what it is after
        one of these rounds, the first that fits. Where none does, the one stands that is least wrong."""
        step = f"{self.prefix}after load {len(self.loads)} ({remark})"
        earlier, tried = self._successes[:-1], []
        for round_ in rounds:
            self._successes = (*earlier, round_)
            tried.append(self._judgement(step))
            if tried[-1].outcome is Outcome.PASSED:
                break
        self.judgements.append(min(tried, key=_wrong_rows))

    def judge_delivery(self, remark: str) -> None:
        """As :meth:`judge`, but held to the declared guarantee: at-least-once may repeat rows."""
        guarantee = self.station.claim.guarantee
        if guarantee is None or guarantee.rank >= Guarantee.EFFECTIVELY_ONCE.rank:
            self.judge(remark)
            return
        step = f"{self.prefix}after load {len(self.loads)} ({remark})"
        judgement = self._judgement(step)
        allowed = {Anomaly.DUPLICATE}
        if guarantee is Guarantee.BEST_EFFORT:
            allowed.add(Anomaly.LOST)
        found = set(judgement.anomalies)
        if judgement.remark or not found or not found <= allowed:
            self.judgements.append(judgement)  # right without any allowance, or wrong in spite of it
            return
        for anomaly in Anomaly:
            count = judgement.anomalies.get(anomaly, 0)
            if anomaly not in allowed:
                self.check(step, f"rows {anomaly}", 0, count)
            elif count:
                # Not held against it, but seen: what is observed bounds what may be declared.
                name = as_declared(anomaly)
                self.record_check(
                    CheckJudgement(step=step, name=name, expected=0, observed=count, comparison="at_least")
                )

    def _judgement(self, step: str) -> RowJudgement:
        history = History(
            workload=self.workload, loads=self._successes, aborted=self.aborted, resyncs=self._resyncs
        )
        options = self.options
        if self.lookback_judged is not None:
            options = options.model_copy(update={"lookback_seconds": self.lookback_judged})
        semantics = self.station.semantics(options, self.drift)
        return self.station.oracle.judge(step, history, semantics, self.sink_view())

    def sink_view(self) -> SinkView:
        """The sink table as the oracle finds it."""
        spec = self.workload.spec
        sink = self.station.request(spec, self.workload.table_name, self.options, self.state_dir).sink
        return SinkView(
            system=sink.system,
            dsn=sink.dsn,
            namespace=sink.namespace,
            name=sink.name,
            types=self.station.types,
        )

    def check(
        self,
        step: str,
        name: str,
        expected: JsonValue,
        observed: JsonValue,
    ) -> bool:
        """Record one expectation of equality; returns whether it held."""
        judgement = CheckJudgement(step=step, name=name, expected=expected, observed=observed)
        self.judgements.append(judgement)
        return judgement.outcome is Outcome.PASSED

    def record_check(self, judgement: CheckJudgement) -> None:
        """Record an expectation with another comparison than equality."""
        self.judgements.append(judgement)

    # --- together ---------------------------------------------------------------------------------

    def load_and_judge(self, remark: str = "") -> LoadOutcome:
        """Judge the sink right after the exit 0, before any rerun could repair what a reader saw."""
        outcome = self.load()
        self.judge(remark)
        return outcome

    def with_source(self, request: Load, **changes: str) -> Load:
        """Another run of the request with another source, for failures asked for on purpose."""
        changed = request.source.model_copy(update=changes)
        return request.model_copy(update={"run_id": str(uuid4()), "source": changed})

    def close(self) -> None:
        """Take wires away, drop the loads' slots and the source table; the runner removes the rest."""
        self.nemesis.close()
        if self._source is not None:
            if isinstance(self._source, LoggedSource):
                for slot in self.slots:
                    self._source.drop_slot(slot)
            self._source.drop()
            self._source.close()


_OTHER_RELEASE = "the driver must say the version that runs, and `previous` the one that is installed"


def _wrong_rows(judgement: RowJudgement) -> tuple[bool, int]:
    """The least for the sink that is nearest to right."""
    return judgement.outcome is not Outcome.PASSED, sum(judgement.anomalies.values())


def _ended_as_wanted(step: str, ends: Collection[str], observed: str) -> CheckJudgement:
    wanted: list[JsonValue] = [*sorted(ends)]
    if len(wanted) == 1:
        return CheckJudgement(step=step, name="load_ended", expected=wanted[0], observed=observed)
    return CheckJudgement(
        step=step, name="load_ended", expected=wanted, observed=observed, comparison="one_of"
    )


def _dataset(thing: DataObject) -> Dataset:
    return Dataset(system=thing.system, namespace=thing.namespace, name=thing.name)
