"""The code location of every kind of stack: the shipped one, with a schedule that ticks when told to."""

import os
from pathlib import Path

import dagster as dg

from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import RELEASE_TAG
from tests.orchestration.stacks.size import SIZE


@dg.schedule(name="every_minute", cron_schedule="* * * * *", job_name="full_certification")
def every_minute(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    """Ticks every minute and asks for a run in the one that a test has written down."""
    minute = context.scheduled_execution_time.strftime("%H:%M")
    chosen = Path(os.environ["CERTIFY_EVIDENCE_DIR"]).with_name("minute")
    if not chosen.exists() or chosen.read_text() != minute:
        return dg.SkipReason(f"not at {minute}")
    return dg.RunRequest(
        run_key="tick", tags={RELEASE_TAG: "tick"}, run_config={"ops": {"plan": {"config": SIZE}}}
    )


_shipped = build_defs()
defs = dg.Definitions.merge(_shipped, dg.Definitions(schedules=[every_minute], executor=_shipped.executor))
