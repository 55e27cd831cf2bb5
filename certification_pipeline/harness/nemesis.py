"""The bench's other hand: lays the wires, disrupts loads, and sees to it that every fault is witnessed.

Judgements made under a fault that left no witness are taken back: they say nothing about it (law 6).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from certification_pipeline.catalog.vocabulary import FailureCategory, ReasonCode, Side
from certification_pipeline.evidence.disruption import FaultEvidence
from certification_pipeline.evidence.trials import RECOVERS
from certification_pipeline.harness.engines.session import LoadOutcome
from certification_pipeline.harness.faults.fault import Arena, Fault, NothingToDisturb, ToolMissing
from certification_pipeline.harness.faults.link import Link

if TYPE_CHECKING:
    from certification_pipeline.harness.bench import Bench

RESULT = "result"
KILLED = "killed"
RERUNS = 3
"""How many reruns an engine gets to end well before it counts as stuck."""


def failed_as(*categories: FailureCategory) -> tuple[str, ...]:
    """Ends of a load that failed in one of these ways, as :meth:`Bench.load` takes them."""
    return tuple(f"error: {category}" for category in categories)


class Halt(Exception):  # noqa: N818 - control flow, like StopIteration
    """The scenario cannot go on; what stopped it has been judged already, or is the ``reason``."""

    def __init__(self, reason: ReasonCode | None = None, detail: str = "", remedy: str = "") -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail
        self.remedy = remedy


class Nemesis:
    """See the module docstring. One instance serves one bench."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.links: dict[Side, Link] = {}

    def wire(self, *sides: Side) -> None:
        """Let all connections to these sides run through a link of ours; before the first load.

        An engine must know one address only: some keep their state by it.
        """
        for side in sides:
            station = self._bench.station
            self.links[side] = Link(station.source_dsn if side is Side.SOURCE else station.sink_dsn)
            self.links[side].open()

    def dsn(self, side: Side, direct: str) -> str:
        """The address the engine is given for that side."""
        return self.links[side].dsn if side in self.links else direct

    @contextmanager
    def disrupt(self, fault: Fault, *, must_fire: bool = True, step: str | None = None) -> Iterator[None]:
        """Arm the fault for the block; afterwards heal it and keep its witness.

        Without a witness, whatever was judged in the block is taken back, and :class:`Halt` is raised with
        ``no_witness``; with ``must_fire=False`` only the evidence says so, for who tries the step again.
        ``step`` is what the fault's evidence names; default the next load.
        """
        bench = self._bench
        step, judged = step or bench.next_step(), len(bench.judgements)
        try:
            fault.arm(self._arena())
            with bench.hearing(fault.hear, fault.begin, fault.settle):
                yield
        except NothingToDisturb as nothing:
            raise Halt(ReasonCode.NOTHING_TO_DISTURB, str(nothing), _NOTHING_REMEDY) from None
        except ToolMissing as missing:
            raise Halt(ReasonCode.SERVICE_UNAVAILABLE, str(missing), missing.remedy) from None
        except Halt:
            self._witnessed(fault, step, judged, must_fire)
            raise
        else:
            self._witnessed(fault, step, judged, must_fire)
        finally:
            fault.heal()

    @contextmanager
    def listen(self, recorder: Fault) -> Iterator[None]:
        """Have it follow the block's loads. It disturbs nothing: there is nothing to witness, no evidence."""
        try:
            recorder.arm(self._arena())
            with self._bench.hearing(recorder.hear, recorder.begin):
                yield
        finally:
            recorder.heal()

    def _witnessed(self, fault: Fault, step: str, judged: int, must_fire: bool) -> None:
        bench, witness = self._bench, fault.witness()
        bench.faults.append(FaultEvidence(step=step, fault=fault.name, planned=fault.plan(), witness=witness))
        if witness is None:
            del bench.judgements[judged:]
            if must_fire:
                raise Halt(ReasonCode.NO_WITNESS, f"{step}: {fault.name} did not fire", _NO_WITNESS_REMEDY)

    def recover(self, remark: str = "recovered", *, reruns: int = RERUNS) -> LoadOutcome:
        """Load again until it ends well, judge right after; :class:`Halt` when it is stuck.

        Held to the declared guarantee: at-least-once may repeat rows.
        """
        outcome = self.rerun(remark, reruns=reruns)
        if outcome is None:
            raise Halt
        return outcome

    def rerun(self, remark: str = "recovered", *, reruns: int = RERUNS) -> LoadOutcome | None:
        """As :meth:`recover`; ``None`` when it is stuck, for who goes on at another table."""
        bench = self._bench
        ends: list[str] = []
        for _ in range(reruns):
            outcome = bench.load(ends=ANY_END)
            ends.append(outcome.end)
            if outcome.end == RESULT:
                bench.judge_delivery(remark)
                return outcome
        # The same failure again and again: as bad as loss (research: rules learned by doing it wrong first).
        bench.check(f"{bench.prefix}load {len(bench.loads)}", RECOVERS, RESULT, f"stuck: {', '.join(ends)}")
        return None

    def close(self) -> None:
        """Take the wires away; idempotent."""
        for link in self.links.values():
            link.close()
        self.links.clear()

    def _arena(self) -> Arena:
        bench = self._bench
        return Arena(
            session=bench.engine_at_work,
            links=self.links,
            services=bench.station.services,
            namespace=bench.station.sink_namespace or bench.station.namespace,
            own=bench.station.own,
            dress=bench.dress,
            state_dir=bench.state_dir,
            sink_files=Path(bench.station.sink_dsn) if "://" not in bench.station.sink_dsn else None,
        )


ANY_END = ("*",)
"""For a load of which every end is right as such: what counts is what it leaves behind."""

_NOTHING_REMEDY = "nothing to do, unless the engine keeps it elsewhere: then the fault must learn where"
_NO_WITNESS_REMEDY = (
    "the bench did not get at the load: run the cell again; when it stays so, see `planned` in its evidence"
)

__all__ = ["ANY_END", "KILLED", "RESULT", "Halt", "Nemesis", "failed_as"]
