"""What each family's artifact shows beside its verdict: its items, and figures that plot over time.

Names of figures are the same in every run, or there would be no line to draw.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import singledispatch

import dagster as dg
import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.bundle import BundleItem, OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.openlineage import LineageItem, OpenLineageReport
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.orchestration.render import Metadata, table
from certification_pipeline.report.calibration import fates


@singledispatch
def shown(decision: Decision) -> Metadata:
    """Nothing but the verdict, for a kind that has no entry here."""
    return {}


@shown.register
def _benchmark(made: BenchmarkBaseline) -> Metadata:
    if made.source == "given":
        given = [
            {
                "metric": item.metric,
                "passed": item.passed,
                "actual": item.actual,
                "baseline": item.baseline,
                "allowed": item.allowed_threshold,
                "do": item.action.value,
            }
            for item in made.items
        ]
        return _shown(given, {item.metric: item.actual for item in made.items})
    rows = [
        {
            "metric": each.metric.value,
            "outcome": each.verdict,
            "ratio": each.ratio,
            "95 % bounds": each.bounds,
            "allowed": each.allowed,
            "contender": each.contender,
            "baseline": each.baseline,
            "to raw COPY": each.to_raw,
            "pairs": each.pairs,
        }
        for each in sorted(made.comparisons, key=lambda each: not each.gated)
    ]
    figures = {
        f"{each.metric.value}_{name}": value
        for each in made.comparisons
        for name, value in {
            "ratio": each.ratio,
            "ratio_lower": each.lower,
            "ratio_upper": each.upper,
            "contender": each.contender,
            "baseline": each.baseline,
            "to_raw": each.to_raw,
        }.items()
    }
    return _shown(rows, {**figures, "false_alarm_rate": made.aa.rate if made.aa else None})


@shown.register
def _openlineage(made: OpenLineageReport) -> Metadata:
    rows = [
        {"cell": item.cell_id, "step": item.step, "problem": problem.word.value, "says": problem.message}
        for item in made.items
        for problem in item.problems
    ]
    figures = {"events": made.event_count, "runs": made.run_count, "judged_runs": made.judged_runs}
    return {**_shown(rows, figures), **_loads_by_route(made)}


def _loads_by_route(made: OpenLineageReport) -> Metadata:
    """What was exported, and of how much of it the oracle saw the rows; routes that disagree first."""
    by_route: dict[str, list[LineageItem]] = {}
    for item in made.items:
        by_route.setdefault(item.cell_id.partition("__")[0], []).append(item)
    rows = [
        {
            "route": route,
            "loads": len(items),
            "judged": sum(item.oracle_rows is not None for item in items),
            "disagree": sum(not item.passed for item in items),
        }
        for route, items in by_route.items()
    ]
    rows.sort(key=lambda row: (not row["disagree"], row["route"]))
    return {"2_loads": table(pd.DataFrame(rows))} if rows else {}


@shown.register
def _dbt(made: DbtLineage) -> Metadata:
    return {**_dbt_items(made), **_columns(made)}


def _columns(made: DbtLineage) -> Metadata:
    """What each column of a model is made of, where Dagster looks for it: a line that stays over runs."""
    deps: dict[str, list[dg.TableColumnDep]] = {}
    for edge in dict.fromkeys(edge for target in made.targets for edge in target.column_edges):
        kind, system, *_, table_name = edge.upstream.split(".")  # between them: this run's own database
        upstream = dg.TableColumnDep(dg.AssetKey([kind, system, table_name]), edge.upstream_column)
        deps.setdefault(f"{edge.downstream.split('.')[-1]}.{edge.downstream_column}", []).append(upstream)
    if not deps:
        return {}
    columns = [dg.TableColumn(name) for name in sorted(deps)]
    return {
        "dagster/column_schema": dg.MetadataValue.table_schema(dg.TableSchema(columns)),
        "dagster/column_lineage": dg.MetadataValue.column_lineage(dg.TableColumnLineage(deps)),
    }


def _dbt_items(made: DbtLineage) -> Metadata:
    rows = [
        {
            "target": target,
            "kind": node.kind,
            "name": node.name,
            "state": node.state,
            "materialized": node.materialized,
            "columns": len(node.columns),
            "seconds": node.seconds,
            "message": node.message,
        }
        for target, node in sorted(made.models, key=lambda model: model[1].state == "passed")
    ]
    return _shown(
        rows,
        {
            "models": len(rows),
            "models_passed": sum(node.state == "passed" for _, node in made.models),
            "tests": made.test_count,
            "tests_passed": sum(test.state == "passed" for each in made.targets for test in each.tests),
            "column_edges": sum(len(each.column_edges) for each in made.targets),
        },
    )


@shown.register
def _calibration(made: Calibration) -> Metadata:
    figures = {
        "mutation_score": made.score,
        "planted": made.planted,
        "killed": made.killed,
        "idle_scenarios": sum(not line.kills for line in made.kills),
        "false_alarms": made.clean.alarms,
        "clean_runs": made.clean.runs,
    }
    return _shown(fates(made), figures)


@shown.register
def _replay(made: ReplayEvidence) -> Metadata:
    rows = [
        {
            "outcome": item.outcome.value,
            "replay": item.title,
            "status": item.status,
            "rows in scope": item.rows_in_scope,
            "seconds": item.seconds,
            "detail": item.detail,
        }
        for item in sorted(made.items, key=lambda item: item.passed)
    ]
    return _shown(
        rows,
        {
            "replays": len(made.items),
            **_count(item.outcome for item in made.items),
            "rows_in_scope": sum(item.rows_in_scope for item in made.items),
        },
    )


@shown.register
def _connectors(made: ConnectorCertification) -> Metadata:
    items = [each for checklist in made.connectors.values() for each in checklist.values()]
    rows = [
        {
            "outcome": each.status.value,
            "connector": each.connector,
            "item": each.capability.value,
            "required": each.required,
            "detail": each.detail,
            "do": each.remedy,
        }
        for each in sorted(items, key=lambda each: (each.status is Outcome.PASSED, not each.required))
    ]
    return _shown(
        rows,
        {
            "connectors": len(made.connectors),
            **_count(each.status for each in items),
            "missing_required": len(made.missing_required),
            "tests": made.junit.tests if made.junit else None,
        },
    )


@shown.register
def _suite(made: CertificationSuite) -> Metadata:
    rows = [
        {
            "item": item.name.value,
            "required": item.required,
            "outcome": "missing" if item.missing else item.outcome.value,
            "verified": item.identity_status,
            "file": item.path,
        }
        for item in made.items
    ]
    return _shown(rows, {"evidence_count": made.evidence_count, "cases": made.case_count})


@shown.register
def _strategy_bundle(made: StrategyCertificationBundle) -> Metadata:
    return _bundle(made.evidence_items)


@shown.register
def _evidence_bundle(made: OpsEvidenceBundle) -> Metadata:
    return _bundle(made.items)


def _bundle(items: Sequence[BundleItem]) -> Metadata:
    rows = [
        {
            "item": item.name,
            "required": item.required,
            "outcome": item.outcome.value if item.present else "missing",
            "file": item.path,
            "sha256": item.sha256,
        }
        for item in items
    ]
    return _shown(
        rows,
        {"items_present": sum(item.present for item in items), "items_passed": sum(i.passed for i in items)},
    )


def _count(outcomes: Iterable[Outcome]) -> dict[str, float]:
    counted = Counter(outcomes)
    return {
        "passed": counted[Outcome.PASSED],
        "failed": counted[Outcome.FAILED],
        "cant_tell": counted[Outcome.CANT_TELL],
        "untested": counted[Outcome.UNTESTED],
    }


def _shown(rows: Sequence[Mapping[str, object]], figures: Mapping[str, float | None]) -> Metadata:
    plotted = {
        name: dg.MetadataValue.int(value) if isinstance(value, int) else dg.MetadataValue.float(value)
        for name, value in figures.items()
        if value is not None
    }
    return {**({"1_items": table(pd.DataFrame(rows))} if rows else {}), **plotted}
