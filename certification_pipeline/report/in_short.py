"""What an artifact says in one line. Figures only; the verdict stands beside it and is the gates'."""

from __future__ import annotations

from functools import singledispatch

from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_samples import Comparison
from certification_pipeline.evidence.bundle import OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.report.families import FamilyView
from certification_pipeline.report.sections.benchmark import metric_name


def in_short(view: FamilyView) -> str:
    """One line about one family: from its artifact, or else from what the gate counted."""
    if view.artifact is not None:
        return _line(view.artifact)
    if not view.present:
        return f"{view.path} is not there"
    counted = ((name, value) for name, value in view.figures.items() if isinstance(value, int))
    return ", ".join(f"{name} {value:,}" for name, value in counted)


@singledispatch
def _line(artifact: Decision) -> str:
    return artifact.KIND.replace("_", " ")


@_line.register
def _matrix(made: CertificationReport) -> str:
    return f"{made.passed_cases:,} of {made.total_cases:,} cells passed, {made.required_cases:,} required"


@_line.register
def _benchmark(made: BenchmarkBaseline) -> str:
    if made.measurement is None:
        passed = sum(item.passed for item in made.items)
        allowed = f"{made.allowed_regression_ratio:.0%}"
        return f"{passed} of {len(made.items)} given metrics within {allowed} of theirs"
    return "; ".join(_compared(each) for each in made.comparisons if each.gated)


def _compared(each: Comparison) -> str:
    name = metric_name(each.metric)
    if each.ratio is None or each.lower is None or each.upper is None:
        return f"{name}: {each.pairs} pairs, too few to tell"
    bounds = f"95 %: {each.lower:.3f} to {each.upper:.3f}"
    raw = f", {each.to_raw:.2f} × raw" if each.to_raw is not None else ""
    return f"{name} {each.ratio:.3f} × baseline ({bounds}; allowed {each.allowed:g}){raw}"


@_line.register
def _openlineage(made: OpenLineageReport) -> str:
    wrong = sum(not item.passed for item in made.items)
    said = (
        f"{wrong} disagree{'s' if wrong == 1 else ''} with the oracle"
        if wrong
        else "all agree with the oracle"
    )
    return f"{made.event_count:,} events of {made.run_count:,} loads, {said}"


@_line.register
def _dbt_lineage(made: DbtLineage) -> str:
    built = sum(node.state == "passed" for _, node in made.models)
    tests = sum(test.state == "passed" for target in made.targets for test in target.tests)
    where = ", ".join(target.target for target in made.targets) or "no target"
    return f"{built} of {len(made.models)} models built, {tests} of {made.test_count} tests passed on {where}"


@_line.register
def _replay(made: ReplayEvidence) -> str:
    passed = sum(item.passed for item in made.items)
    routes = len({item.route_id for item in made.items})
    planned = ", planned only" if made.mode == "plan" else ""
    return (
        f"{passed} of {len(made.items)} replays hold, on {routes} route{'' if routes == 1 else 's'}{planned}"
    )


@_line.register
def _connectors(made: ConnectorCertification) -> str:
    required = [each for items in made.connectors.values() for each in items.values() if each.required]
    proven = len(required) - len(made.missing_required)
    return f"{proven} of {len(required)} required checklist items proven, for {len(made.scope)} connectors"


@_line.register
def _calibration(made: Calibration) -> str:
    clean = made.clean
    return (
        f"{made.killed} of {made.planted} planted defects killed, "
        f"{clean.alarms} false alarms in {clean.runs} clean runs"
    )


@_line.register(StrategyCertificationBundle)
@_line.register(OpsEvidenceBundle)
def _bundle(made: StrategyCertificationBundle | OpsEvidenceBundle) -> str:
    counts = made.summary
    missing = f", {counts.missing_items} not there" if counts.missing_items else ""
    return f"{counts.passed_items} of {counts.present_items} artifacts passed{missing}"
