"""The matrix gate: from a sealed plan and the cells on disk to one verdict.

Nothing a file says about itself decides here: outcomes come from judgements, identity from the plan.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import datetime

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.artifact import Blocker, Digest
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import Problem
from certification_pipeline.evidence.next_step import rerun_cell, rerun_release
from certification_pipeline.evidence.pieces import slim
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.evidence.subject_dir import CellFile
from certification_pipeline.gates.cell_row import cell_row
from certification_pipeline.gates.collector import collector_paused

_ORDER = tuple(Outcome)
_PROVE_NOTHING = frozenset(
    f"matrix_cell.{word}" for word in ("untested", "inapplicable", "cant_tell", "flaky")
)
"""Blockers that leave the verdict inconclusive; every other one makes it red."""


def certification_report(
    plan: CertificationPlan,
    cells: Iterable[CellFile],
    provenance: Provenance,
    *,
    plan_sha256: Digest,
) -> CertificationReport:
    """Recompute the matrix. ``cells`` is ``SubjectDir.scan(plan)``, ``plan_sha256`` that of the plan's file.

    ``provenance`` is stamped now: cells younger than it do not count.

    Red: a failed required cell, a planned cell without evidence, evidence that is not what the plan
    asked for, files no planned cell accounts for, a plan that is not what was sealed, nothing required,
    nothing passed. Inconclusive: a required cell untested, flaky or undecided.
    """
    matrix = Matrix(plan, provenance, plan_sha256)
    with collector_paused():
        rows = tuple(matrix.rows(cells))
    return matrix.report(rows)


class Matrix:
    """A report in the making: rows go through, and only what they add up to is kept."""

    def __init__(self, plan: CertificationPlan, provenance: Provenance, plan_sha256: Digest) -> None:
        self._plan = plan
        self._provenance = provenance
        self._plan_sha256 = plan_sha256
        self._cases = self._passed = self._required_passed = 0
        self._totals: Counter[Outcome] = Counter()
        self._required: Counter[Outcome] = Counter()
        self._by_route: Counter[tuple[str, Outcome]] = Counter()
        self._by_strategy: Counter[tuple[str, Outcome]] = Counter()
        self._blockers: list[Blocker] = []
        self._unexpected: list[Problem] = []
        self._newest: datetime | None = None

    def rows(self, cells: Iterable[CellFile]) -> Iterator[ReportRow]:
        """Rows in the plan's order, as they are made; files that nobody planned are noted."""
        for found in cells:
            if found.planned is None:
                if isinstance(found.content, Problem):
                    self._unexpected.append(found.content)
                continue
            if isinstance(found.content, CellEvidence):
                made = found.content.created_at
                self._newest = made if self._newest is None else max(self._newest, made)
            row = cell_row(self._plan, found.planned, found, self._provenance)
            self._count(row)
            slim(row)
            yield row

    def report(self, results: tuple[ReportRow, ...] = ()) -> CertificationReport:
        """When all rows went through: what they add up to, with ``results`` in it."""
        plan = self._plan
        blockers = [*plan_blockers(plan), *self._overall_blockers(), *self._blockers]
        blockers += [
            Blocker(code=f"matrix_cell.unexpected:{p.path}", message=p.problem, next_step=p.remedy)
            for p in self._unexpected
        ]
        return CertificationReport(
            **self._provenance.header(CertificationReport, plan.release_id, plan.subject, plan.profile),
            **verdict(self._overall(blockers), blockers),
            plan_digest=plan.plan_digest,
            plan_sha256=self._plan_sha256,
            catalog_digest=plan.catalog_digest,
            selection=plan.selection,
            rows=plan.rows,
            seed=plan.seed,
            case_count=self._cases,
            total_cases=self._cases,
            passed_cases=self._passed,
            failed_cases=self._totals[Outcome.FAILED],
            required_cases=self._required.total(),
            totals=_in_order(self._totals),
            required_totals=_in_order(self._required),
            by_route=_grouped(self._by_route),
            by_strategy=_grouped(self._by_strategy),
            evidence_until=self._newest,
            results=results,
        )

    def _count(self, row: ReportRow) -> None:
        self._cases += 1
        self._passed += row.passed
        self._totals[row.outcome] += 1
        self._by_route[row.key.route_id, row.outcome] += 1
        self._by_strategy[row.key.strategy.value, row.outcome] += 1
        if row.required:
            self._required[row.outcome] += 1
            self._required_passed += row.passed
        self._blockers += _row_blockers(self._plan, row)

    def _overall(self, blockers: list[Blocker]) -> Outcome:
        if any(_is_red(blocker) for blocker in blockers):
            return Outcome.FAILED
        # A required cell must pass; "inapplicable" would let it drop out of the fold unseen.
        return Outcome.worst(Outcome.UNTESTED if o is Outcome.INAPPLICABLE else o for o in self._required)

    def _overall_blockers(self) -> Iterator[Blocker]:
        plan = self._plan
        again = rerun_release(plan.subject.engine, plan.release_id)
        if not self._required:
            message = (
                f"No cell is required in profile {plan.profile!r}: there is nothing that could be certified"
            )
            yield Blocker(
                code="certification_report.no_required_cells", message=message, next_step="certify doctor"
            )
        elif not self._required_passed:
            message = "Not one required cell passed: nothing was proved"
            yield Blocker(code="certification_report.nothing_passed", message=message, next_step=again)


