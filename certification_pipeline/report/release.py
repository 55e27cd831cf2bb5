"""One release as the reports see it: per subject the sealed plan, each cell's line, and the gates' verdict.

Every outcome here, of a cell as of a subject, is a gate's. Nothing is decided in this room.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from types import MappingProxyType

from certification_pipeline.catalog.findings import Finding
from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.artifact import Blocker, Subject
from certification_pipeline.evidence.cell import CellEvidence, CellKey, ServiceUse
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import UNSIGNED, ReleaseSummary, author_in_words
from certification_pipeline.report.families import FamilyView
from certification_pipeline.report.tally import WORST_FIRST, Tally


@dataclass(frozen=True, slots=True)
class CellLine:
    """One planned cell and what became of it, as the matrix gate recomputed it."""

    planned: PlannedCell
    row: ReportRow
    evidence: CellEvidence | None
    """What lies in its file; ``None`` when there is none, or none that can be read."""
    findings: tuple[Finding, ...] = ()
    """What explains a failure; empty for one that nothing explains."""

    @property
    def outcome(self) -> Outcome:
        """The gate's outcome."""
        return self.row.outcome

    @property
    def reason(self) -> ReasonCode | None:
        """Why there is no verdict about the subject."""
        return self.row.reason

    @property
    def detail(self) -> str:
        """Why the evidence does not count, else what the runner or planner said about the cell."""
        said = self.evidence.detail if self.evidence is not None else self.row.detail
        return "; ".join(self.row.problems) or said or ""

    @property
    def remedy(self) -> str:
        """What would help."""
        return self.row.remedy or ""

    @property
    def key(self) -> CellKey:
        """Route x strategy x scenario."""
        return self.planned.key

    @property
    def seconds(self) -> float | None:
        """How long the cell took; ``None`` when it did not run."""
        return self.evidence.seconds if self.evidence is not None else None

    @property
    def flaky(self) -> bool:
        """Failed before, passed now, nothing changed."""
        return self.row.flaky


@dataclass(frozen=True, slots=True)
class Selection:
    """Which cells a table shows; empty = all, entries are ``fnmatch`` patterns."""

    engines: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    strategies: tuple[str, ...] = ()
    scenarios: tuple[str, ...] = ()

    def takes(self, key: CellKey) -> bool:
        """Whether the cell is selected."""
        return (
            _matches(key.engine, self.engines)
            and _matches(key.route_id, self.routes)
            and _matches(key.strategy.value, self.strategies)
            and _matches(key.scenario, self.scenarios)
        )


@dataclass(frozen=True, slots=True)
class SubjectView:
    """One engine version in one release."""

    plan: CertificationPlan
    lines: tuple[CellLine, ...]
    """Worst first, then by cell id."""
    summary: Decision
    """The release gate's decision."""
    families: tuple[FamilyView, ...] = ()
    """Empty when the release is about the matrix alone."""

    @property
    def subject(self) -> Subject:
        """The named thing that was certified."""
        return self.plan.subject

    @property
    def outcome(self) -> Outcome:
        """The release gate's verdict."""
        return self.summary.outcome

    @property
    def blockers(self) -> tuple[Blocker, ...]:
        """Why it is not green."""
        return self.summary.blockers

    @property
    def author(self) -> str:
        """Who signed its evidence, in words, and what that is worth."""
        return author_in_words(self.summary) if isinstance(self.summary, ReleaseSummary) else UNSIGNED

    @property
    def unsigned(self) -> bool:
        """Whether whoever may write the evidence can forge it."""
        return self.author == UNSIGNED

    @property
    def tally(self) -> Tally:
        """Outcomes of all planned cells."""
        return Tally.of(line.outcome for line in self.lines)

    @property
    def failed(self) -> tuple[CellLine, ...]:
        """Cells that disproved something."""
        return tuple(line for line in self.lines if line.outcome is Outcome.FAILED)

    @property
    def undecided(self) -> tuple[CellLine, ...]:
        """Cells without a verdict about the subject that should have one: can't tell and untested."""
        return tuple(line for line in self.lines if line.outcome in (Outcome.CANT_TELL, Outcome.UNTESTED))

    @property
    def ran(self) -> tuple[CellLine, ...]:
        """Cells that were to be run here."""
        return tuple(line for line in self.lines if line.planned.disposition == "run")

    @property
    def services(self) -> tuple[ServiceUse, ...]:
        """Every service cells ran on, once a system and version."""
        seen: dict[tuple[str, str, str], ServiceUse] = {}
        for line in self.lines:
            for use in line.evidence.services if line.evidence else ():
                seen.setdefault((use.system, use.provider, use.version), use)
        return tuple(seen[name] for name in sorted(seen))

    def select(self, selection: Selection) -> SubjectView:
        """The same subject and verdict with fewer cells on show."""
        lines = tuple(line for line in self.lines if selection.takes(line.key))
        return replace(self, lines=lines)


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """All subjects of one release."""

    release_id: str
    subjects: tuple[SubjectView, ...]
    store: EvidenceStore | None = None
    """Where it lies, for links to its files; ``None`` for one that is not on disk."""

    def select(self, selection: Selection) -> ReleaseView:
        """The same release with fewer engines and cells on show."""
        shown = (s for s in self.subjects if _matches(s.subject.engine, selection.engines))
        return replace(self, subjects=tuple(subject.select(selection) for subject in shown))

    @property
    def outcome(self) -> Outcome:
        """Worst verdict of all subjects; no subject at all is ``untested``."""
        return Outcome.worst(subject.outcome for subject in self.subjects)


def subject_view(
    plan: CertificationPlan,
    report: CertificationReport,
    cells: Mapping[str, CellEvidence],
    summary: Decision,
    families: tuple[FamilyView, ...] = (),
    *,
    findings: Mapping[str, tuple[Finding, ...]] = MappingProxyType({}),
) -> SubjectView:
    """Join a plan with the gates' decisions, the evidence of its cells and what explains them, by cell id."""
    planned = {cell.key.cell_id: cell for cell in plan.cells}
    lines = [
        CellLine(
            planned[row.case_id],
            row,
            cells.get(row.case_id),
            # Evidence that does not count shows nothing of the engine.
            () if row.problems else findings.get(row.case_id, ()),
        )
        for row in report.results
    ]
    lines.sort(key=lambda line: (WORST_FIRST.index(line.outcome), line.key.cell_id))
    return SubjectView(plan, tuple(lines), summary, families)


def _matches(name: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(name, pattern) for pattern in patterns)
