"""``replay_evidence.json``: earlier runs done again, and what the oracle saw before and after.

Keeps the seeds' fields per item (``action, run_id, strategy, mode, executed, status, state_committed,
row_count_checks, status_checks, operations``) beside our judgements. All that an item says about itself
follows from its judgements: :meth:`ReplayItem.recomputed`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import ClassVar, Literal

from pydantic import Field

from certification_pipeline.catalog.vocabulary import Outcome, ReplayKind, Strategy, Support
from certification_pipeline.evidence.artifact import Model
from certification_pipeline.evidence.cell import Judgement, LoadEvidence, ServiceUse
from certification_pipeline.evidence.decision import Decision

WORKLOADS: Mapping[str, str] = {
    **{f"strategy.{strategy}": "standard" for strategy in Strategy},
    "batch.full_refresh": "standard",
    "obs.counts": "narrow",
    "obs.fields": "narrow",
    "incr.noop": "narrow",
    "incr.cursor_ties": "cursor_ties",
    "incr.null_cursor": "null_cursor",
}
"""Scenarios that are nothing but loads and change rounds, and their workload. The others drift the schema,
break something, or lose state on purpose: a run of theirs is not its workload alone."""


class Aspect(StrEnum):
    """What a judgement of a replay is about."""

    BASIS = "basis"
    """Before anything was touched: the rebuilt history left in the sink what it must."""
    WITNESS = "witness"
    """There was something to repair, or the load was really broken; else the replay proves nothing."""
    EXECUTED = "executed"
    """The engine did what was asked, and said so."""
    INSIDE = "inside"
    """The sink, rows inside the scope above all, against the source."""
    OUTSIDE = "outside"
    """Rows outside of the scope are, to the byte, what they were."""
    IDEMPOTENT = "idempotent"
    """A second replay changes nothing."""
    STATE = "state"
    """The position was not moved: the loads that follow miss nothing and repeat nothing."""


REQUIRED_ASPECTS: dict[Literal["resync", "resume"], tuple[Aspect, ...]] = {
    "resync": tuple(Aspect),
    # There is no outside: what is resumed is a load of the whole table.
    "resume": tuple(aspect for aspect in Aspect if aspect is not Aspect.OUTSIDE),
}
"""An item without a judgement on one of these proves nothing."""

_ABOUT_THE_BENCH = (Aspect.BASIS, Aspect.WITNESS)


class ReplayJudgement(Model):
    """One judgement, and what it is about."""

    aspect: Aspect
    judgement: Judgement


class ReplayScope(Model):
    """``[start, stop)`` of one column; ``stop`` is null for the one value of a partition."""

    column: str
    start: str
    stop: str | None = None


class RowCountCheck(Model):
    """Rows the oracle expected and found."""

    name: str
    expected: int
    observed: int
    passed: bool


class StatusCheck(Model):
    """One aspect and its outcome."""

    name: Aspect
    status: Outcome


class ReplayItem(Model):
    """One replay of one earlier run."""

    kind: ReplayKind
    action: Literal["resync", "resume"]
    run_id: str = Field(description="the earlier run, as recorded in the cell's evidence")
    cell_id: str
    source: str
    sink: str
    strategy: Strategy
    mode: Literal["plan", "execute"]
    scope: ReplayScope | None = None
    rows_in_scope: int = Field(ge=0, description="at the source, as the replay finds it")
    rows: int = Field(ge=0, description="of the run's workload, as in the cell")
    rebuilt_rows: int = Field(ge=0, description="of the workload as rebuilt: the same one, perhaps smaller")
    seed: int
    operations: tuple[str, ...]
    """What is done, in order, for people."""
    executed: bool = False
    status: Literal["planned", "executed", "failed"] = "planned"
    state_committed: bool = Field(False, description="the aspect `state` was judged and holds")
    outcome: Outcome = Outcome.UNTESTED
    passed: bool = False
    detail: str | None = None
    row_count_checks: tuple[RowCountCheck, ...] = ()
    status_checks: tuple[StatusCheck, ...] = ()
    judgements: tuple[ReplayJudgement, ...] = ()
    loads: tuple[LoadEvidence, ...] = ()
    services: tuple[ServiceUse, ...] = ()
    seconds: float = Field(0.0, ge=0)

    @property
    def route_id(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"

    @property
    def title(self) -> str:
        """For people: ``window of incremental_merge on postgres_to_duckdb``."""
        return f"{self.kind} of {self.strategy} on {self.route_id}"

    def aspect(self, aspect: Aspect) -> Outcome:
        """Worst judgement about it; ``untested`` when there is none."""
        return Outcome.worst(j.judgement.outcome for j in self.judgements if j.aspect is aspect)

    def recomputed(self) -> ReplayItem:
        """This item with every field that follows from mode, action and judgements worked out again."""
        required = REQUIRED_ASPECTS[self.kind.action]
        executed = self.mode == "execute" and bool(self.judgements)
        answered = self.aspect(Aspect.EXECUTED) is Outcome.PASSED
        outcome = Outcome.worst(self._weighed(aspect) for aspect in required)
        rows = [(j.aspect, j.judgement) for j in self.judgements if j.judgement.kind == "rows"]
        return self.model_copy(
            update={
                "action": self.kind.action,
                "executed": executed,
                "status": "planned" if not executed else "executed" if answered else "failed",
                "state_committed": executed and self.aspect(Aspect.STATE) is Outcome.PASSED,
                "outcome": outcome if executed else Outcome.UNTESTED,
                "passed": executed and outcome is Outcome.PASSED,
                "status_checks": tuple(
                    StatusCheck(name=aspect, status=self.aspect(aspect)) for aspect in required
                ),
                "row_count_checks": tuple(
                    RowCountCheck(
                        name=f"{aspect}: {judgement.step}",
                        expected=judgement.expected.rows,
                        observed=judgement.actual.rows,
                        passed=judgement.expected.rows == judgement.actual.rows,
                    )
                    for aspect, judgement in rows
                    if judgement.kind == "rows"
                ),
            }
        )

    def _weighed(self, aspect: Aspect) -> Outcome:
        """A basis that is wrong, or a fault that did not fire, says nothing about the replay (law 6)."""
        outcome = self.aspect(aspect)
        broken = aspect in _ABOUT_THE_BENCH and outcome is Outcome.FAILED
        return Outcome.CANT_TELL if broken else outcome


class DeclaredReplay(Model):
    """What the engine's catalogue entry claims about one strategy of one route."""

    source: str
    sink: str
    strategy: Strategy
    support: dict[ReplayKind, Support] = Field(min_length=1)

    @property
    def route_id(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"

    @property
    def kinds(self) -> tuple[ReplayKind, ...]:
        """Those it claims to be able to."""
        able = (Support.FULL, Support.PARTIAL)
        return tuple(kind for kind in ReplayKind if self.support.get(kind) in able)


class ReplayEvidence(Decision):
    """Green when every declared route and kind, and every declared strategy, has a replay that holds."""

    KIND: ClassVar[str] = "replay_evidence"

    mode: Literal["plan", "execute"]
    catalog_digest: str = Field(description="of the catalogue that `declared` was taken from")
    declared: tuple[DeclaredReplay, ...] = Field(
        description="of the routes and strategies that the sealed plan runs; empty: the engine claims none"
    )
    items: tuple[ReplayItem, ...]
