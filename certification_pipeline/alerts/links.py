"""Where a notice points to: Dagster's page of an asset, when the settings say where Dagster is."""

from __future__ import annotations

import re


def spelled(name: str) -> str:
    """As Dagster takes it in names and tags, and as keys are spelled: ``dlt__1_30_0`` for ``dlt==1.30.0``."""
    return re.sub(r"[^A-Za-z0-9_]", "_", name)


def summary_page(base: str | None, engine: str) -> str | None:
    """``<base>/assets/verdict/<engine>/release_summary``."""
    return asset_page(base, "verdict", engine, "release_summary")


def asset_page(base: str | None, *key: str) -> str | None:
    """The page of the asset of that key; ``None`` where nobody said where Dagster is."""
    return None if base is None else "/".join((base.rstrip("/"), "assets", *map(spelled, key)))
