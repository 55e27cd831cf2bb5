"""Engines side by side, as the report's section about all of them shows it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from certification_pipeline.report.comparison import (
    FEW,
    by_route,
    read_comparison,
    speed_line,
    speed_table,
)
from certification_pipeline.report.release import ReleaseView


@dataclass(frozen=True, slots=True)
class ComparedPage:
    """Engines side by side."""

    routes: list[tuple[str, pd.DataFrame]]
    speed: pd.DataFrame | None
    measured: str


def compared_page(release: ReleaseView) -> ComparedPage | None:
    """``None`` for a release of few engines: their own sections say it."""
    if len(release.subjects) <= FEW:
        return None
    found = read_comparison(release.store, release.release_id) if release.store is not None else None
    return ComparedPage(
        routes=by_route(release),
        speed=None if found is None else speed_table(found),
        measured="" if found is None else speed_line(found),
    )
