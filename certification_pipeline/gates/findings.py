"""Which findings explain a red cell: everything the cell shows must be what they say, and nothing beside.

A finding changes no outcome. It only tells a known defect from a new one, so a new one in a cell that was red
before must not hide behind it: one more anomaly, column, message or check, or the same in a step that the
finding does not name, and the cell is unexplained again.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.findings import Finding, Shows
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.evidence.cell import CellEvidence, CheckJudgement, LoadEvidence, RowJudgement

LOAD_ENDED = "load_ended"
"""The check that a load ended as it must: what it said instead is in the load."""


def explanation(cell: CellEvidence, engine: Engine, findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings that together explain the failed cell; empty when something in it is unexplained."""
    failed = [judgement for judgement in cell.judgements if judgement.outcome is Outcome.FAILED]
    key = cell.key
    meant = [
        (finding, finding.shows)
        for finding in findings
        if finding.shows is not None
        and finding.about(engine)
        and finding.names(key.route_id, key.strategy.value, key.scenario)
    ]
    seen = [(finding, shows) for finding, shows in meant if _seen(shows, cell, failed)]
    allowed = [shows for _, shows in seen]
    if not failed or not all(_covered(judgement, cell.loads, allowed) for judgement in failed):
        return ()
    return tuple(finding for finding, _ in seen)


def _seen(shows: Shows, cell: CellEvidence, failed: list[RowJudgement | CheckJudgement]) -> bool:
    """Whether all that the finding says is there: a defect that has gone explains nothing any more."""
    there = [judgement for judgement in failed if _happens(shows, judgement.step)]
    rows = [judgement for judgement in there if isinstance(judgement, RowJudgement)]
    checks = {judgement.name for judgement in there if isinstance(judgement, CheckJudgement)}
    if shows.anomalies and not any(_counted(judgement) & set(shows.anomalies) for judgement in rows):
        return False
    if shows.remark and not any(shows.remark in (judgement.remark or "") for judgement in rows):
        return False
    loads = tuple(load for load in cell.loads if _happens(shows, load.step))
    if shows.message and not any(shows.message in said for said in _messages(loads)):
        return False
    only_checks = not (shows.anomalies or shows.remark or shows.message)
    return not only_checks or any(_matches(name, shows.checks) for name in checks)


def _covered(
    judgement: RowJudgement | CheckJudgement, loads: tuple[LoadEvidence, ...], allowed: list[Shows]
) -> bool:
    """Whether the findings together say all that this judgement found, in that step."""
    allowed = [shows for shows in allowed if _happens(shows, judgement.step)]
    if isinstance(judgement, CheckJudgement):
        if any(_matches(judgement.name, shows.checks) for shows in allowed):
            return True
        if judgement.name != LOAD_ENDED:
            return False
        said = [load.message or "" for load in loads if load.step == judgement.step]
        texts = [shows.message for shows in allowed if shows.message]
        return bool(said) and all(any(text in each for text in texts) for each in said)
    counted = _counted(judgement)
    if judgement.remark:
        told = any(shows.remark and shows.remark in judgement.remark for shows in allowed)
        return told and counted <= _anomalies(allowed)
    if not counted:
        return False  # the fingerprints differ, and nobody knows in what
    return counted <= _anomalies(allowed) and all(
        any(_allows(shows, column) for shows in allowed) for column in judgement.columns
    )


def _counted(judgement: RowJudgement) -> set[Anomaly]:
    return {anomaly for anomaly, count in judgement.anomalies.items() if count}


def _anomalies(allowed: list[Shows]) -> set[Anomaly]:
    return {anomaly for shows in allowed for anomaly in shows.anomalies}


def _allows(shows: Shows, column: str) -> bool:
    return bool(shows.anomalies) and (not shows.columns or _matches(column, shows.columns))


def _happens(shows: Shows, step: str) -> bool:
    return not shows.steps or _matches(step, shows.steps)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _messages(loads: tuple[LoadEvidence, ...]) -> list[str]:
    return [load.message for load in loads if load.message and load.ended != "result"]
