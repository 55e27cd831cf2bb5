"""A crash line as evidence: two boundaries, every trial of them safe until a test says otherwise."""

from __future__ import annotations

from collections.abc import Mapping

from certification_pipeline.catalog.vocabulary import Anomaly
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CheckJudgement,
    Fingerprint,
    RowJudgement,
    RowSample,
)
from certification_pipeline.evidence.disruption import CrashLine, CrashPoint, CrashTrial, FaultEvidence
from certification_pipeline.evidence.trials import RECOVERS, TrialVerdict, as_declared
from tests.evidence import builders

POINTS = (
    CrashPoint(number=1, medium="sink", action="INSERT", object="staging.orders"),
    CrashPoint(number=2, medium="sink", action="COMMIT", object="orders"),
    CrashPoint(number=3, medium="source", action="CONFIRM", object="slot"),
)
RIGHT = Fingerprint(rows=10, digest="right")

Judgements = tuple[RowJudgement | CheckJudgement, ...]


def rows(step: str, anomaly: Anomaly | None = None) -> RowJudgement:
    if anomaly is None:
        return RowJudgement(step=step, expected=RIGHT, actual=RIGHT, anomalies={})
    sample = RowSample(anomaly=anomaly, key={"id": "17"}, expected="17, 9.50", actual=None)
    wrong = Fingerprint(rows=9, digest="wrong")
    return RowJudgement(step=step, expected=RIGHT, actual=wrong, anomalies={anomaly: 3}, samples=(sample,))


def judged(prefix: str, verdict: TrialVerdict) -> Judgements:
    """What a trial that ends so leaves behind."""
    first, idle = f"{prefix}after load 4 (recovered)", f"{prefix}after load 5 (idle rerun)"
    match verdict:
        case TrialVerdict.SAFE:
            return (rows(first), rows(idle))
        case TrialVerdict.STUCK:
            return (
                CheckJudgement(
                    step=f"{prefix}load 4", name=RECOVERS, expected="result", observed="stuck: exit"
                ),
            )
        case TrialVerdict.REPEATS | TrialVerdict.GAPS:
            seen = Anomaly.DUPLICATE if verdict is TrialVerdict.REPEATS else Anomaly.LOST
            name = as_declared(seen)
            return (
                CheckJudgement(step=first, name="rows corrupt", expected=0, observed=0),
                CheckJudgement(step=first, name=name, expected=0, observed=3, comparison="at_least"),
            )
        case TrialVerdict.WRONG:
            return (rows(first, Anomaly.STALE), rows(idle, Anomaly.STALE))
        case TrialVerdict.LOST | TrialVerdict.DUPLICATE | TrialVerdict.TORN:
            return (rows(first, Anomaly(verdict.value)), rows(idle))
        case _:
            return ()


def crashed(verdicts: Mapping[int, TrialVerdict], *, missing: int = 0) -> CellEvidence:
    """The cell; ``verdicts`` by number of the trial, from 1; the last ``missing`` trials were not made."""
    line = CrashLine(points=POINTS)
    trials: list[CrashTrial] = []
    judgements: list[RowJudgement | CheckJudgement] = [rows("table 1: after load 1")]
    faults: list[FaultEvidence] = []
    planned = line.planned()
    for number, key in enumerate(planned[: len(planned) - missing], start=1):
        prefix = f"trial {number} of {len(planned)}, {line.point(key.point).address}: "
        verdict = verdicts.get(number, TrialVerdict.SAFE)
        trials.append(CrashTrial(**dict(key), step=prefix, ended="killed", reruns=1))
        judgements += judged(prefix, verdict)
        witness = None if verdict is TrialVerdict.UNWITNESSED else {"pid": 42}
        faults.append(
            FaultEvidence(step=f"{prefix}broken load", fault="commits.kill", planned={}, witness=witness)
        )
    where = builders.planned(builders.key(scenario="rec.crash_points", sink="postgres"))
    return builders.cell(
        builders.plan((where,)),
        where,
        judgements=tuple(judgements),
        faults=tuple(faults),
        crash_line=line.model_copy(update={"trials": tuple(trials)}),
    )
