"""Jobs: everything; the matrix and the connectors without publishing; the verdict alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import dagster as dg

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.orchestration.names import BENCH, FAMILY_ASSETS, FAMILY_TAG, UPGRADES

FOLLOWS_FROM_CELLS = frozenset({Family.OPENLINEAGE})
"""Made from the cells' evidence alone: out of date as soon as a cell is run again."""
DAILY_FAMILIES = (Family.CONNECTOR_LIVE,)
"""Beside the matrix; the rest is measured weekly."""


def plan_config(*, seed: int | None = None, families: Iterable[Family] = ()) -> Mapping[str, object]:
    """Run config for ``plan``: a release must not be sealed for evidence that its run does not make."""
    config: dict[str, object] = {"families": [family.value for family in families]}
    return {"ops": {"plan": {"config": config if seed is None else {**config, "seed": seed}}}}


def _families(chosen: Iterable[Family]) -> dg.AssetSelection:
    return _any([dg.AssetSelection.tag(FAMILY_TAG, family.value) for family in chosen])


def _any(selections: Sequence[dg.AssetSelection]) -> dg.AssetSelection:
    whole = selections[0]
    for one in selections[1:]:
        whole |= one
    return whole


FULL = dg.define_asset_job(
    "full_certification",
    dg.AssetSelection.all() - dg.AssetSelection.groups(BENCH, UPGRADES),
    description=(
        "Plan, every cell, every evidence family, every gate, as `certify run`; publishes what is green "
        "(seed 003)."
    ),
)

CONNECTORS = dg.define_asset_job(
    "connector_certification",
    dg.AssetSelection.all()
    - dg.AssetSelection.groups("publish", BENCH, UPGRADES)
    - _families(family for family in FAMILY_ASSETS if family not in DAILY_FAMILIES),
    config=plan_config(families=DAILY_FAMILIES),
    description=(
        "Is every connector still what its evidence says? The matrix and the connectors' checklists, on a "
        "release sealed for just these; publishes nothing (seed 000's daily gate)."
    ),
)

VERDICT = dg.define_asset_job(
    "verdict",
    dg.AssetSelection.groups("evidence", "verdict", "connectors")
    - _families(family for family in FAMILY_ASSETS if family not in FOLLOWS_FROM_CELLS),
    description="Decide again from the evidence on disk: after a rerun of single checks, or a broken run.",
    executor_def=dg.in_process_executor,  # it runs no engine that could need a container of its own
)

JOBS = [FULL, CONNECTORS, VERDICT]
CALIBRATION_JOB = dg.define_asset_job(
    "calibration",
    dg.AssetSelection.groups(BENCH),
    description="Plant every defect: does this bench see what it says it sees? Releases rest on the answer.",
)
"""Only where releases are to rest on it."""

UPGRADE_JOB = dg.define_asset_job(
    "upgrade_certification",
    dg.AssetSelection.groups(UPGRADES),
    description=(
        "Certify a new version of an engine and compare it with the one before: say which in the launchpad "
        "(`version`), or let the sensor `new_engine_version` begin it."
    ),
)
"""Only where an engine comes from a package index."""
