"""Evidence of one cell: what was done, what the oracle saw, and the outcome that follows from it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, TypeGuard

from pydantic import AwareDatetime, Field, JsonValue

from certification_pipeline.catalog.vocabulary import Anomaly, Fidelity, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.artifact import Artifact, Model
from certification_pipeline.evidence.delivery import ENOUGH, DeliveryTrials
from certification_pipeline.evidence.disruption import CrashLine, FaultEvidence, all_fired, unwitnessed


class CellKey(Model):
    """Route x strategy x scenario: the unit that is planned and judged (DESIGN section 2)."""

    engine: str
    source: str
    sink: str
    strategy: Strategy
    scenario: str

    @property
    def cell_id(self) -> str:
        """``postgres_to_duckdb__incremental_merge__incr.cursor_ties`` — unique within an engine."""
        return f"{self.source}_to_{self.sink}__{self.strategy}__{self.scenario}"

    @property
    def route_id(self) -> str:
        """``postgres_to_duckdb``."""
        return f"{self.source}_to_{self.sink}"


class ServiceUse(Model):
    """A service the cell ran on."""

    system: str
    role: Literal["source", "sink"]
    provider: str
    fidelity: Fidelity
    version: str


class RowSample(Model):
    """One anomalous row, values as canonical text, capped in length and redacted."""

    anomaly: Anomaly
    key: dict[str, str | None]
    column: str | None = Field(None, description="the differing column; None for whole-row anomalies")
    expected: str | None = None
    actual: str | None = None


class Fingerprint(Model):
    """Order-independent digest of one side's canonical rows: equal multisets give equal fingerprints."""

    rows: int = Field(ge=0)
    digest: str


class RowJudgement(Model):
    """The oracle's comparison of the sink with the reference model, after one exit 0 (or one error)."""

    kind: Literal["rows"] = "rows"
    step: str = Field(description="e.g. 'load 2, after change round 1'")
    expected: Fingerprint
    actual: Fingerprint
    anomalies: dict[Anomaly, int] = Field(description="exact counts; only those above zero")
    columns: dict[str, int] = Field({}, description="differing rows per column")
    declared_losses: dict[str, str] = Field({}, description="column -> loss the type contract declares")
    seen_columns: tuple[str, ...] = Field(
        (), description="expected columns that were there, in the model's order"
    )
    missing_columns: tuple[str, ...] = Field((), description="expected columns that were not there")
    unexpected_columns: tuple[str, ...] = Field((), description="columns nothing accounts for")
    samples: tuple[RowSample, ...] = ()
    remark: str | None = Field(None, description="why the comparison was not possible, e.g. table missing")

    @property
    def outcome(self) -> Outcome:
        """Passed only when both sides were read, no anomaly was counted and the fingerprints agree."""
        same = (self.expected.rows, self.expected.digest) == (self.actual.rows, self.actual.digest)
        return Outcome.FAILED if self.remark or any(self.anomalies.values()) or not same else Outcome.PASSED


class CheckJudgement(Model):
    """One named expectation about anything but rows (a count, a field, an error category)."""

    kind: Literal["check"] = "check"
    step: str
    name: str = Field(description="e.g. 'loaded_rows', 'failure_category', 'state_unchanged'")
    expected: JsonValue
    observed: JsonValue
    comparison: Literal["equal", "one_of", "at_least", "at_most", "present"] = "equal"

    @property
    def outcome(self) -> Outcome:
        """Recomputed from expected and observed; nothing is taken on trust."""
        match self.comparison:
            case "present":
                ok = self.observed is not None
            case "at_least":
                ok = _number(self.expected) and _number(self.observed) and self.observed >= self.expected
            case "at_most":
                ok = _number(self.expected) and _number(self.observed) and self.observed <= self.expected
            case "one_of":
                ok = isinstance(self.expected, list) and any(
                    _same(self.observed, one) for one in self.expected
                )
            case "equal":
                ok = _same(self.observed, self.expected)
        return Outcome.PASSED if ok else Outcome.FAILED


def _same(left: JsonValue, right: JsonValue) -> bool:
    """Equal as JSON, where ``1``, ``1.0`` and ``true`` are three values, however deep."""
    if type(left) is not type(right):
        return False
    if isinstance(left, int | str) or left is None:  # most are; a report recomputes millions
        return left == right
    return json.dumps(left, sort_keys=True) == json.dumps(right, sort_keys=True)


def _number(value: JsonValue) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


Judgement = Annotated[RowJudgement | CheckJudgement, Field(discriminator="kind")]


class Attempt(Model):
    """An earlier outcome of the same cell for the same subject in the same release."""

    run_id: str
    finished_at: AwareDatetime
    outcome: Outcome


class Dataset(Model):
    """A table or a directory of files, named without address and without credentials."""

    system: str
    namespace: str = Field("", description="schema, where the system has them")
    name: str


