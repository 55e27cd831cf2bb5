"""Replays: route by kind, then each replay with what the oracle found inside and outside of its scope."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome, ReplayKind
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.evidence.replay import Aspect, ReplayEvidence, ReplayItem
from certification_pipeline.report.sections.samples import SampleView, sample_view
from certification_pipeline.report.tally import WORST_FIRST, Tally

MOST_REPLAYS = 120
MOST_SAMPLES = 4


@dataclass(frozen=True, slots=True)
class AspectView:
    """One aspect of one replay. ``rows``: ``300 of 300``, empty when no rows were compared."""

    aspect: Aspect
    outcome: Outcome | None
    """``None``: it is not asked of this kind."""
    rows: str


@dataclass(frozen=True, slots=True)
class ReplayView:
    """One replay."""

    item: ReplayItem
    scope: str
    aspects: tuple[AspectView, ...]
    anomalies: tuple[tuple[str, str, int], ...]
    """Step, anomaly, rows."""
    samples: tuple[SampleView, ...]


@dataclass(frozen=True, slots=True)
class ReplaysView:
    """All replays of a subject."""

    grid: pd.DataFrame
    """Route x kind, values ``Tally``; what is declared and was not done counts as untested."""
    replays: tuple[ReplayView, ...]
    hidden: int
    aspects: tuple[Aspect, ...] = tuple(Aspect)

    @property
    def open(self) -> bool:
        """Whether the list is unfolded: something in it is not green."""
        return any(view.item.outcome is not Outcome.PASSED for view in self.replays)


def replays_view(made: ReplayEvidence) -> ReplaysView:
    """Worst replays first."""
    items = sorted(made.items, key=lambda item: WORST_FIRST.index(item.outcome))
    shown = tuple(_view(item) for item in items[:MOST_REPLAYS])
    return ReplaysView(_grid(made), shown, max(0, len(items) - MOST_REPLAYS))


def _grid(made: ReplayEvidence) -> pd.DataFrame:
    found: dict[tuple[str, ReplayKind], list[Outcome]] = defaultdict(list)
    for item in made.items:
        found[item.route_id, item.kind].append(item.outcome)
    for one in made.declared:
        for kind in one.kinds:
            if not found[one.route_id, kind]:
                found[one.route_id, kind].append(Outcome.UNTESTED)
    routes = sorted({route for route, _ in found})
    body = [[Tally.of(found.get((route, kind), ())) for kind in ReplayKind] for route in routes]
    names = [kind.value.replace("_", " ") for kind in ReplayKind]
    frame = pd.DataFrame(
        body,
        index=pd.Index([route.replace("_to_", " → ") for route in routes], dtype=object),
        columns=names,
        dtype=object,
    )
    frame.index.name = "route"
    return frame


def _view(item: ReplayItem) -> ReplayView:
    asked = {check.name: check.status for check in item.status_checks}
    differing = [
        (one.judgement.step, one.judgement)
        for one in item.judgements
        if isinstance(one.judgement, RowJudgement) and one.judgement.outcome is not Outcome.PASSED
    ]
    samples = [sample_view(item.title, step, row) for step, judged in differing for row in judged.samples]
    return ReplayView(
        item=item,
        scope=_scope(item),
        aspects=tuple(AspectView(aspect, asked.get(aspect), _rows(item, aspect)) for aspect in Aspect),
        anomalies=tuple(
            (step, anomaly.value.replace("_", " "), count)
            for step, judgement in differing
            for anomaly, count in judgement.anomalies.items()
            if count
        ),
        samples=tuple(samples[:MOST_SAMPLES]),
    )


def _scope(item: ReplayItem) -> str:
    scope = item.scope
    if scope is None:
        return "whole table"
    if scope.stop is None:
        return f"{scope.column} = {scope.start}"
    return f"{scope.column} in [{scope.start}, {scope.stop})"


def _rows(item: ReplayItem, aspect: Aspect) -> str:
    """What was found of what was expected; of several comparisons the first that disagrees, else the last."""
    compared = [
        one.judgement
        for one in item.judgements
        if one.aspect is aspect and isinstance(one.judgement, RowJudgement)
    ]
    if not compared:
        return ""
    wrong = [judgement for judgement in compared if judgement.outcome is not Outcome.PASSED]
    shown = wrong[0] if wrong else compared[-1]
    return f"{shown.actual.rows:,} of {shown.expected.rows:,}"
