"""One release as one HTML file: everything inside, nothing fetched, readable without JavaScript.

The template escapes all it is given; the Content-Security-Policy names the one inline script by its hash,
so that nothing a row brought along could run even if it got through. Size is bounded by the caps below.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from urllib.parse import quote

import pandas as pd
from markupsafe import Markup

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import unversioned
from certification_pipeline.catalog.findings import DOCUMENTS
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.next_step import sign_release
from certification_pipeline.gates.benchmark_history import HistoryRow, benchmark_history
from certification_pipeline.report.causes import Cause, Gap, causes, reasons
from certification_pipeline.report.guarantees import observed_frame
from certification_pipeline.report.release import CellLine, ReleaseView, SubjectView
from certification_pipeline.report.sections.cell import CellDetail, cell_detail, sample_of
from certification_pipeline.report.sections.comparison import compared_page
from certification_pipeline.report.sections.crash import CrashPage, crash_page
from certification_pipeline.report.sections.levels import levels_section
from certification_pipeline.report.sections.page import FamiliesPage, counted, families_page
from certification_pipeline.report.sections.samples import SampleView
from certification_pipeline.report.steps import split_step
from certification_pipeline.report.svg import Timed, time_strip
from certification_pipeline.report.tables import (
    COUNTED_CLAIMS,
    claims_table,
    matrix_pivot,
    next_steps,
    seeds_matrix,
    why,
)
from certification_pipeline.report.tally import SYMBOL, VERDICT, WORD, WORST_FIRST, Tally
from certification_pipeline.report.visible import short, visible
from certification_pipeline.templating import environment, inlined

CAUSES = 30
"""Causes shown for each subject."""
CAUSE_SAMPLES = 6
"""Sample rows shown for each cause."""
DETAILED_CELLS = 120
"""Cells unfolded with loads and judgements, over all subjects."""
SLOWEST = 8
LONGEST_COMMAND = 4_000
"""A command is copied whole; a longer one is nobody's."""
_BAR_ORDER = (
    Outcome.FAILED,
    Outcome.CANT_TELL,
    Outcome.PASSED,
    Outcome.UNTESTED,
    Outcome.INAPPLICABLE,
)
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True)
class CauseView:
    """A cause with its samples and as many unfolded cells as the budget allows."""

    cause: Cause
    samples: tuple[SampleView, ...]
    details: tuple[CellDetail, ...]
    folded: int
    """Cells of this cause that are only in the cell list."""
    scenarios: tuple[Scenario, ...]


@dataclass(frozen=True, slots=True)
class CellGroup:
    """Cells of one route and strategy: what a heat map field links to."""

    anchor: str
    route: str
    strategy: str
    lines: tuple[CellLine, ...]


@dataclass(frozen=True, slots=True)
class SubjectPage:
    """All the template shows of one subject."""

    anchor: str
    title: str
    description: str
    view: SubjectView
    tally: Tally
    strategies: pd.DataFrame
    scenarios: pd.DataFrame
    seeds: pd.DataFrame
    seeds_tally: Tally
    causes: tuple[CauseView, ...]
    more_causes: int
    gaps: tuple[Gap, ...]
    claims: pd.DataFrame
    strip: Markup
    seconds: tuple[float, ...]
    """Sorted, slowest first."""
    slowest: tuple[CellLine, ...]
    groups: tuple[CellGroup, ...]
    families: FamiliesPage
    crash: CrashPage

    @property
    def median(self) -> float:
        """Median seconds of the cells that ran."""
        return statistics.median(self.seconds) if self.seconds else 0.0

    @property
    def sentence(self) -> str:
        """The verdict in one sentence."""
        failed, passed = self.tally.count(Outcome.FAILED), self.tally.count(Outcome.PASSED)
        if self.view.outcome is Outcome.PASSED:
            return f"All {passed} cells in scope passed, row by row."
        if failed:
            what = f"{len(self.causes) + self.more_causes} cause" + ("" if len(self.causes) == 1 else "s")
            return f"{failed} of {self.tally.decided} judged cells failed, for {what}; {passed} passed."
        return f"{passed} cells passed, none failed; what is missing for a verdict is below."


def write_html(release: ReleaseView, catalog: Catalog, path: Path) -> None:
    """Write the report atomically. Raises ``EvidenceError`` for what the system refuses."""
    page = render_html(release, catalog, _links(release, path), _history(release), _documents(path))
    write_atomically(path, page.encode())


