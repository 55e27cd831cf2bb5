"""The shipped code location, with a schedule that need not be waited for until the night."""

import dagster as dg

from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import RELEASE_TAG

RELEASE = "minutely"


@dg.schedule(
    cron_schedule="* * * * *",
    job_name="connector_certification",
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def minutely_connector_certification(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ticks every minute, and begins one release."""
    if context.instance.get_runs_count(dg.RunsFilter(tags={RELEASE_TAG: RELEASE})):
        return dg.SkipReason("It has begun.")
    return dg.RunRequest(
        tags={RELEASE_TAG: RELEASE},
        run_config={"ops": {"plan": {"config": {"seed": 1}}}},
    )


defs = dg.Definitions.merge(build_defs(), dg.Definitions(schedules=[minutely_connector_certification]))
