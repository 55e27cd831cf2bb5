"""A release may leave parts out: a launchpad narrows it to some engines, routes, strategies or families.

An engine that was left out is skipped, with everything that follows from it. A route or a family that was
left out says so on its page, its checks are amber: the report and the gates to its right are still made.
"""

from collections.abc import Iterable, Iterator

import dagster as dg
from dagster._core.definitions.assets.job.asset_job import IMPLICIT_ASSET_JOB_NAME

from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.names import PLAN
from certification_pipeline.orchestration.resources import CertificationResource

LEFT_OUT = "0_left_out"
_NEXT = "To have it, begin a release that holds it: materialize `plan` without these filters"


def sealed_for(
    context: dg.AssetExecutionContext, certification: CertificationResource, engine: str
) -> CertificationPlan | None:
    """The engine's sealed plan in the run's release; ``None``: it was left out, the step is to be skipped.

    Raises ``dagster.Failure`` when there is no release at all, or when just this engine was asked for;
    ``EvidenceError`` for a plan that cannot be read.
    """
    release_id = certification.release_of(context.run)
    store = certification.store()
    there = store.engines(release_id)
    directory = store.release(release_id, engine)
    if directory.plan_path.exists() or not there:
        return late.read_plan(directory).plan
    told = f"Release {release_id} is about {', '.join(there)}, not about {engine}. {_NEXT}"
    if asked_by_name(context.run):
        raise dg.Failure(told, allow_retries=False)
    context.log.info(told)
    for key in sorted(context.selected_asset_keys):
        context.log_event(dg.AssetObservation(key, metadata={LEFT_OUT: told, "release": release_id}))
    return None


def left_out(
    context: dg.AssetExecutionContext, plan: CertificationPlan, what: str, *keys: dg.AssetKey
) -> Iterator[dg.MaterializeResult]:
    """Assets of a part that the plan does not hold: a note on each, and no figure.

    Materialized, as Dagster would otherwise skip the verdict over the rest. Raises ``dagster.Failure`` when
    just they were asked for.
    """
    if not keys:
        return
    told = f"Release {plan.release_id} leaves out {what}: it was narrowed to {narrowed_to(plan)}. {_NEXT}"
    if asked_by_name(context.run):
        raise dg.Failure(told, allow_retries=False)
    context.log.info(told)
    for key in keys:
        yield dg.MaterializeResult(
            asset_key=key,
            data_version=dg.DataVersion(f"left-out-of-{plan.release_id}"),
            metadata={LEFT_OUT: told, "release": plan.release_id},
        )


def not_looked_at(
    plan: CertificationPlan, checks: Iterable[dg.AssetCheckKey]
) -> Iterator[dg.AssetCheckResult]:
    """Checks of a part that the plan does not hold: amber, for there is no verdict.

    Of a run that ends red Dagster calls every check that it planned and nobody evaluated *Failed*.
    """
    told = f"Left out of release {plan.release_id}: it was narrowed to {narrowed_to(plan)}. {_NEXT}"
    for check in checks:
        yield dg.AssetCheckResult(
            asset_key=check.asset_key,
            check_name=check.name,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            description=told,
            metadata={LEFT_OUT: told, "release": plan.release_id},
        )


def narrowed_to(plan: CertificationPlan) -> str:
    """``routes postgres_to_duckdb; families none``, as a person would say it."""
    chosen = plan.selection
    said = [
        f"{what} {', '.join(patterns)}"
        for what, patterns in (
            ("routes", chosen.routes),
            ("strategies", chosen.strategies),
            ("scenarios", chosen.scenarios),
        )
        if patterns
    ]
    if chosen.families or said:
        said.append(f"families {', '.join(plan.families) or 'none'}")
    return "; ".join(said) or "nothing less than its profile makes for it"


def asked_by_name(run: dg.DagsterRun) -> bool:
    """Whether just these assets or checks were clicked on; a job, or a run that plans, takes what comes."""
    chosen = run.asset_selection or run.asset_check_selection
    return (
        run.job_name == IMPLICIT_ASSET_JOB_NAME and bool(chosen) and PLAN not in (run.asset_selection or ())
    )
