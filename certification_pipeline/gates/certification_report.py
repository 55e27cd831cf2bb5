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
    with collector_paused():
        rows, unexpected, newest = _fold(plan, cells, provenance)
    blockers = [
        *plan_blockers(plan),
        *_overall_blockers(plan, rows),
        *(blocker for row in rows for blocker in _row_blockers(plan, row)),
        *(
            Blocker(code=f"matrix_cell.unexpected:{p.path}", message=p.problem, next_step=p.remedy)
            for p in unexpected
        ),
    ]
    return CertificationReport(
        **provenance.header(CertificationReport, plan.release_id, plan.subject, plan.profile),
        **verdict(_overall(rows, blockers), blockers),
        plan_digest=plan.plan_digest,
        plan_sha256=plan_sha256,
        catalog_digest=plan.catalog_digest,
        selection=plan.selection,
        rows=plan.rows,
        seed=plan.seed,
        case_count=len(rows),
        total_cases=len(rows),
        passed_cases=sum(row.passed for row in rows),
        failed_cases=sum(row.outcome is Outcome.FAILED for row in rows),
        required_cases=sum(row.required for row in rows),
        totals=_count(row.outcome for row in rows),
        required_totals=_count(row.outcome for row in rows if row.required),
        by_route=_count_by((row.key.route_id, row.outcome) for row in rows),
        by_strategy=_count_by((row.key.strategy.value, row.outcome) for row in rows),
        evidence_until=newest,
        results=tuple(rows),
    )


def _fold(
    plan: CertificationPlan, cells: Iterable[CellFile], provenance: Provenance
) -> tuple[list[ReportRow], list[Problem], datetime | None]:
    """Rows in plan order, files nobody planned, and when the newest cell was made."""
    rows: list[ReportRow] = []
    unexpected: list[Problem] = []
    newest: datetime | None = None
    for found in cells:
        if found.planned is None:
            if isinstance(found.content, Problem):
                unexpected.append(found.content)
            continue
        if isinstance(found.content, CellEvidence):
            made = found.content.created_at
            newest = made if newest is None else max(newest, made)
        rows.append(cell_row(plan, found.planned, found, provenance))
    return rows, unexpected, newest


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


def _overall(rows: list[ReportRow], blockers: list[Blocker]) -> Outcome:
    if any(_is_red(blocker) for blocker in blockers):
        return Outcome.FAILED
    # A required cell must pass; "inapplicable" would let it drop out of the fold unseen.
    required = (row.outcome for row in rows if row.required)
    return Outcome.worst(Outcome.UNTESTED if o is Outcome.INAPPLICABLE else o for o in required)


def _is_red(blocker: Blocker) -> bool:
    head = blocker.code.partition(":")[0]
    return head not in (
        "matrix_cell.untested",
        "matrix_cell.inapplicable",
        "matrix_cell.cant_tell",
        "matrix_cell.flaky",
    )


def _overall_blockers(plan: CertificationPlan, rows: list[ReportRow]) -> Iterator[Blocker]:
    again = rerun_release(plan.subject.engine, plan.release_id)
    if not any(row.required for row in rows):
        message = f"No cell is required in profile {plan.profile!r}: there is nothing that could be certified"
        yield Blocker(
            code="certification_report.no_required_cells", message=message, next_step="certify doctor"
        )
    elif not any(row.passed and row.required for row in rows):
        message = "Not one required cell passed: nothing was proved"
        yield Blocker(code="certification_report.nothing_passed", message=message, next_step=again)


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


def _count(outcomes: Iterable[Outcome]) -> dict[Outcome, int]:
    counted = Counter(outcomes)
    return {outcome: counted[outcome] for outcome in _ORDER if counted[outcome]}


def _count_by(pairs: Iterable[tuple[str, Outcome]]) -> dict[str, dict[Outcome, int]]:
    groups: dict[str, list[Outcome]] = {}
    for group, outcome in pairs:
        groups.setdefault(group, []).append(outcome)
    return {group: _count(groups[group]) for group in sorted(groups)}