def render_html(
    release: ReleaseView,
    catalog: Catalog,
    links: str = "",
    history: Sequence[HistoryRow] = (),
    documents: str = "",
) -> str:
    """The whole page. ``links`` leads from it to the release's directory: empty when it lies in there.

    ``documents`` leads to the findings' pages; empty where there are none to link to.
    """
    made = environment(_TEMPLATES)
    made.filters["visible"] = lambda text: short(str(text))
    made.filters["counted"] = counted
    made.filters["command"] = lambda text: visible(text[:LONGEST_COMMAND])
    budget = iter(range(DETAILED_CELLS))
    return made.get_template("report.html.j2").render(
        release=release,
        subjects=[_subject_page(subject, catalog, budget, links, history) for subject in release.subjects],
        granted={
            name: levels_section(release.store, release.release_id, name)
            for name in (subject.subject.engine for subject in release.subjects)
        },
        steps=[
            (step.engine, step.why, split_step(str(step.do)))
            for step in next_steps(release).itertuples(index=False)
        ],
        scenarios=_scenarios_used(release, catalog),
        claims_names=COUNTED_CLAIMS,
        cases=len(catalog.matrix.cases()),
        symbol=SYMBOL,
        word=WORD,
        verdict=VERDICT,
        order=WORST_FIRST,
        bar_order=_BAR_ORDER,
        why=why,
        documents=documents,
        sign=sign_release(release.release_id),
        compared=compared_page(release),
        guarantees=observed_frame(release),
        written_at=utc_now(),
        **inlined(_TEMPLATES, "report.js", ("report.css", "drawings.css"))._asdict(),
    )


def _links(release: ReleaseView, path: Path) -> str:
    """Relative, so that evidence and page can be moved and served together."""
    if release.store is None:
        return ""
    there = release.store.release_path(release.release_id)
    way = Path(os.path.relpath(there, path.absolute().parent)).as_posix()
    return "" if way == "." else f"{quote(way)}/"


def _documents(path: Path) -> str:
    """The way to the findings' pages of this checkout; an installed package has none."""
    if not DOCUMENTS.is_dir():
        return ""
    return quote(Path(os.path.relpath(DOCUMENTS, path.absolute().parent)).as_posix()) + "/"


def _history(release: ReleaseView) -> tuple[HistoryRow, ...]:
    """What was measured in this and the other releases of its store; nothing when nothing was in this one."""
    measured = any(view.name == Family.BENCHMARK for s in release.subjects for view in s.families)
    return benchmark_history(release.store) if measured and release.store is not None else ()


def _subject_page(
    subject: SubjectView,
    catalog: Catalog,
    budget: Iterator[int],
    links: str,
    history: Sequence[HistoryRow],
) -> SubjectPage:
    name = subject.subject.engine
    engine = catalog.engine(name) if unversioned(name) in catalog.engines else None
    red = causes(subject)
    ran = sorted(
        (line for line in subject.lines if line.seconds is not None), key=lambda line: -(line.seconds or 0)
    )
    seeds = seeds_matrix(subject.lines, catalog.matrix)
    anchor = subject.subject.engine
    return SubjectPage(
        anchor=anchor,
        title=engine.title if engine else anchor,
        description=engine.description if engine else "",
        view=subject,
        tally=subject.tally,
        strategies=matrix_pivot(subject.ran, "strategy").T,
        scenarios=matrix_pivot(subject.ran, "scenario").T,
        seeds=seeds,
        seeds_tally=_sum(seeds),
        causes=tuple(_cause_view(cause, catalog, budget) for cause in red[:CAUSES]),
        more_causes=max(0, len(red) - CAUSES),
        gaps=tuple(reasons([subject])),
        claims=claims_table(subject),
        strip=time_strip([Timed(line.seconds or 0.0, line.outcome) for line in ran]),
        seconds=tuple(line.seconds or 0.0 for line in ran),
        slowest=tuple(ran[:SLOWEST]),
        groups=_groups(anchor, subject.lines),
        families=families_page(subject, links, history),
        crash=crash_page(subject),
    )


def _cause_view(cause: Cause, catalog: Catalog, budget: Iterator[int]) -> CauseView:
    details = tuple(cell_detail(line) for line, _ in zip(cause.lines, budget, strict=False))
    return CauseView(
        cause=cause,
        samples=tuple(sample_of(sample) for sample in cause.samples[:CAUSE_SAMPLES]),
        details=details,
        folded=len(cause.lines) - len(details),
        scenarios=tuple(catalog.scenarios[name] for name in cause.scenarios if name in catalog.scenarios),
    )


def _groups(anchor: str, lines: Sequence[CellLine]) -> tuple[CellGroup, ...]:
    def name(line: CellLine) -> tuple[str, str]:
        return line.key.route_id, line.key.strategy.value

    # Stable: inside a group the lines stay worst first; groups come worst first too.
    worst = {
        key: WORST_FIRST.index(Outcome.worst(line.outcome for line in group))
        for key, group in ((key, list(group)) for key, group in groupby(sorted(lines, key=name), key=name))
    }
    ordered = sorted(lines, key=lambda line: (worst[name(line)], name(line)))
    return tuple(
        CellGroup(group_anchor(anchor, route, strategy), route, strategy, tuple(group))
        for (route, strategy), group in groupby(ordered, key=name)
    )


def group_anchor(engine: str, route: str, strategy: str) -> str:
    """The id of a group of cells in the cell list."""
    return f"g-{engine}-{route}-{strategy}"


def _scenarios_used(release: ReleaseView, catalog: Catalog) -> list[Scenario]:
    used = {line.key.scenario for subject in release.subjects for line in subject.lines}
    return [scenario for name, scenario in catalog.scenarios.items() if name in used]


def _sum(frame: pd.DataFrame) -> Tally:
    return Tally.sum(value for row in frame.itertuples(index=False, name=None) for value in row)
