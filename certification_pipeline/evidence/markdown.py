"""Artifacts for people: first line the verdict, then what blocks and what to do, then the tables.

Everything here is a function of the artifact alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Artifact
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_page import measured_facts, measured_tables
from certification_pipeline.evidence.bundle import (
    BundleCounts,
    BundleItem,
    OpsEvidenceBundle,
    StrategyCertificationBundle,
)
from certification_pipeline.evidence.connectors import ChecklistItem, ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.plan import CertificationPlan, Selection
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.report import CertificationReport, ReportRow
from certification_pipeline.evidence.run_registry import RunRegistry
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex
from certification_pipeline.evidence.summary import ReleaseSummary

MOST_ROWS = 500
"""A longer table ends with how much more the JSON holds."""

_VERDICTS = {
    Outcome.PASSED: "PASS",
    Outcome.FAILED: "FAIL",
    Outcome.CANT_TELL: "INCONCLUSIVE",
    Outcome.UNTESTED: "INCONCLUSIVE (untested)",
    Outcome.INAPPLICABLE: "INCONCLUSIVE (inapplicable)",
}


@singledispatch
def markdown(artifact: Artifact) -> str:
    """The artifact as Markdown. TypeError for a kind that has none."""
    raise TypeError(f"{type(artifact).__name__} has no Markdown")


@markdown.register
def _plan(plan: CertificationPlan) -> str:
    planned = sum(cell.disposition == "run" for cell in plan.cells)
    title = f"PLAN: {planned} of {len(plan.cells)} cells are to be run"
    rows = [
        (
            cell.key.cell_id,
            cell.disposition,
            _yes(cell.required),
            cell.reason or "",
            cell.detail or "",
            cell.remedy or "",
        )
        for cell in plan.cells
    ]
    table = _table(("cell", "disposition", "required", "reason", "detail", "remedy"), rows)
    facts = (
        *_narrowed(plan.selection),
        ("plan digest", plan.plan_digest),
        ("rows", plan.rows),
        ("seed", plan.seed),
    )
    return _page(title, plan, facts, "## Cells", table)


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
    return _page(
        _headline(report),
        report,
        facts,
        "## By route",
        _totals_table("route", report.by_route),
        "## By strategy",
        _totals_table("strategy", report.by_strategy),
        "## Not passed",
        _table(
            ("cell", "outcome", "required", "what was seen", "remedy"),
            [(r.case_id, r.outcome.value, _yes(r.required), _seen(r), r.remedy or "") for r in other],
        ),
        "## Passed",
        _table(
            ("cell", "rows expected", "rows found", "seconds"),
            [(r.case_id, r.expected_row_count, r.actual_row_count, f"{r.seconds:.2f}") for r in green],
        ),
    )


@markdown.register
def _benchmark(benchmark: BenchmarkBaseline) -> str:
    rows = [
        (
            item.metric,
            "passed" if item.passed else "failed",
            item.actual,
            item.baseline,
            item.direction,
            item.allowed_threshold,
            item.action.value,
        )
        for item in benchmark.items
    ]
    head = ("metric", "outcome", "actual", "baseline", "better", "allowed", "action")
    allowed = ("allowed regression ratio", benchmark.allowed_regression_ratio)
    if benchmark.measurement is not None:
        title, facts = _headline(benchmark), (*measured_facts(benchmark, benchmark.measurement), allowed)
        return _page(
            title, benchmark, facts, "## Gated", _table(head, rows), *measured_tables(benchmark, _table)
        )
    given = ("figures", "given by the caller: a claim, nothing was measured here")
    return _page(_headline(benchmark), benchmark, (given, allowed), "## Metrics", _table(head, rows))


@markdown.register
def _strategy_bundle(bundle: StrategyCertificationBundle) -> str:
    kinds = [item.kind.value for item in bundle.evidence_items]
    links = [(link.link, _yes(link.sha256 is not None), _short(link.sha256)) for link in bundle.docs_links]
    facts = [("bundle", bundle.bundle_id), ("evidence", _counted(bundle.summary))]
    if bundle.docs_left_out:
        facts.append(("pages that are not here", ", ".join(bundle.docs_left_out)))
    table = _table(("page", "resolves", "sha256"), links)
    items = _items("kind", kinds, bundle.evidence_items)
    return _page(_headline(bundle), bundle, facts, "## Evidence", items, "## Docs", table)


@markdown.register
def _evidence_bundle(bundle: OpsEvidenceBundle) -> str:
    items = _items("item", [item.name for item in bundle.items], bundle.items)
    facts = (("evidence", _counted(bundle.summary)),)
    return _page(_headline(bundle), bundle, facts, "## Evidence", items)


@markdown.register
def _registry(registry: RunRegistry) -> str:
    rows = [(cell.cell_id, cell.runs, cell.rows, _short(cell.sha256)) for cell in registry.cells]
    facts = (("runs", registry.run_count), ("plan digest", registry.plan_digest))
    table = _table(("cell", "runs", "rows at the source", "sha256"), rows)
    return _page(_headline(registry), registry, facts, "## Runs by cell", table)


@markdown.register
def _openlineage(report: OpenLineageReport) -> str:
    rows = [
        (
            item.cell_id,
            item.step,
            " ".join(item.events),
            item.rows,
            item.oracle_rows,
            item.output_columns,
            item.oracle_columns,
            f"{item.assertions - item.failed_assertions} of {item.assertions}",
            "; ".join(f"{problem.word}: {problem.message}" for problem in item.problems) or "none",
        )
        for item in sorted(report.items, key=lambda item: item.passed)
    ]
    facts = (
        ("loads exported", f"{report.run_count} of the scenarios {', '.join(report.scenarios)}"),
        ("compared with the oracle", f"{report.judged_runs} loads"),
        ("events", f"{report.event_count} in {report.events_path}"),
        ("events sha256", report.events_sha256 or "missing"),
        ("taken by a receiver", report.emission.emitted if report.emission else "not asked"),
    )
    head = (
        "cell",
        "load",
        "events",
        "rows",
        "by the oracle",
        "columns",
        "by the oracle",
        "green",
        "problems",
    )
    return _page(_headline(report), report, facts, "## Loads, red ones first", _table(head, rows))


@markdown.register
def _connectors(made: ConnectorCertification) -> str:
    head = ("connector", "level", *(item.value for item in ChecklistItem))
    rows = [
        (
            connector.name,
            connector.level,
            *(made.connectors[connector.name][item].status.value for item in ChecklistItem),
        )
        for connector in made.scope
    ]
    open_ = [
        (cap.connector, cap.capability.value, cap.status.value, _yes(cap.required), cap.detail, cap.remedy)
        for items in made.connectors.values()
        for cap in items.values()
        if cap.status is not Outcome.PASSED
    ]
    facts = (
        ("tests", f"{made.junit.tests} in {made.junit.path}" if made.junit else "none"),
        ("markers", ", ".join(made.markers)),
        ("levels compared with", made.previous_release or "nothing published before"),
        ("snapshot", made.snapshot_id),
    )
    return _page(
        _headline(made),
        made,
        facts,
        "## Checklist",
        _table(head, rows),
        "## Not passed",
        _table(("connector", "item", "outcome", "required", "what was seen", "remedy"), open_),
    )


@markdown.register
def _replay(replay: ReplayEvidence) -> str:
    rows = [
        (
            item.route_id,
            item.strategy,
            item.kind,
            item.status,
            item.outcome.value,
            item.rows_in_scope,
            ", ".join(f"{check.name} {check.status.value}" for check in item.status_checks),
            item.run_id,
        )
        for item in replay.items
    ]
    head = ("route", "strategy", "kind", "status", "outcome", "rows in scope", "judged", "earlier run")
    declared = [
        (one.route_id, one.strategy, ", ".join(f"{kind} {support}" for kind, support in one.support.items()))
        for one in replay.declared
    ]
    table = _table(("route", "strategy", "support"), declared)
    facts = (("mode", replay.mode), ("replays", len(replay.items)))
    return _page(_headline(replay), replay, facts, "## Replays", _table(head, rows), "## Declared", table)


@markdown.register
def _dbt_lineage(lineage: DbtLineage) -> str:
    nodes = [
        (target.target, node.name, node.kind, node.materialized, node.state, len(node.columns))
        for target in lineage.targets
        for node in target.nodes
    ]
    columns = [
        (target.target, edge.upstream, edge.upstream_column, edge.downstream, edge.downstream_column)
        for target in lineage.targets
        for edge in target.column_edges
    ]
    tests = [
        (target.target, test.name, test.state, test.failures, test.message)
        for target in lineage.targets
        for test in target.tests
    ]
    by_us = lineage.source == "executed"
    facts = (
        ("evidence", "loaded, judged and built by us" if by_us else "given by the caller: a claim"),
        *((f"dbt on {each.target}", each.dbt_version or "did not run") for each in lineage.targets),
        *((f"left out: {each.target}", each.why) for each in lineage.left_out),
    )
    return _page(
        _headline(lineage),
        lineage,
        facts,
        "## Nodes",
        _table(("target", "name", "kind", "materialized", "state", "columns"), nodes),
        "## Tests",
        _table(("target", "test", "state", "failures", "message"), tests),
        "## Columns",
        _table(("target", "from", "column", "to", "column"), columns),
    )


@markdown.register
def _suite(suite: CertificationSuite) -> str:
    rows = [
        (
            item.name.value,
            _yes(item.required),
            "missing" if item.missing else item.outcome.value,
            item.identity_status,
            item.path,
            _short(item.sha256),
        )
        for item in suite.items
    ]
    facts = (("suite", suite.suite_id), ("cells", suite.case_count), ("evidence", suite.evidence_count))
    table = _table(("item", "required", "outcome", "identity", "file", "sha256"), rows)
    return _page(_headline(suite), suite, facts, "## Items", table)


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
    table = _table(("when", "suite", "run", "outcome", "blockers"), rows)
    return _page(
        _headline(index), index, (("evaluations", index.suite_count),), "## Evaluations, newest first", table
    )


@markdown.register
def _index(index: ArtifactIndex) -> str:
    rows = [(e.path, e.artifact_type, e.size_bytes, _short(e.sha256), e.run_id or "") for e in index.entries]
    facts = (("files", index.file_count), ("bytes", index.total_bytes))
    table = _table(("file", "type", "bytes", "sha256", "run"), rows)
    return _page(_headline(index), index, facts, "## Files", table)


@markdown.register
def _summary(summary: ReleaseSummary) -> str:
    rows = [
        (
            item.name.value,
            _yes(item.required),
            "missing" if item.missing and item.required else item.outcome.value,
            item.path,
            _short(item.sha256),
        )
        for item in summary.items
    ]
    link = summary.chain
    facts = (("rests on", f"chain entry {link.sequence}, {link.chain_hash}" if link else "no chain entry"),)
    table = _table(("item", "required", "outcome", "file", "sha256"), rows)
    return _page(_headline(summary), summary, facts, "## Items", table)


def _items(head: str, names: Sequence[str], items: Sequence[BundleItem]) -> str:
    rows = [
        (name, _yes(i.required), i.outcome.value if i.present else "missing", i.path, _short(i.sha256))
        for name, i in zip(names, items, strict=True)
    ]
    return _table((head, "required", "outcome", "file", "sha256"), rows)


def _counted(counts: BundleCounts) -> str:
    return f"{counts.passed_items} of {counts.present_items} present passed, {counts.missing_items} missing"


def _narrowed(selection: Selection) -> tuple[tuple[str, str], ...]:
    patterns = (*selection.routes, *selection.strategies, *selection.scenarios)
    return (("narrowed to", ", ".join(patterns)),) if patterns else ()


def _headline(artifact: Artifact) -> str:
    kind = artifact.KIND.replace("_", " ")
    subject = f"{artifact.subject.engine} {artifact.subject.version}"
    return f"{_VERDICTS[artifact.outcome]}: {kind} of {subject}, release {artifact.release_id}"


def _page(title: str, artifact: Artifact, facts: Iterable[tuple[str, object]], *sections: str) -> str:
    revision = artifact.producer.git_revision
    common = (
        ("release", artifact.release_id),
        ("subject", f"{artifact.subject.engine} {artifact.subject.version}"),
        ("artifact", artifact.subject.artifact_digest or "unknown"),
        ("profile", artifact.profile),
        ("run", artifact.run_id),
        ("made", f"{artifact.created_at.isoformat()} by {artifact.producer.name} {artifact.producer.version}")
        if revision is None
        else ("made", f"{artifact.created_at.isoformat()} by {artifact.producer.name} {revision[:12]}"),
    )
    listed = "\n".join(f"- {name}: {_escape(value)}" for name, value in (*facts, *common))
    return "\n\n".join((f"# {_escape(title)}", _blockers(artifact), listed, *sections)) + "\n"


def _blockers(artifact: Artifact) -> str:
    if not artifact.blockers:
        return "Nothing blocks." if artifact.passed else "No blocker is recorded."
    shown = artifact.blockers[:MOST_ROWS]
    lines = [
        f"{at}. **{_escape(blocker.code)}**: {_escape(blocker.message)}\n   Next: {_code(blocker.next_step)}"
        for at, blocker in enumerate(shown, start=1)
    ]
    more = len(artifact.blockers) - len(shown)
    return "\n".join(["## What blocks", "", *lines, *([f"\n… and {more} more in the JSON."] if more else [])])


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return "None."
    lines = [_line(head), _line("---" for _ in head), *(_line(row) for row in rows[:MOST_ROWS])]
    more = len(rows) - MOST_ROWS
    return "\n".join([*lines, *([f"\n… and {more} more in the JSON."] if more > 0 else [])])


def _totals_table(what: str, groups: Mapping[str, Mapping[Outcome, int]]) -> str:
    rows = [(group, *(counts.get(outcome, 0) for outcome in Outcome)) for group, counts in groups.items()]
    return _table((what, *(outcome.value for outcome in Outcome)), rows)


def _totals(counts: Mapping[Outcome, int]) -> str:
    return ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()) or "none"


def _seen(row: ReportRow) -> str:
    said = "; ".join(row.problems) or row.detail or (row.reason.value if row.reason else "")
    return f"{said} (flaky)" if row.flaky else said


def _line(cells: Iterable[object]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(value: object) -> str:
    """Text that can neither end a table cell, nor begin markup: engines' messages are strangers' text."""
    text = _visible(str("" if value is None else value))
    for character in "\\`*<>|[]":
        text = text.replace(character, f"\\{character}")
    return text


def _code(text: str) -> str:
    return "`" + _visible(text).replace("`", "'") + "`"


def _visible(text: str) -> str:
    """On one line, without characters that steer a terminal."""
    return "".join(character for character in " ".join(text.split()) if character.isprintable())


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _short(digest: str | None) -> str:
    return digest.removeprefix("sha256:")[:12] if digest else ""
