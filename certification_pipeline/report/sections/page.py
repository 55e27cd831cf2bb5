"""All that the HTML report shows of one subject's evidence families, and of the gate above them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar
from urllib.parse import quote

from pydantic import JsonValue

from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Blocker
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.summary import ReleaseSummary, SummaryItem
from certification_pipeline.gates.benchmark_history import HistoryRow
from certification_pipeline.report.families import BUNDLES, MATRIX, FamilyView
from certification_pipeline.report.in_short import in_short
from certification_pipeline.report.release import SubjectView
from certification_pipeline.report.sections.benchmark import BenchmarkView, benchmark_view
from certification_pipeline.report.sections.connectors import ConnectorsView, connectors_view
from certification_pipeline.report.sections.lineage import TargetView, target_views
from certification_pipeline.report.sections.openlineage import OpenLineageView, openlineage_view
from certification_pipeline.report.sections.replay import ReplaysView, replays_view
from certification_pipeline.report.steps import Step, split_step
from certification_pipeline.report.visible import short

D = TypeVar("D", bound=Decision)

DIGEST_SHOWN = 26
"""Characters of a digest; enough to tell files apart, the file has it whole."""
TOLD_BLOCKERS = 3
"""Of one family at once, the others unfold."""
MOST_BLOCKERS = 12
"""Of one family; the rest is counted, and in its file."""


@dataclass(frozen=True, slots=True)
class BlockerLine:
    """Why a family is not green, and what to do."""

    blocker: Blocker
    step: Step


@dataclass(frozen=True, slots=True)
class FamilyLine:
    """One family in the table. ``link`` is empty where there is no file to open."""

    view: FamilyView
    short: str
    blockers: tuple[BlockerLine, ...]
    hidden: int
    link: str
    anchor: str

    @property
    def told(self) -> tuple[BlockerLine, ...]:
        """Those a reader sees at once; what an artifact or a cell tells by itself is not told twice."""
        own = [line for line in self.blockers if not self._elsewhere(line)]
        return tuple(own[:TOLD_BLOCKERS])

    @property
    def folded(self) -> tuple[BlockerLine, ...]:
        """Those behind a click."""
        return tuple(line for line in self.blockers if line not in self.told)

    def _elsewhere(self, line: BlockerLine) -> bool:
        return self.view.name == MATRIX or (self.view.name in BUNDLES and ".not_passed:" in line.blocker.code)


@dataclass(frozen=True, slots=True)
class FamiliesPage:
    """Empty lines: the release is about the matrix alone, and nothing of this is shown."""

    lines: tuple[FamilyLine, ...]
    gate: tuple[SummaryItem, ...]
    benchmark: BenchmarkView | None
    lineage: tuple[TargetView, ...]
    openlineage: OpenLineageView | None
    replays: ReplaysView | None
    connectors: ConnectorsView | None

    @property
    def unverified(self) -> frozenset[str]:
        """Names of families whose file says something else than the gates find."""
        return frozenset(
            line.view.name for line in self.lines if line.view.present and not line.view.verified
        )


def families_page(subject: SubjectView, links: str, history: Sequence[HistoryRow] = ()) -> FamiliesPage:
    """``links`` leads from the page to the release's directory, with its slash; empty when it lies there.

    ``history``: what was measured in all releases, for the benchmark's plot over time.
    """
    engine = subject.subject.engine
    benchmark = _artifact(subject, BenchmarkBaseline)
    lineage = _artifact(subject, DbtLineage)
    events = _artifact(subject, OpenLineageReport)
    replays = _artifact(subject, ReplayEvidence)
    connectors = _artifact(subject, ConnectorCertification)
    return FamiliesPage(
        lines=tuple(_line(view, engine, links) for view in subject.families),
        gate=subject.summary.items if isinstance(subject.summary, ReleaseSummary) else (),
        benchmark=benchmark_view(benchmark, history) if benchmark else None,
        lineage=target_views(lineage) if lineage else (),
        openlineage=openlineage_view(events) if events else None,
        replays=replays_view(replays) if replays else None,
        connectors=connectors_view(connectors) if connectors else None,
    )


def _artifact(subject: SubjectView, model: type[D]) -> D | None:
    """What lies there, verified or not: the line above says which."""
    found = (view.artifact for view in subject.families)
    return next((artifact for artifact in found if isinstance(artifact, model)), None)


def counted(value: JsonValue) -> str:
    """What a gate counted: a number as a number, a list in one line, a digest by its beginning."""
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, list):
        return short(", ".join(str(each) for each in value))
    text = str(value)
    return f"{text[:DIGEST_SHOWN]}…" if re.fullmatch(DIGEST_PATTERN, text) else short(text)


def _line(view: FamilyView, engine: str, links: str) -> FamilyLine:
    listed = view.blockers[:MOST_BLOCKERS]
    return FamilyLine(
        view=view,
        short=in_short(view),
        blockers=tuple(BlockerLine(blocker, split_step(blocker.next_step)) for blocker in listed),
        hidden=len(view.blockers) - len(listed),
        link=f"{links}{quote(engine)}/{quote(view.path)}" if view.present and view.linked else "",
        anchor=f"f-{engine}-{view.name}",
    )
