"""A version that nobody has certified yet begins a run, once; an index that is down begins none."""

from collections.abc import Iterable, Sequence

import dagster as dg

from certification_pipeline.alerts.new_version import new_version
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.notify.configured import configured
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.jobs import UPGRADE_JOB
from certification_pipeline.orchestration.names import upgrade_key
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.sensors.alerts import in_words
from certification_pipeline.orchestration.step import op_of
from certification_pipeline.settings import SettingsError

UPGRADE_TAG = "certification/upgrade"
"""Run tag: ``dlt==1.32.0``."""
SECONDS = 3600
"""Between two looks at the index: versions come by the week."""


def new_engine_version(catalog: Catalog, engines: Sequence[Engine]) -> dg.SensorDefinition:
    """Watches these engines; stopped until a deployment switches it on."""
    names = [engine.id for engine in engines]

    @dg.sensor(
        name="new_engine_version",
        job=UPGRADE_JOB,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description="Looks at the package index once an hour (CERTIFY_INDEX_URL, else uv's own) and "
        f"certifies each new version once: {', '.join(names)}.",
    )
    def sensor(context: dg.SensorEvaluationContext, certification: CertificationResource) -> dg.SensorResult:
        try:
            found = late.watch(catalog, names, certification.store(), late.configured_index())
        except (SettingsError, EvidenceError) as error:
            return dg.SensorResult(skip_reason=str(error))
        new = [one for one in found if one.verdict is late.Verdict.NEW]
        unknown = [f"{one.engine}: {one.why}" for one in found if one.verdict is late.Verdict.UNKNOWN]
        for said in unknown:
            context.log.warning(said)
        if not new:
            up_to_date = sum(one.verdict is late.Verdict.UP_TO_DATE for one in found)
            return dg.SensorResult(
                skip_reason="; ".join((f"Nothing new: {up_to_date} of {len(found)} up to date", *unknown))
            )
        _tell(context, certification, new)
        return dg.SensorResult(run_requests=[_request(one) for one in new])

    return sensor


def _tell(
    context: dg.SensorEvaluationContext, certification: CertificationResource, new: "Iterable[late.Watched]"
) -> None:
    """People hear of it once; that they cannot be told stops no certification."""
    try:
        link, now = configured().settings.link, utc_now()
        notices = [
            new_version(one.engine, str(one.newest), one.why, one.command, now, link=link) for one in new
        ]
        context.log.info(in_words(late.tell(certification.settings(), *notices)))
    except (SettingsError, EvidenceError) as error:
        context.log.warning(str(error))


def _request(one: "late.Watched") -> dg.RunRequest:
    key = upgrade_key(one.engine)
    return dg.RunRequest(
        # Dagster begins one run a key, however often this is evaluated, and whatever became of that run.
        run_key=f"upgrade-{one.engine}-{one.newest}",
        asset_selection=[key],
        run_config={"ops": {op_of(key): {"config": {"version": one.newest}}}},
        tags={UPGRADE_TAG: f"{one.engine}=={one.newest}"},
    )
