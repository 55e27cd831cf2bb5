"""What the launchpad offers for a new release: the options of ``certify run``, with their meanings.

Only types are the launchpad's own matter; whether a name is known and a number possible is said by the
settings that the command line has, before anything starts.
"""

import re
from typing import Any

import dagster as dg
from pydantic import Field, create_model

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.plan import Trigger
from certification_pipeline.orchestration.names import RELEASE_TAG
from certification_pipeline.orchestration.resources import CertificationResource
from certification_pipeline.settings import (
    ALL_ENGINES,
    MAX_ROWS,
    MIN_ROWS,
    REQUIREMENTS,
    RunSettings,
    SettingsError,
    matching_engines,
    must_match,
)

_SCHEDULE_TAG = "dagster/schedule_name"
"""Dagster tags every run that one of its schedules began."""


class Launch(dg.Config):
    """Run config of ``plan``. What is left out is what ``certify run`` would take here.

    Every name may be a pattern (``postgres_to_*``). A release narrowed by one is about that part alone: it
    is judged, and not published.
    """

    profile: str | None = Field(
        None, description="This code location's own; another one is another code location (CERTIFY_PROFILE)."
    )
    engines: list[str] = Field([], description="Only these engines; empty: all of this code location.")
    routes: list[str] = Field([], description="Only these routes, e.g. postgres_to_*; empty: all.")
    strategies: list[str] = Field([], description="Only these strategies, e.g. scd2_*; empty: all.")
    scenarios: list[str] = Field([], description="Only these scenarios, e.g. schema.*; empty: all.")
    rows: int | None = Field(
        None, description=f"Rows of a default table, {MIN_ROWS} to {MAX_ROWS}; null: the profile's."
    )
    seed: int | None = Field(None, description="The workload's seed: same seed, same rows.")
    release_id: str | None = Field(
        None, description="Name of the release; null: dagster-<start of the run's id>."
    )
    families: list[str] = Field(
        [],
        description="Only these evidence families beside the matrix, e.g. benchmark; empty: all of the "
        "profile, or none when routes, strategies or scenarios are narrowed.",
    )
    require_benchmark: bool = Field(False, description="The suite must not go without a benchmark.")
    require_lineage: bool = Field(False, description="… without OpenLineage events.")
    require_dbt_lineage: bool = Field(False, description="… without dbt lineage.")
    require_strategy_certification: bool = Field(False, description="… without the strategy bundle.")
    require_evidence: bool = Field(False, description="… without the evidence bundle.")


def launchpad(settings: RunSettings, catalog: Catalog) -> type[Launch]:
    """:class:`Launch` with this code location's own defaults, so that the launchpad shows what would run."""
    rows = settings.rows or catalog.profiles[settings.profile].rows
    own: dict[str, object] = {
        "profile": settings.profile,
        "rows": rows,
        "seed": settings.seed,
        **{name: list(getattr(settings, name)) for name in _PATTERNS},
        **{name: getattr(settings, name) for name in REQUIREMENTS},
    }
    fields: dict[str, Any] = {
        name: (
            Launch.model_fields[name].annotation,
            Field(value, description=Launch.model_fields[name].description),
        )
        for name, value in own.items()
    }
    return create_model("Launch", __base__=Launch, __module__=__name__, **fields)


def launched(
    config: Launch, certification: CertificationResource, catalog: Catalog, run: dg.DagsterRun
) -> RunSettings:
    """The settings of ``certify run`` that the launchpad asks for.

    Raises ``SettingsError`` for a profile or an engine that this code location does not show, for names that
    match nothing, and for figures that cannot be.
    """
    here = certification.settings()
    _refuse_another_profile(config.profile, here.profile)
    release_id = certification.planned_by(run)
    if config.release_id and config.release_id != release_id:
        raise SettingsError(
            f"release_id '{config.release_id}' is not '{release_id}' as the run's tag {RELEASE_TAG} says",
            "leave one of them out",
        )
    try:
        settings = certification.settings(
            release_id,
            engines=_engines(config.engines, here.chosen_engines(catalog)),
            trigger=trigger_of(run),
            # Empty is not given: what the code location was started with, and shows.
            **{name: getattr(config, name) or None for name in _PATTERNS},
            **{name: getattr(config, name) for name in ("rows", "seed", *REQUIREMENTS)},
        )
        settings.check(catalog)
    except SettingsError as error:
        # A field of the launchpad is no option of the command line: `--release-id` is `release_id`.
        said = re.sub(r"^--[a-z-]+", lambda option: option[0][2:].replace("-", "_"), str(error.args[0]))
        raise SettingsError(said, error.remedy) from None
    return settings


_PATTERNS = ("routes", "strategies", "scenarios", "families")


def _refuse_another_profile(asked: str | None, own: str) -> None:
    if asked not in (None, own):
        raise SettingsError(
            f"profile '{asked}' is not what this code location shows: its assets are those of '{own}'",
            f"leave it out, or start another code location with CERTIFY_PROFILE={asked}",
        )


def _engines(asked: list[str], here: tuple[str, ...]) -> tuple[str, ...]:
    """Those of this code location that are named: no asset shows another's evidence.

    Its own engines when none is named, so that a plan never holds more than the graph.
    """
    if not asked:
        return here
    must_match("engine", (name for name in asked if name != ALL_ENGINES), here, option=False)
    return matching_engines(asked, here)


def trigger_of(run: dg.DagsterRun) -> Trigger:
    """A run that a schedule began; one that a person started again is that person's."""
    scheduled = _SCHEDULE_TAG in run.tags and run.parent_run_id is None
    return Trigger.SCHEDULE if scheduled else Trigger.MANUAL
