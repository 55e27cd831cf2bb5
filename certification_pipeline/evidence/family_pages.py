"""The Markdown pages of the evidence families and bundles."""

from __future__ import annotations

from collections.abc import Sequence

from certification_pipeline.catalog.checklist import ChecklistItem
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_page import measured_facts, measured_tables
from certification_pipeline.evidence.bundle import (
    BundleCounts,
    BundleItem,
    OpsEvidenceBundle,
    StrategyCertificationBundle,
)
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.page import headline, page, short, table, yes
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.run_registry import RunRegistry


def benchmark(benchmark: BenchmarkBaseline) -> str:
    """As Markdown."""
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
        title, facts = headline(benchmark), (*measured_facts(benchmark, benchmark.measurement), allowed)
        return page(
            title, benchmark, facts, "## Gated", table(head, rows), *measured_tables(benchmark, table)
        )
    given = ("figures", "given by the caller: a claim, nothing was measured here")
    return page(headline(benchmark), benchmark, (given, allowed), "## Metrics", table(head, rows))


def strategy_bundle(bundle: StrategyCertificationBundle) -> str:
    """As Markdown."""
    kinds = [item.kind.value for item in bundle.evidence_items]
    links = [(link.link, yes(link.sha256 is not None), short(link.sha256)) for link in bundle.docs_links]
    facts = [("bundle", bundle.bundle_id), ("evidence", _counted(bundle.summary))]
    if bundle.docs_left_out:
        facts.append(("pages that are not here", ", ".join(bundle.docs_left_out)))
    listed = table(("page", "resolves", "sha256"), links)
    items = _items("kind", kinds, bundle.evidence_items)
    return page(headline(bundle), bundle, facts, "## Evidence", items, "## Docs", listed)


def evidence_bundle(bundle: OpsEvidenceBundle) -> str:
    """As Markdown."""
    items = _items("item", [item.name for item in bundle.items], bundle.items)
    facts = (("evidence", _counted(bundle.summary)),)
    return page(headline(bundle), bundle, facts, "## Evidence", items)


def registry(registry: RunRegistry) -> str:
    """As Markdown."""
    rows = [(cell.cell_id, cell.runs, cell.rows, short(cell.sha256)) for cell in registry.cells]
    facts = (("runs", registry.run_count), ("plan digest", registry.plan_digest))
    listed = table(("cell", "runs", "rows at the source", "sha256"), rows)
    return page(headline(registry), registry, facts, "## Runs by cell", listed)


def openlineage(report: OpenLineageReport) -> str:
    """As Markdown."""
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
    return page(headline(report), report, facts, "## Loads, red ones first", table(head, rows))


def connectors(made: ConnectorCertification) -> str:
    """As Markdown."""
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
        (cap.connector, cap.capability.value, cap.status.value, yes(cap.required), cap.detail, cap.remedy)
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
    return page(
        headline(made),
        made,
        facts,
        "## Checklist",
        table(head, rows),
        "## Not passed",
        table(("connector", "item", "outcome", "required", "what was seen", "remedy"), open_),
    )


def replay(replay: ReplayEvidence) -> str:
    """As Markdown."""
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
    listed = table(("route", "strategy", "support"), declared)
    facts = (("mode", replay.mode), ("replays", len(replay.items)))
    return page(headline(replay), replay, facts, "## Replays", table(head, rows), "## Declared", listed)


def dbt_lineage(lineage: DbtLineage) -> str:
    """As Markdown."""
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
    return page(
        headline(lineage),
        lineage,
        facts,
        "## Nodes",
        table(("target", "name", "kind", "materialized", "state", "columns"), nodes),
        "## Tests",
        table(("target", "test", "state", "failures", "message"), tests),
        "## Columns",
        table(("target", "from", "column", "to", "column"), columns),
    )


def _items(head: str, names: Sequence[str], items: Sequence[BundleItem]) -> str:
    rows = [
        (name, yes(i.required), i.outcome.value if i.present else "missing", i.path, short(i.sha256))
        for name, i in zip(names, items, strict=True)
    ]
    return table((head, "required", "outcome", "file", "sha256"), rows)


def _counted(counts: BundleCounts) -> str:
    return f"{counts.passed_items} of {counts.present_items} present passed, {counts.missing_items} missing"
