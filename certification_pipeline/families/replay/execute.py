"""One replay, done and judged: rebuild, damage, replay, look, replay again, look, load on, look."""

from __future__ import annotations

import time
from collections.abc import Callable

from certification_pipeline.catalog.vocabulary import ReplayKind, Strategy
from certification_pipeline.evidence.cell import CheckJudgement, Fingerprint, RowJudgement, ServiceUse
from certification_pipeline.evidence.replay import Aspect, ReplayItem, ReplayJudgement
from certification_pipeline.families.replay.damage import Damage, condition, hand_on
from certification_pipeline.families.replay.scope import PlannedReplay, keys_ever_in, repeats_itself, rows_at
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.outcome import Event, LoadOutcome
from certification_pipeline.harness.engines.protocol import Load, Phase
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.oracle.oracle import Region, Resync

BY_SLICE = frozenset({Strategy.REPLACE, Strategy.PARTITION_REPLACE, Strategy.BACKFILL})
"""Where the scope is a slice; elsewhere a resync works by key (see :class:`Resync`)."""
BREAK_AT = "extract"
"""The phase in which a load is broken: it has begun, and has committed nothing."""
_DAYS_FIRST = 3
"""A backfill commits day by day: it is broken when some are done and some are not."""
_LET_GO_SECONDS = 5.0


def planned_item(planned: PlannedReplay, operations: tuple[str, ...] = ()) -> ReplayItem:
    """The item of a replay that was not done (yet)."""
    run = planned.run
    return ReplayItem(
        kind=planned.kind,
        action=planned.kind.action,
        run_id=run.run_id,
        cell_id=run.key.cell_id,
        source=run.key.source,
        sink=run.key.sink,
        strategy=run.key.strategy,
        mode="plan",
        scope=planned.scope,
        rows_in_scope=planned.rows_in_scope,
        rows=run.planned.rows,
        rebuilt_rows=planned.workload.rows,
        seed=run.planned.seed,
        operations=operations or operations_of(planned),
    ).recomputed()


def operations_of(planned: PlannedReplay) -> tuple[str, ...]:
    """What would be done, in order."""
    run = planned.run
    rounds = ", ".join(map(str, planned.rounds)) or "none"
    rebuilt = (
        f"make {run.workload}, {planned.workload.rows} rows, seed {run.planned.seed}",
        f"load after change rounds: {rounds} ({run.key.strategy} on {run.key.route_id})",
        f"change the source up to round {planned.at_round}",
    )
    if planned.kind is ReplayKind.RESUME:
        return (
            *rebuilt,
            f"start the {'run' if repeats_itself(run) else 'next load'}, kill the engine in {BREAK_AT}",
            "resume from the last committed checkpoint; judge",
            "resume again; compare",
            "change rows, load; judge",
        )
    assert planned.scope is not None
    return (
        *rebuilt,
        "damage rows in scope in the sink, put tell-tale rows outside of it",
        f"resync {condition(planned.scope)}: {planned.rows_in_scope} rows; compare what is outside; judge",
        "resync again; compare",
        "load, change rows, load; judge",
    )


