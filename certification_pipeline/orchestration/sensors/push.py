"""What a run has chained is pushed when it has ended, green or red: a lost red would look like a green."""

import dagster as dg

from certification_pipeline.orchestration.push import push_evidence


def push_sensors() -> list[dg.SensorDefinition]:
    """One for runs that succeeded, one for those that failed; Dagster's sensors watch one status each."""
    return [_push_after(status) for status in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE)]


def _push_after(status: dg.DagsterRunStatus) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        name=f"push_after_{status.value.lower()}",
        run_status=status,
        request_job=push_evidence,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Pushes the chains when a run that decides has ended.",
    )
    def push_after(context: dg.RunStatusSensorContext) -> dg.RunRequest | dg.SkipReason:
        run = context.dagster_run
        if run.job_name == push_evidence.name:
            return dg.SkipReason("That run is a push itself.")
        chosen = run.asset_selection or frozenset()
        if run.asset_check_selection and not chosen:
            return dg.SkipReason("It ran single checks: nothing of that is chained before the next verdict.")
        if chosen and not any(key.path[0] == "verdict" for key in chosen):
            return dg.SkipReason("It decided nothing: nothing new is chained.")
        return dg.RunRequest(run_key=f"push-{run.run_id}")

    return push_after
