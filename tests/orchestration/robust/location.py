"""The code location of these tests: the shipped definitions on a small plan, a schedule that ticks soon."""

import os
from pathlib import Path

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.orchestration.build import build_defs
from certification_pipeline.orchestration.names import RELEASE_TAG
from tests.orchestration.conftest import SCENARIOS, SIZE, small_catalog

MORE = ("idem.rerun", "batch.full_refresh", "ident.funky", "schema.add", "obs.counts", "types.matrix")


def catalog() -> Catalog:
    """The small one, with more scenarios, so that a run can be met in its midst."""
    small, shipped = small_catalog(), load_catalog()
    embedded = small.profiles["embedded"].model_copy(
        update={"families": {Family.OPENLINEAGE: ("reference",)}}
    )
    there = {name: shipped.scenarios[name] for name in (*SCENARIOS, *MORE)}
    return small.model_copy(update={"scenarios": there, "profiles": {"embedded": embedded}})


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


_shipped = build_defs(catalog=catalog())
defs = dg.Definitions.merge(_shipped, dg.Definitions(schedules=[every_minute], executor=_shipped.executor))
