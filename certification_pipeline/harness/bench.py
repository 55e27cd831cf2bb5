"""The bench a scenario works on: one source table, one engine, one sink, one judge.

A scenario says *what happens* (``seed``, ``load``, ``change``, ``judge``); the bench has it done by its three
sides, and holds what they and the scenario share: the history so far and the evidence. It decides no
outcome: that follows from the judgements (``evidence/cell.py``).
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from uuid import uuid4

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import (
    DriftBehaviour,
    DriftKind,
    FailureCategory,
    Outcome,
    Side,
    Strategy,
)
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.cell import CheckJudgement, LoadEvidence, RowJudgement
from certification_pipeline.evidence.delivery import DeliveryTrials
from certification_pipeline.evidence.disruption import CrashLine, FaultEvidence
from certification_pipeline.harness.engine_side import (
    Begin,
    EngineSide,
    Hear,
    Over,
    load_evidence,
)
from certification_pipeline.harness.engines.protocol import Load, LoadOptions
from certification_pipeline.harness.engines.session import EngineSession, LoadOutcome
from certification_pipeline.harness.judge_side import JudgeSide
from certification_pipeline.harness.nemesis import ANY_END, Halt, Nemesis
from certification_pipeline.harness.oracle.oracle import Resync, SinkView
from certification_pipeline.harness.source_side import SourceSide
from certification_pipeline.harness.station import Station
from certification_pipeline.harness.workload.manners import Manner
from certification_pipeline.harness.workload.rounds import Workload
from certification_pipeline.harness.workload.source import LoggedSource, SourceWriter, TransactionalSource

__all__ = ["Bench", "Halt"]

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
        self.state_dir = station.work_dir / "state"
        self.state_dir.mkdir(parents=True, exist_ok=True)
        self._source = SourceSide(station)
        self._engine = EngineSide(station)
        self._judge = JudgeSide(self)
        self.nemesis = Nemesis(self)

    # --- the source -------------------------------------------------------------------------------

    @property
    def workload(self) -> Workload:
        """The seeded workload; a scenario that asks before :meth:`seed` is wrong."""
        return self._source.workload

    @property
    def source(self) -> SourceWriter:
        """The source table, for scenarios that disturb it themselves."""
        return self._source.table

    @property
    def transactional_source(self) -> TransactionalSource:
        """As :attr:`source`, with statements; plans hold no cell that needs it of a system without them."""
        return self._source.transactional

    @property
    def logged_source(self) -> LoggedSource:
        """As :attr:`source`, with replication slots."""
        return self._source.logged

    def seed(self, workload: str = "standard", *, rows: int | None = None) -> None:
        """Create the source table and fill it with the workload's initial rows."""
        self._source.seed(workload, rows)
        self.options = self.options.model_copy(update=self._source.slice_options())

    def change(self) -> None:
        """Apply the workload's next change round to the source."""
        self.applied += 1
        self._source.apply(self.applied)

    def change_as(self, manner: Manner) -> None:
        """The next change round, done in another manner: other statements, the same rows in the end."""
        round_ = self.applied + 1
        step = f"{self.next_step()}, before change round {round_}"
        done = self._source.apply_as(round_, manner)
        self.applied = round_
        planned: dict[str, JsonValue] = {"change_round": round_}
        self.faults.append(FaultEvidence(step=step, fault=f"source.{manner}", planned=planned, witness=done))

    @contextmanager
    def change_in_flight(self) -> Iterator[None]:
        """Apply the next change round in a transaction that commits only when the block ends."""
        with self._source.in_flight(self.applied + 1):
            yield
        self.applied += 1

    def touch(self) -> None:
        """Commit a transaction that writes a row and changes nothing.

        Beside :meth:`change_in_flight` it is the younger one that commits first, so that who remembers the
        highest transaction seen has passed the older one by.
        """
        self._source.touch()

    # --- the engine -------------------------------------------------------------------------------

    @property
    def successful_loads(self) -> int:
        """Loads so far that the oracle reckons with; a resync is none."""
        return len(self._judge.successes)

    def request(self) -> Load:
        """The load request for the source as it is now."""
        spec = self._source.spec_at(self.applied)
        made = self.station.request(spec, self.workload.table_name, self.options, self.state_dir)
        source = made.source.model_copy(update={"dsn": self.nemesis.dsn(Side.SOURCE, made.source.dsn)})
        sink = made.sink.model_copy(update={"dsn": self.nemesis.dsn(Side.SINK, made.sink.dsn)})
        return made.model_copy(update={"source": source, "sink": sink})

    def with_source(self, request: Load, **changes: str) -> Load:
        """Another run of the request with another source, for failures asked for on purpose."""
        changed = request.source.model_copy(update=changes)
        return request.model_copy(update={"run_id": str(uuid4()), "source": changed})

    def load(
        self,
        *,
        expect: FailureCategory | None = None,
        ends: Collection[str] = (),
        request: Load | None = None,
        halt: bool = True,
        resync: Resync | None = None,
        interrupt: Hear | None = None,
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
        with waits, self._noting_slots():
            outcome = self._engine.run(asked, timeout, interrupt)
        self.loads.append(load_evidence(step, asked, outcome, started_at, utc_now()))
        if not ends:
            ends = ("killed" if interrupt else "result" if expect is None else f"error: {expect}",)
        if ends != ANY_END:
            self.record_check(_ended_as_wanted(step, ends, outcome.end))
            if outcome.end not in ends and halt:
                raise Halt
        if outcome.end == "result" and (ends == ANY_END or "result" in ends):
            if resync is not None:
                self._judge.count_resync(resync)
            else:
                self._judge.count_load()
        return outcome

    @contextmanager
    def _noting_slots(self) -> Iterator[None]:
        """Those made in the block are the load's: loads that make slots wait for each other."""
        before = self._source.slots()
        try:
            yield
        finally:
            new = [name for name in self._source.slots() if name not in (*before, *self.slots)]
            self.slots = (*self.slots, *new)

    def loaded_beside(
        self, asked: Load, outcome: LoadOutcome, started_at: datetime, finished_at: datetime
    ) -> None:
        """Take a load into the history that another process did while this bench waited for its own."""
        self.loads.append(load_evidence(self.next_step(), asked, outcome, started_at, finished_at))
        if outcome.end == "result":
            self._judge.count_load()

    def next_step(self) -> str:
        """What the next load is called in the evidence."""
        step = f"{self.prefix}load {len(self.loads) + 1}"
        return f"{step}, after change round {self.applied}" if self.applied else step

    def dress(self, environment: Mapping[str, str]) -> None:
        """Let the next loads be done by a process with these variables; none: by the usual one."""
        self._engine.dress(environment)

    def engine_at_work(self) -> EngineSession:
        """The process that was asked for the last load. Raises ``LookupError`` before the first."""
        return self._engine.at_work()

    def hearing(
        self, hear: Hear, begin: Begin | None = None, over: Over | None = None
    ) -> AbstractContextManager[None]:
        """``hear`` has every event of the block's loads, ``begin`` their beginnings, ``over`` their ends.

        ``over`` is called before anything is asked of source or sink: what is at work in a thread of its own,
        as a server that is being started again, is waited for there.
        """
        return self._engine.hearing(hear, begin, over)

    def previous_release(self) -> AbstractContextManager[None]:
        """The block's loads are done by the release before; :class:`Halt` where it cannot be had here.

        Raises ``LookupError`` where none is named; plans hold no cell that needs it then.
        """
        return self._engine.previous_release(self.next_step, self.faults)

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
        return self._judge.now(remark)

    def count_broken_load(self) -> None:
        """The load that was broken last had decided to commit: for the oracle, it is a success."""
        self._judge.count_load()

    def judge_all_or_nothing(self, remark: str) -> None:
        """As :meth:`judge`, where it is open whether the broken load came about; if it did, it counts."""
        self._judge.all_or_nothing(remark)

    def judge_as_of(self, rounds: Iterable[int], remark: str) -> None:
        """As :meth:`judge`, for a load that ran while the source changed: the sink must be what it is after
        one of these rounds, the first that fits. Where none does, the one stands that is least wrong."""
        self._judge.as_of(rounds, remark)

    def judge_delivery(self, remark: str) -> None:
        """As :meth:`judge`, but held to the declared guarantee: at-least-once may repeat rows."""
        self._judge.delivery(remark)

    def sink_view(self) -> SinkView:
        """The sink table as the oracle finds it."""
        return self._judge.sink_view()

    def check(self, step: str, name: str, expected: JsonValue, observed: JsonValue) -> bool:
        """Record one expectation of equality; returns whether it held."""
        judgement = CheckJudgement(step=step, name=name, expected=expected, observed=observed)
        self.judgements.append(judgement)
        return judgement.outcome is Outcome.PASSED

    def record_check(self, judgement: CheckJudgement) -> None:
        """Record an expectation with another comparison than equality."""
        self.judgements.append(judgement)

    def load_and_judge(self, remark: str = "") -> LoadOutcome:
        """Judge the sink right after the exit 0, before any rerun could repair what a reader saw."""
        outcome = self.load()
        self.judge(remark)
        return outcome

    def close(self) -> None:
        """Take wires away, drop the loads' slots and the source table; the runner removes the rest."""
        self.nemesis.close()
        self._source.close(self.slots)


def _ended_as_wanted(step: str, ends: Collection[str], observed: str) -> CheckJudgement:
    wanted: list[JsonValue] = [*sorted(ends)]
    if len(wanted) == 1:
        return CheckJudgement(step=step, name="load_ended", expected=wanted[0], observed=observed)
    return CheckJudgement(
        step=step, name="load_ended", expected=wanted, observed=observed, comparison="one_of"
    )
