"""A crashed family must end as ``<item>.missing`` in a verdict, not as a verdict that nobody wrote."""

from collections.abc import Sequence
from datetime import UTC, datetime

import dagster as dg

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.jobs import VERDICT
from certification_pipeline.orchestration.names import (
    FAMILY_ASSETS,
    RELEASE_TAG,
    decided_keys,
    summary_key,
)
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.sealed import sealed_in


def crash_sensors(engines: Sequence[Engine]) -> list[dg.SensorDefinition]:
    """A certification run that broke off, or was stopped, starts the verdict job on the same release.

    They watch every job, "Materialize all" included. A run that failed *because* its verdict is red has
    decided already and is left alone.
    """

    @dg.run_failure_sensor(
        name="decide_after_a_crash",
        request_job=VERDICT,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Decides about a release whose run broke off, so that what is missing is in a verdict.",
    )
    def decide_after_a_crash(
        context: dg.RunFailureSensorContext, certification: CertificationResource
    ) -> dg.RunRequest | dg.SkipReason:
        return _verdict_of(context, certification, engines)

    @dg.run_status_sensor(
        name="decide_after_a_stop",
        run_status=dg.DagsterRunStatus.CANCELED,
        request_job=VERDICT,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Decides about a release whose run was terminated: what it had not done is missing.",
    )
    def decide_after_a_stop(
        context: dg.RunStatusSensorContext, certification: CertificationResource
    ) -> dg.RunRequest | dg.SkipReason:
        if context.dagster_run.job_name == VERDICT.name:
            return dg.SkipReason("Somebody stopped the verdict itself, and knows why.")
        return _verdict_of(context, certification, engines)

    return [decide_after_a_crash, decide_after_a_stop]


def _verdict_of(
    context: dg.RunStatusSensorContext, certification: CertificationResource, engines: Sequence[Engine]
) -> dg.RunRequest | dg.SkipReason:
    run = context.dagster_run
    chosen = run.asset_selection or frozenset()
    only_decides = run.job_name == VERDICT.name
    # Begun by hand it also makes what follows from the cells; when that breaks, the gates are due.
    if only_decides and chosen and not any(_makes_a_family(key) for key in chosen):
        return dg.SkipReason("The gates alone failed; that run's own page says why.")
    nothing = dg.SkipReason(f"Run {run.run_id[:8]} sealed no plan that it was to decide about.")
    if not certification.store().releases():
        return nothing
    release = certification.decided_by(run) if only_decides else certification.release_of(run)
    record = context.instance.get_run_record_by_id(run.run_id)
    began = datetime.fromtimestamp(record.start_time if record and record.start_time else 0, UTC)
    store = certification.store()
    whole = not chosen and not run.asset_check_selection
    asked = [e.id for e in engines if whole or summary_key(e.id) in chosen]
    sealing = None if only_decides else run
    planned = [e for e in asked if _planned(store.release(release, e), sealing, context.instance)]
    if not planned:
        return nothing
    undecided = [e for e in planned if not _decided_since(store.release(release, e), began)]
    if not undecided:
        return dg.SkipReason(f"Run {run.run_id[:8]} has decided: its release {release} is not green.")
    return dg.RunRequest(
        run_key=f"verdict-{run.run_id}",
        tags={RELEASE_TAG: release},
        asset_selection=[key for e in undecided for key in decided_keys(e)],
    )


def _planned(directory: SubjectDir, run: dg.DagsterRun | None, instance: dg.DagsterInstance) -> bool:
    """Whether there is a plan, sealed by that run or by the one it was started again from.

    A run that was refused because another one writes the release has nothing to decide there. Of a plan that
    was there already the file names the run that was first; a later one that sealed it, too, has a record of
    that.
    """
    if run is None or not directory.plan_path.exists():
        return directory.plan_path.exists()
    try:
        plan = directory.read(directory.plan_path, CertificationPlan)
    except EvidenceError:
        return True  # the verdict says what is wrong with it
    runs = {run.run_id, run.root_run_id or run.run_id}
    if plan.run_id in runs:
        return True
    recorded = [sealed for each in runs if (sealed := sealed_in(instance, each))]
    return any(directory.release_id == of.release and plan.plan_digest in of.digests for of in recorded)


def _makes_a_family(key: dg.AssetKey) -> bool:
    return key.path[0] == "evidence" and key.path[-1] in FAMILY_ASSETS.values()


def _decided_since(directory: SubjectDir, began: datetime) -> bool:
    try:
        return directory.read(directory.summary_path, late.ReleaseSummary).created_at >= began
    except EvidenceError:
        return False
