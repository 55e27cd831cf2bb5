"""Where a notice points to: Dagster's page of an asset, when the settings say where Dagster is."""

from __future__ import annotations

import re
from urllib.parse import quote


def summary_page(base: str | None, engine: str) -> str | None:
    """``<base>/assets/verdict/<engine>/release_summary``, as Dagster spells keys."""
    return asset_page(base, "verdict", re.sub(r"[^A-Za-z0-9_]", "_", engine), "release_summary")


def asset_page(base: str | None, *key: str) -> str | None:
    """The page of the asset of that key; ``None`` where nobody said where Dagster is."""
    return (
        None
        if base is None
        else "/".join((base.rstrip("/"), "assets", *(quote(part, safe="") for part in key)))
    )
