"""Upgrades as a table: the same on the terminal and in Dagster."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from certification_pipeline.pipeline.upgrades.watch import Watched
from certification_pipeline.report.tally import SYMBOL

_COLUMNS = ["verdict", "engine", "package", "certified", "catalogue", "newest", "why"]
_FEW = 3


def upgrades_table(found: Iterable[Watched]) -> pd.DataFrame:
    """One row a package of an engine, new ones first. ``certified``: ``✓ 1.31.0``, the highest three."""
    rows = [
        {
            "verdict": one.verdict.value,
            "engine": one.engine,
            "package": one.package or "none",
            "certified": ", ".join(f"{SYMBOL[each.outcome]} {each.version}" for each in one.versions[:_FEW])
            or "nothing",
            "catalogue": one.catalogue or "",
            "newest": one.newest or "",
            "why": one.why,
        }
        for one in found
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)
