"""The bench's judge: remembers which loads count, has the oracle look at the sink, keeps what it says."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from certification_pipeline.catalog.vocabulary import Anomaly, Guarantee, Outcome
from certification_pipeline.evidence.cell import CheckJudgement, RowJudgement
from certification_pipeline.evidence.trials import as_declared
from certification_pipeline.harness.oracle.oracle import History, Resync, SinkView

if TYPE_CHECKING:
    from certification_pipeline.harness.bench import Bench


class JudgeSide:
    """See the module docstring. One instance serves one bench; what each way to judge means stands there."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.successes: tuple[int, ...] = ()
        """For each load that counts the change round after which it began."""
        self.resyncs: tuple[Resync, ...] = ()

    def count_load(self) -> None:
        """A load of the source as it is now came about."""
        self.successes = (*self.successes, self._bench.applied)

    def count_resync(self, resync: Resync) -> None:
        """What it says was read again."""
        self.resyncs = (*self.resyncs, resync)

    def now(self, remark: str) -> RowJudgement:
        """See :meth:`Bench.judge`."""
        judgement = self._judgement(self._step(remark))
        self._keep(judgement)
        return judgement

    def all_or_nothing(self, remark: str) -> None:
        """See :meth:`Bench.judge_all_or_nothing`."""
        step = self._step(remark)
        without, judgement = self.successes, self._judgement(step)
        if judgement.outcome is not Outcome.PASSED:
            self.count_load()
            other = self._judgement(step)
            if other.outcome is Outcome.PASSED:
                judgement = other
            else:
                self.successes = without
        self._keep(judgement)

    def as_of(self, rounds: Iterable[int], remark: str) -> None:
        """See :meth:`Bench.judge_as_of`."""
        step = self._step(remark)
        earlier, tried = self.successes[:-1], []
        for round_ in rounds:
            self.successes = (*earlier, round_)
            tried.append(self._judgement(step))
            if tried[-1].outcome is Outcome.PASSED:
                break
        self._keep(min(tried, key=_wrong_rows))

    def delivery(self, remark: str) -> None:
        """See :meth:`Bench.judge_delivery`."""
        guarantee = self._bench.station.claim.guarantee
        if guarantee is None or guarantee.rank >= Guarantee.EFFECTIVELY_ONCE.rank:
            self.now(remark)
            return
        allowed = {Anomaly.DUPLICATE}
        if guarantee is Guarantee.BEST_EFFORT:
            allowed.add(Anomaly.LOST)
        judgement = self._judgement(self._step(remark))
        found = set(judgement.anomalies)
        if judgement.remark or not found or not found <= allowed:
            self._keep(judgement)  # right without any allowance, or wrong in spite of it
        else:
            self._allow(judgement, allowed)

    def _allow(self, judgement: RowJudgement, allowed: set[Anomaly]) -> None:
        """In place of the judgement: its counts, each held to what is declared."""
        for anomaly in Anomaly:
            count = judgement.anomalies.get(anomaly, 0)
            if anomaly not in allowed:
                self._bench.check(judgement.step, f"rows {anomaly}", 0, count)
            elif count:
                # Not held against it, but seen: what is observed bounds what may be declared.
                self._keep(
                    CheckJudgement(
                        step=judgement.step,
                        name=as_declared(anomaly),
                        expected=0,
                        observed=count,
                        comparison="at_least",
                    )
                )

    def sink_view(self) -> SinkView:
        """The sink table as the oracle finds it."""
        bench, workload = self._bench, self._bench.workload
        sink = bench.station.request(workload.spec, workload.table_name, bench.options, bench.state_dir).sink
        return SinkView(
            system=sink.system,
            dsn=sink.dsn,
            namespace=sink.namespace,
            name=sink.name,
            types=bench.station.types,
        )

    def _step(self, remark: str) -> str:
        step = f"{self._bench.prefix}after load {len(self._bench.loads)}"
        return f"{step} ({remark})" if remark else step

    def _judgement(self, step: str) -> RowJudgement:
        bench = self._bench
        history = History(
            workload=bench.workload, loads=self.successes, aborted=bench.aborted, resyncs=self.resyncs
        )
        options = bench.options
        if bench.lookback_judged is not None:
            options = options.model_copy(update={"lookback_seconds": bench.lookback_judged})
        semantics = bench.station.semantics(options, bench.drift)
        return bench.station.oracle.judge(step, history, semantics, self.sink_view())

    def _keep(self, judgement: RowJudgement | CheckJudgement) -> None:
        self._bench.judgements.append(judgement)


def _wrong_rows(judgement: RowJudgement) -> tuple[bool, int]:
    """The least for the sink that is nearest to right."""
    return judgement.outcome is not Outcome.PASSED, sum(judgement.anomalies.values())
