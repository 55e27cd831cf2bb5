"""Puts the Dagster definitions together. Tests call it with a resource and a catalogue of their own."""

from __future__ import annotations

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.orchestration.assets.calibration import calibration_asset
from certification_pipeline.orchestration.assets.families import family_assets
from certification_pipeline.orchestration.assets.matrix import matrix_assets
from certification_pipeline.orchestration.assets.plan import plan_asset
from certification_pipeline.orchestration.assets.publish import publish_asset
from certification_pipeline.orchestration.assets.report import report_asset
from certification_pipeline.orchestration.assets.upgrades import upgrade_asset, upgraded_engines
from certification_pipeline.orchestration.assets.verdict import verdict_assets
from certification_pipeline.orchestration.engines import engines_of_a_run
from certification_pipeline.orchestration.executor import Steps, chosen_steps
from certification_pipeline.orchestration.freshness import by_timetable
from certification_pipeline.orchestration.history import daily_pruning, prune_history
from certification_pipeline.orchestration.jobs import CALIBRATION_JOB, JOBS, UPGRADE_JOB
from certification_pipeline.orchestration.names import FAMILY_ASSETS
from certification_pipeline.orchestration.push import push_evidence
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.orchestration.schedules import nightly_calibration, schedules
from certification_pipeline.orchestration.sensors.alerts import alert_sensors
from certification_pipeline.orchestration.sensors.crash import crash_sensors
from certification_pipeline.orchestration.sensors.push import push_sensors
from certification_pipeline.orchestration.sensors.upgrades import new_engine_version
from certification_pipeline.orchestration.timetable import schedule_kept_check
from certification_pipeline.orchestration.turn import ReleaseTurn
from certification_pipeline.pipeline.upgrades.configured import check_index
from certification_pipeline.settings import RunSettings
from certification_pipeline.timetable import load_timetable


def build_defs(
    certification: CertificationResource | None = None,
    catalog: Catalog | None = None,
    steps: Steps | None = None,
) -> dg.Definitions:
    """All assets, checks, jobs, schedules and sensors of one profile.

    A profile is never a partition: certification is an observation of one version on one day, and
    backfilling last Tuesday would forge it. Another profile is another code location of the same builder
    (``CERTIFY_PROFILE``). Raises ``CatalogError`` or ``SettingsError``: the code location then does not load
    and says why.
    """
    certification = certification or CertificationResource()
    catalog = catalog or load_catalog()
    settings = certification.settings()
    settings.check(catalog)
    profile = catalog.profiles[settings.profile]
    engines = [catalog.engine(name) for name in settings.chosen_engines(catalog)]
    calibrated = Family.CALIBRATION in profile.families
    upgraded = upgraded_engines(catalog, settings.chosen_engines(catalog))
    times = load_timetable()
    steps = steps or chosen_steps()
    check_index()  # an address that is none is told now, not by a tick
    assets = [
        plan_asset(catalog, profile, settings),
        *([calibration_asset(catalog)] if calibrated else []),
        *(asset for engine in engines for asset in matrix_assets(catalog, profile, engine)),
        *(asset for engine in engines for asset in _evidence_and_verdict(catalog, settings, engine)),
        *(upgrade_asset(catalog, profile, engine) for engine in upgraded),
    ]
    return dg.Definitions(
        assets=by_timetable(assets, times),
        asset_checks=[schedule_kept_check(times)],
        jobs=[
            *JOBS,
            *([CALIBRATION_JOB] if calibrated else []),
            *([UPGRADE_JOB] if upgraded else []),
            *([push_evidence] if settings.push_to else []),
            prune_history,
        ],
        schedules=[
            *schedules(times),
            *([nightly_calibration(times)] if calibrated else []),
            daily_pruning(),
        ],
        sensors=[
            *crash_sensors(engines),
            *alert_sensors(times),
            *([new_engine_version(catalog, upgraded)] if upgraded else []),
            *(push_sensors() if settings.push_to else []),
        ],
        resources={
            "certification": certification,
            "turn": ReleaseTurn(by_step=steps.apart),
            "engines": engines_of_a_run,
        },
        executor=steps.executor,
    )


def _evidence_and_verdict(
    catalog: Catalog, settings: RunSettings, engine: Engine
) -> list[dg.AssetsDefinition]:
    profile = catalog.profiles[settings.profile]
    # What a plan sealed with these settings would hold, so that the graph shows what a release needs.
    sealed = settings.chosen_families(engine.id, catalog)
    families = tuple(family for family in FAMILY_ASSETS if family in sealed)
    return [
        report_asset(profile, engine),
        *family_assets(catalog, profile, engine, families),
        *verdict_assets(catalog, profile, engine, families),
        publish_asset(profile, engine, families),
    ]