class Replaying:
    """One replay on one bench. :meth:`run` does it and never raises for what the engine does."""

    def __init__(
        self,
        planned: PlannedReplay,
        bench: Bench,
        services: tuple[ServiceUse, ...],
        tell: Callable[[str], None],
    ) -> None:
        self.planned, self.bench, self.services = planned, bench, services
        self._tell = tell
        self._noted: list[ReplayJudgement] = []
        self._detail: str | None = None

    def run(self) -> ReplayItem:
        """The item with all that was seen."""
        began = time.monotonic()
        try:
            self._rebuild()
            if self.planned.region is None:
                self._resume()
            else:
                self._resync(self.planned.region)
        except Halt:
            self._detail = self._detail or "an engine's answer left nothing to go on from"
        item = planned_item(self.planned)
        return item.model_copy(
            update={
                "mode": "execute",
                "judgements": tuple(self._noted),
                "loads": tuple(self.bench.loads),
                "services": self.services,
                "detail": self._detail,
                "seconds": round(time.monotonic() - began, 4),
            }
        ).recomputed()

    # --- the steps ----------------------------------------------------------------------------------

    def _rebuild(self) -> None:
        bench, planned = self.bench, self.planned
        self._tell(f"rebuild the history of run {planned.run.run_id[:8]}")
        bench.seed(planned.run.workload, rows=planned.workload.rows)
        for round_ in planned.rounds:
            self._change_to(round_)
            self._load(Aspect.BASIS)
        if planned.rounds:
            self._note(Aspect.BASIS, self._judge("as after the earlier run"))
        self._change_to(planned.at_round)
        wanted = len(rows_at(planned.workload, planned.at_round))
        self._check(Aspect.BASIS, "rows at the source", wanted, bench.source.count())

    def _resync(self, region: Region) -> None:
        bench, planned = self.bench, self.planned
        assert planned.scope is not None
        damage = Damage(bench.workload.spec, condition(planned.scope))
        with hand_on(bench.sink_view()) as hand:
            damage.inflict(hand, ghost=region.of == "partition")
        self._at_least("damaged rows inside", 1, damage.damaged)
        self._at_least("tell-tale rows outside", 3, damage.telltales)
        before = self._seen(region)
        self._at_least("rows outside", 4, before.rows)
        done = self._replay(region)
        self._compare(Aspect.OUTSIDE, "outside, after the replay", before, self._seen(region))
        with hand_on(bench.sink_view()) as hand:
            damage.take_back(hand)
        self._note(Aspect.INSIDE, self._judge("after the replay"))
        self._state_unmoved(done)
        once = self._seen()
        self._replay(region, judged=Aspect.IDEMPOTENT)
        self._compare(Aspect.IDEMPOTENT, "the whole sink, after a second replay", once, self._seen())
        self._go_on("after the replay")

    def _resume(self) -> None:
        broken = self._break()
        self._check(Aspect.WITNESS, "load_ended", "killed", broken.ended)
        if broken.ended != "killed":
            raise Halt
        self._wait_until_let_go()
        self._replay(None)
        self._note(Aspect.INSIDE, self._judge("after the resume"))
        once = self._seen()
        self._replay(None, judged=Aspect.IDEMPOTENT)
        self._compare(Aspect.IDEMPOTENT, "the whole sink, after a second resume", once, self._seen())
        self._go_on("after the resume")

    def _break(self) -> LoadOutcome:
        """Start a load and kill the engine in it."""
        bench = self.bench
        several = bench.strategy is Strategy.BACKFILL
        seen = 0

        def interrupt(session: EngineSession, event: Event) -> None:
            nonlocal seen
            if isinstance(event, Phase) and event.phase == BREAK_AT:
                seen += 1
                if seen == (_DAYS_FIRST if several else 1):
                    session.kill()

        self._tell("break a load")
        # With its table locked the load cannot end before it is killed. A log is read without the table, and
        # a backfill must get through its first days.
        held = several or bench.strategy is Strategy.CDC
        if held:
            return bench.load(interrupt=interrupt, halt=False)
        source = bench.transactional_source
        with bench.station.quiet, source.open_transaction() as transaction:
            transaction.execute(f"LOCK TABLE {source.qualified_name} IN ACCESS EXCLUSIVE MODE")
            return bench.load(interrupt=interrupt, halt=False)

    def _wait_until_let_go(self) -> None:
        """A server notices a client's death in its own time; a scheduler waits, too, before it retries."""
        source, deadline = self.bench.transactional_source, time.monotonic() + _LET_GO_SECONDS
        held = (
            "SELECT 1 FROM pg_locks WHERE locktype = 'advisory' "
            "UNION ALL SELECT 1 FROM pg_replication_slots WHERE active"
        )
        time.sleep(0.05)
        while source.execute(held) > 0 and time.monotonic() < deadline:
            time.sleep(0.05)

    def _go_on(self, when: str) -> None:
        """Ordinary loads afterwards: a position that was moved loses rows or repeats them."""
        bench = self.bench
        self._load(Aspect.STATE)
        self._note(Aspect.STATE, self._judge(f"the next load {when}"))
        if bench.applied < bench.workload.changes:
            bench.change()
            self._load(Aspect.STATE)
            self._note(Aspect.STATE, self._judge(f"a change round and a load {when}"))

    # --- building blocks ----------------------------------------------------------------------------

    def _change_to(self, round_: int) -> None:
        while self.bench.applied < round_:
            self.bench.change()

    def _load(self, aspect: Aspect, request: Load | None = None, resync: Resync | None = None) -> LoadOutcome:
        try:
            outcome = self.bench.load(request=request, resync=resync)
        finally:
            # How it ended is judged by the bench, also when there is no going on from it.
            self._note(aspect, self.bench.judgements[-1])
            self._detail = self._detail or self.bench.loads[-1].message
        return outcome

    def _replay(self, region: Region | None, judged: Aspect = Aspect.EXECUTED) -> LoadOutcome:
        bench, planned = self.bench, self.planned
        self._tell(f"{planned.kind.action} ({planned.kind})")
        request = bench.request()
        options = request.options.model_copy(update={"replay": planned.request})
        request = request.model_copy(update={"options": options})
        if region is None:
            return self._load(judged, request)
        by_key = bench.strategy not in BY_SLICE
        resync = Resync(region, bench.successful_loads, planned.at_round, by_key)
        return self._load(judged, request, resync)

    def _state_unmoved(self, outcome: LoadOutcome) -> None:
        """What the engine says of its own position, if anything; the loads after it are the proof."""
        record = outcome.record
        if record is not None and record.state_before is not None and record.state_after is not None:
            self._check(Aspect.STATE, "state_after", record.state_before, record.state_after)

    def _judge(self, remark: str) -> RowJudgement:
        return self.bench.judge(remark)

    def _seen(self, outside: Region | None = None) -> Fingerprint:
        """The sink's rows now: all, or those outside of a region."""
        bench = self.bench
        return bench.station.oracle.fingerprint_sink(
            bench.sink_view(),
            bench.workload.spec,
            bench.station.engine.added_columns,
            outside,
            self._followed(outside) if outside else (),
        )

    def _followed(self, region: Region) -> frozenset[int]:
        """Keys that were ever in the region: by key they are followed when their row moves in or out.

        They are neither inside nor outside, so that the judgement of the whole sink alone is about them.
        """
        if self.bench.strategy in BY_SLICE:
            return frozenset()
        planned = self.planned
        return keys_ever_in(planned.workload, planned.at_round, region)

    def _compare(self, aspect: Aspect, step: str, before: Fingerprint, after: Fingerprint) -> None:
        self._note(aspect, RowJudgement(step=step, expected=before, actual=after, anomalies={}))

    def _at_least(self, name: str, least: int, found: int) -> None:
        check = CheckJudgement(
            step="before the replay", name=name, expected=least, observed=found, comparison="at_least"
        )
        self._note(Aspect.WITNESS, check)

    def _check(self, aspect: Aspect, name: str, expected: object, observed: object) -> None:
        step = f"load {len(self.bench.loads)}"
        check = CheckJudgement.model_validate(
            {"step": step, "name": name, "expected": expected, "observed": observed}
        )
        self._note(aspect, check)

    def _note(self, aspect: Aspect, judgement: RowJudgement | CheckJudgement) -> None:
        self._noted.append(ReplayJudgement(aspect=aspect, judgement=judgement))
