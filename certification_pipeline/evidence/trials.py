"""What became of the rows of one disrupted load: worked out from its judgements, stored nowhere (law 3).

A trial is told from the others by the prefix of its steps. Used by crash lines and by delivery trials.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.evidence.cell import CellEvidence, CheckJudgement, Judgement, RowJudgement
from certification_pipeline.evidence.delivery import DeliveryCount
from certification_pipeline.evidence.disruption import CrashPoint, CrashTrial, FaultEvidence, unwitnessed

RECOVERS = "recovers"
"""The check that some rerun of a broken load ends well."""


def as_declared(anomaly: Anomaly) -> str:
    """The check that holds the count of an anomaly which the declared guarantee allows."""
    return f"rows {anomaly}, as declared"


class TrialVerdict(StrEnum):
    """What became of the rows, worst first."""

    LOST = "lost"
    WRONG = "wrong"
    """Rows are there that should not be, or have other values."""
    DUPLICATE = "duplicate"
    TORN = "torn"
    """A reader saw a state between two published ones."""
    STUCK = "stuck"
    """Every rerun failed."""
    UNWITNESSED = "unwitnessed"
    """The fault never fired: nothing was proved."""
    UNTESTED = "untested"
    GAPS = "gaps"
    """Rows are lost, as the declared guarantee (best-effort) allows."""
    REPEATS = "repeats"
    """Rows are there twice, as the declared guarantee (at-least-once) allows."""
    SAFE = "safe"

    @property
    def outcome(self) -> Outcome:
        """What it means for the engine."""
        if self in (TrialVerdict.UNWITNESSED, TrialVerdict.UNTESTED):
            return Outcome.CANT_TELL
        passing = (TrialVerdict.SAFE, TrialVerdict.REPEATS, TrialVerdict.GAPS)
        return Outcome.PASSED if self in passing else Outcome.FAILED


@dataclass(frozen=True, slots=True)
class Trial:
    """The evidence that bears a trial's prefix."""

    judgements: tuple[Judgement, ...]
    faults: tuple[FaultEvidence, ...]

    @classmethod
    def of(cls, prefix: str, judgements: Iterable[Judgement], faults: Iterable[FaultEvidence]) -> Trial:
        """What of a cell's evidence belongs to the trial."""
        return cls(
            tuple(one for one in judgements if one.step.startswith(prefix)),
            tuple(one for one in faults if one.step.startswith(prefix)),
        )

    @property
    def verdict(self) -> TrialVerdict:
        """The worst that was seen of it; without a fault that fired, or a judgement, nothing was."""
        if not self.faults:
            return TrialVerdict.UNTESTED
        if unwitnessed(self.faults):
            return TrialVerdict.UNWITNESSED
        found = {_seen(judgement) for judgement in self.judgements}
        return min(found, key=list(TrialVerdict).index) if found else TrialVerdict.UNTESTED

    @property
    def healed(self) -> bool:
        """The rows were wrong when first judged, and right in the end."""
        rows = [one for one in self.judgements if not _about_the_end(one)]
        red = any(one.outcome is Outcome.FAILED for one in rows)
        last = [one for one in rows if one.step == rows[-1].step] if rows else []
        return red and all(one.outcome is Outcome.PASSED for one in last)

    @property
    def rows(self) -> dict[Anomaly, int]:
        """Of each anomaly the most that was counted at one time, allowed ones, too."""
        most: dict[Anomaly, int] = {}
        for judgement in self.judgements:
            for anomaly, count in anomalies_of(judgement).items():
                most[anomaly] = max(count, most.get(anomaly, 0))
        return most


@dataclass(frozen=True, slots=True)
class CrashResult:
    """One trial of a crash line with what came of it."""

    point: CrashPoint
    trial: CrashTrial
    seen: Trial

    @property
    def verdict(self) -> TrialVerdict:
        """See :attr:`Trial.verdict`."""
        return self.seen.verdict


def crash_results(cell: CellEvidence) -> tuple[CrashResult, ...]:
    """Every trial of the cell's crash line, in the order they were made; empty for cells without one."""
    line = cell.crash_line
    if line is None:
        return ()
    return tuple(
        CrashResult(line.point(trial.point), trial, Trial.of(trial.step, cell.judgements, cell.faults))
        for trial in line.trials
    )


def delivery_count(cell: CellEvidence) -> DeliveryCount | None:
    """What the kills that fired showed; ``None`` for cells whose loads were not killed many times."""
    if cell.delivery is None:
        return None
    trials = [Trial.of(kill.step, cell.judgements, cell.faults) for kill in cell.delivery.kills]
    fired = [one for one in trials if one.verdict.outcome is not Outcome.CANT_TELL]
    lost = sum(bool(one.rows.get(Anomaly.LOST)) for one in fired)
    repeated = sum(bool(one.rows.get(Anomaly.DUPLICATE)) for one in fired)
    other = sum(one.verdict in (TrialVerdict.WRONG, TrialVerdict.TORN, TrialVerdict.STUCK) for one in fired)
    return DeliveryCount(len(fired), lost, repeated, other)


def _seen(judgement: Judgement) -> TrialVerdict:
    if judgement.outcome is Outcome.PASSED:
        counted = anomalies_of(judgement)
        if counted.get(Anomaly.LOST):
            return TrialVerdict.GAPS
        return TrialVerdict.REPEATS if counted else TrialVerdict.SAFE
    if isinstance(judgement, CheckJudgement) and judgement.name == RECOVERS:
        return TrialVerdict.STUCK
    found = {_NAMED.get(anomaly, TrialVerdict.WRONG) for anomaly in anomalies_of(judgement)}
    return min(found, key=list(TrialVerdict).index) if found else TrialVerdict.WRONG


def anomalies_of(judgement: Judgement) -> dict[Anomaly, int]:
    """What the judgement counted of each anomaly, allowed ones, too."""
    if isinstance(judgement, RowJudgement):
        return {anomaly: count for anomaly, count in judgement.anomalies.items() if count}
    for anomaly in Anomaly:
        if judgement.name in (f"rows {anomaly}", as_declared(anomaly)) and isinstance(
            judgement.observed, int
        ):
            return {anomaly: judgement.observed} if judgement.observed else {}
    return {}


def _about_the_end(judgement: Judgement) -> bool:
    """Whether it is about how a load ended, not about rows."""
    return isinstance(judgement, CheckJudgement) and not _is_count(judgement)


def _is_count(judgement: CheckJudgement) -> bool:
    return any(judgement.name in (f"rows {anomaly}", as_declared(anomaly)) for anomaly in Anomaly)


_NAMED = {
    Anomaly.LOST: TrialVerdict.LOST,
    Anomaly.DUPLICATE: TrialVerdict.DUPLICATE,
    Anomaly.TORN: TrialVerdict.TORN,
}
