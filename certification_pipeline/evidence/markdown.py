"""Artifacts for people: first line the verdict, then what blocks and what to do, then the tables.

Everything here is a function of the artifact alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import singledispatch

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.calibration_page import calibration
from certification_pipeline.evidence.family_pages import (
    benchmark,
    connectors,
    dbt_lineage,
    evidence_bundle,
    openlineage,
    registry,
    replay,
    strategy_bundle,
)
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.levels_page import levels_page
from certification_pipeline.evidence.next_step import sign_release
from certification_pipeline.evidence.page import headline, page, short, table, yes
from certification_pipeline.evidence.plan import CertificationPlan, Selection
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex
from certification_pipeline.evidence.summary import ReleaseSummary, author_in_words


@singledispatch
def markdown(artifact: Artifact) -> str:
    """The artifact as Markdown. TypeError for a kind that has none."""
    raise TypeError(f"{type(artifact).__name__} has no Markdown")


for _made in (
    benchmark,
    strategy_bundle,
    evidence_bundle,
    registry,
    openlineage,
    connectors,
    replay,
    dbt_lineage,
    calibration,
    levels_page,
):
    markdown.register(_made)


@markdown.register
def _plan(plan: CertificationPlan) -> str:
    planned = sum(cell.disposition == "run" for cell in plan.cells)
    title = f"PLAN: {planned} of {len(plan.cells)} cells are to be run"
    rows = [
        (
            cell.key.cell_id,
            cell.disposition,
            yes(cell.required),
            cell.reason or "",
            cell.detail or "",
            cell.remedy or "",
        )
        for cell in plan.cells
    ]
    listed = table(("cell", "disposition", "required", "reason", "detail", "remedy"), rows)
    facts = (
        *_narrowed(plan.selection),
        ("plan digest", plan.plan_digest),
        ("rows", plan.rows),
        ("seed", plan.seed),
    )
    return page(title, plan, facts, "## Cells", listed)


@markdown.register
def _report(report: CertificationReport) -> str:
    facts = (
        *_narrowed(report.selection),
        ("cells", f"{report.total_cases} planned, {report.required_cases} required"),
        ("required", _totals(report.required_totals)),
        ("all", _totals(report.totals)),
        ("plan digest", report.plan_digest),
    )
    green = [row for row in report.results if row.passed]
    other = [row for row in report.results if not row.passed]
    return page(
        headline(report),
        report,
        facts,
        "## By route",
        _totals_table("route", report.by_route),
        "## By strategy",
        _totals_table("strategy", report.by_strategy),
        "## Not passed",
        table(
            ("cell", "outcome", "required", "what was seen", "remedy"),
            [(r.case_id, r.outcome.value, yes(r.required), _seen(r), r.remedy or "") for r in other],
        ),
        "## Passed",
        table(
            ("cell", "rows expected", "rows found", "seconds"),
            [(r.case_id, r.expected_row_count, r.actual_row_count, f"{r.seconds:.2f}") for r in green],
        ),
    )


@markdown.register
def _suite(suite: CertificationSuite) -> str:
    rows = [
        (
            item.name.value,
            yes(item.required),
            "missing" if item.missing else item.outcome.value,
            item.identity_status,
            item.path,
            short(item.sha256),
        )
        for item in suite.items
    ]
    facts = (("suite", suite.suite_id), ("cells", suite.case_count), ("evidence", suite.evidence_count))
    listed = table(("item", "required", "outcome", "identity", "file", "sha256"), rows)
    return page(headline(suite), suite, facts, "## Items", listed)


@markdown.register
def _suite_index(index: CertificationSuiteIndex) -> str:
    rows = [
        (
            entry.created_at.isoformat(),
            entry.suite_id,
            entry.run_id,
            entry.outcome.value,
            ", ".join(entry.blockers),
        )
        for entry in reversed(index.suites)
    ]
    listed = table(("when", "suite", "run", "outcome", "blockers"), rows)
    return page(
        headline(index), index, (("evaluations", index.suite_count),), "## Evaluations, newest first", listed
    )


@markdown.register
def _index(index: ArtifactIndex) -> str:
    rows = [(e.path, e.artifact_type, e.size_bytes, short(e.sha256), e.run_id or "") for e in index.entries]
    facts = (("files", index.file_count), ("bytes", index.total_bytes))
    listed = table(("file", "type", "bytes", "sha256", "run"), rows)
    return page(headline(index), index, facts, "## Files", listed)


@markdown.register
def _summary(summary: ReleaseSummary) -> str:
    rows = [
        (
            item.name.value,
            yes(item.required),
            "missing" if item.missing and item.required else item.outcome.value,
            item.path,
            short(item.sha256),
        )
        for item in summary.items
    ]
    link = summary.chain
    facts = (
        ("rests on", f"chain entry {link.sequence}, {link.chain_hash}" if link else "no chain entry"),
        ("signed by", author_in_words(summary)),
        *((("to sign it", sign_release(summary.release_id)),) if summary.signed_by is None else ()),
    )
    listed = table(("item", "required", "outcome", "file", "sha256"), rows)
    return page(headline(summary), summary, facts, "## Items", listed)


def _narrowed(selection: Selection) -> tuple[tuple[str, str], ...]:
    patterns = (*selection.routes, *selection.strategies, *selection.scenarios)
    return (("narrowed to", ", ".join(patterns)),) if patterns else ()


def _totals_table(what: str, groups: Mapping[str, Mapping[Outcome, int]]) -> str:
    rows = [(group, *(counts.get(outcome, 0) for outcome in Outcome)) for group, counts in groups.items()]
    return table((what, *(outcome.value for outcome in Outcome)), rows)


def _totals(counts: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()) or "none"


def _seen(row: ReportRow) -> str:
    said = "; ".join(row.problems) or row.detail or (row.reason.value if row.reason else "")
    return f"{said} (flaky)" if row.flaky else said