class DatasetColumn(Model):
    """A column as the source had it at the time of the load."""

    name: str
    type: str


class LoadEvidence(Model):
    """One load the engine did: its claims, and how it ended."""

    step: str
    run_id: str
    ended: Literal["result", "error", "exit", "timeout", "protocol_error", "killed"]
    message: str | None = None
    record: dict[str, JsonValue] | None = None
    seconds: float = Field(ge=0)
    started_at: AwareDatetime | None = Field(None, description="by our clock, not the engine's")
    finished_at: AwareDatetime | None = None
    source: Dataset | None = None
    sink: Dataset | None = None
    columns: tuple[DatasetColumn, ...] = ()
    phases: tuple[str, ...] = Field((), description="in the order in which the engine reported them")


class CellEvidence(Artifact):
    """``cells/<cell_id>.json``. The outcome is a function of what is inside: :meth:`recompute`."""

    KIND: ClassVar[str] = "cell"

    key: CellKey
    scenario_version: int
    plan_digest: str
    seed: int
    rows: int
    services: tuple[ServiceUse, ...] = ()
    loads: tuple[LoadEvidence, ...] = ()
    judgements: tuple[Judgement, ...] = ()
    faults: tuple[FaultEvidence, ...] = Field((), description="what was done to the loads on purpose")
    crash_line: CrashLine | None = Field(None, description="where a load was broken, boundary by boundary")
    delivery: DeliveryTrials | None = Field(None, description="loads that were killed at many moments")
    reason: ReasonCode | None = Field(None, description="set when no verdict about the subject was possible")
    detail: str | None = None
    remedy: str | None = None
    started_at: AwareDatetime
    finished_at: AwareDatetime
    seconds: float = Field(ge=0)
    attempts: tuple[Attempt, ...] = Field((), description="earlier attempts, oldest first")

    @property
    def flaky(self) -> bool:
        """Failed before and passed now with nothing changed: not a green (law 9)."""
        return self._failed_before() and self.judged() is Outcome.PASSED

    def judged(self) -> Outcome:
        """Worst judgement of this attempt alone. No judgement at all is ``untested``, never passed."""
        found = judged(self.reason, self.judgements, self.faults)
        return Outcome.CANT_TELL if found is Outcome.PASSED and not self._tried_enough() else found

    def _tried_enough(self) -> bool:
        """A crash line with gaps, too few kills, or a trial without a fault that fired, is no proof."""
        tried: list[str] = []
        if self.crash_line is not None:
            tried += [trial.step for trial in self.crash_line.trials]
            if not self.crash_line.whole:
                return False
        if self.delivery is not None:
            tried += [kill.step for kill in self.delivery.kills]
            if len(self.delivery.kills) < ENOUGH:
                return False
        return all_fired(tried, self.faults)

    def recompute(self) -> Outcome:
        """The outcome that gates use: :meth:`judged`, with a flaky pass held at ``cantTell``."""
        judged = self.judged()
        return Outcome.CANT_TELL if judged is Outcome.PASSED and self._failed_before() else judged

    def _failed_before(self) -> bool:
        return any(attempt.outcome is Outcome.FAILED for attempt in self.attempts)


def judged(
    reason: ReasonCode | None, judgements: Sequence[Judgement], faults: Sequence[FaultEvidence]
) -> Outcome:
    """What follows from what was seen, wherever it is kept."""
    if reason in _INAPPLICABLE:
        return Outcome.INAPPLICABLE
    if reason in _UNTESTED:
        return Outcome.UNTESTED
    if reason in _BENCH_BROKE:
        return Outcome.CANT_TELL
    seen = Outcome.worst(judgement.outcome for judgement in judgements)
    if reason is ReasonCode.NOTHING_TO_DISTURB and seen is Outcome.PASSED:
        return Outcome.INAPPLICABLE  # measured: its loads were right, and left nothing to damage
    if reason is None and not unwitnessed(faults):
        return seen
    return Outcome.FAILED if seen is Outcome.FAILED else Outcome.CANT_TELL


_INAPPLICABLE = frozenset(
    {
        ReasonCode.NOT_DECLARED,
        ReasonCode.UNSUPPORTED_COMBINATION,
        ReasonCode.SOURCE_LACKS,
        ReasonCode.SINK_LACKS,
    }
)

_BENCH_BROKE = frozenset({ReasonCode.SERVICE_DIED, ReasonCode.CONTROL_MISBEHAVED})
"""What was judged on a broken bench says nothing about the subject, not even a failure (laws 4 and 7)."""

_UNTESTED = frozenset(
    {
        ReasonCode.SERVICE_UNAVAILABLE,
        ReasonCode.NOT_IN_PROFILE,
        ReasonCode.NOT_IMPLEMENTED,
        ReasonCode.NOT_IN_ARTIFACT,
        ReasonCode.DRIVER_MISSING,
        ReasonCode.INTERRUPTED,
        ReasonCode.NO_OUTCOME,
    }
)
