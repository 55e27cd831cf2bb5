"""Jobs: everything; the connectors without publishing; the verdict alone."""

from __future__ import annotations

import dagster as dg

FULL = dg.define_asset_job(
    "full_certification",
    dg.AssetSelection.all(),
    description="Plan, every cell, every gate, as `certify run`; publishes what is green (seed 003).",
)

CONNECTORS = dg.define_asset_job(
    "connector_certification",
    dg.AssetSelection.all() - dg.AssetSelection.groups("publish"),
    description="Is every connector still what its evidence says? Publishes nothing (seed 000's daily gate).",
)

VERDICT = dg.define_asset_job(
    "verdict",
    dg.AssetSelection.groups("evidence", "verdict"),
    description="Decide again from the evidence on disk: after a rerun of single checks, or a broken run.",
)

JOBS = [FULL, CONNECTORS, VERDICT]