def plan_blockers(plan: CertificationPlan) -> Iterator[Blocker]:
    """Why the plan is not the one that was sealed, or never could have been."""
    problems = []
    if plan.recompute_digest() != plan.plan_digest:
        problems.append("its digest is not the digest of what it holds: it was edited after sealing")
    if plan.schema_version != CertificationPlan.schema_name():
        problems.append(f"its schema_version is {plan.schema_version!r}")
    seen = Counter(cell.key.cell_id for cell in plan.cells)
    problems += [f"it plans {cell_id} {count} times" for cell_id, count in seen.items() if count > 1]
    others = sorted({cell.key.engine for cell in plan.cells} - {plan.subject.engine})
    problems += [f"it is for {plan.subject.engine}, but plans cells of {engine}" for engine in others]
    for problem in problems:
        yield Blocker(
            code="certification_automation_plan.not_verified",
            message=f"The plan proves nothing: {problem}",
            next_step=rerun_release(plan.subject.engine, plan.release_id),
        )


def _is_red(blocker: Blocker) -> bool:
    head = blocker.code.partition(":")[0]
    return head not in (
        "matrix_cell.untested",
        "matrix_cell.inapplicable",
        "matrix_cell.cant_tell",
        "matrix_cell.flaky",
    )


def _row_blockers(plan: CertificationPlan, row: ReportRow) -> Iterator[Blocker]:
    def blocker(word: str, message: str, remedy: str | None = None) -> Blocker:
        next_step = remedy or rerun_cell(row.key, plan.release_id)
        return Blocker(code=f"matrix_cell.{word}:{row.case_id}", message=message, next_step=next_step)

    if row.sha256 is None and row.reason is ReasonCode.NO_OUTCOME:
        yield blocker("missing", "Planned, but nothing was recorded: it counts as red")
    elif not row.verified:
        yield blocker("not_verified", "; ".join(row.problems))
    if not row.required or not row.verified:
        return
    seen = row.detail or (row.reason.value if row.reason else "no detail was recorded")
    match row.outcome:
        case Outcome.FAILED:
            yield blocker("not_passed", seen)
        case Outcome.CANT_TELL if row.flaky:
            yield blocker("flaky", seen)
        case Outcome.CANT_TELL:
            yield blocker("cant_tell", f"The run proves nothing either way: {seen}")
        case Outcome.UNTESTED | Outcome.INAPPLICABLE:
            yield blocker(row.outcome.value, f"Required, but not tested: {seen}", row.remedy)


def _in_order(counted: Counter[Outcome]) -> dict[Outcome, int]:
    return {outcome: counted[outcome] for outcome in _ORDER if counted[outcome]}


def _grouped(counted: Counter[tuple[str, Outcome]]) -> dict[str, dict[Outcome, int]]:
    groups = sorted({group for group, _ in counted})
    return {
        group: {outcome: counted[group, outcome] for outcome in _ORDER if counted[group, outcome]}
        for group in groups
    }
