"""Explored cells of a subject: the crash line of each, what went wrong with a row, and what kills proved."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
from markupsafe import Markup

from certification_pipeline.report.crash import (
    MEANING,
    SIGN,
    CrashView,
    PointView,
    crash_views,
    delivery_table,
    delivery_views,
)
from certification_pipeline.report.crash_svg import crash_svg
from certification_pipeline.report.release import SubjectView
from certification_pipeline.report.sections.samples import SampleView, sample_view

MOST_SAMPLES = 24
"""Of one cell; each trial that went wrong has one, the rest is in the cell's file."""


@dataclass(frozen=True, slots=True)
class LineView:
    """One explored cell, ready to show."""

    view: CrashView
    drawing: Markup
    samples: tuple[SampleView, ...]
    hidden: int

    @property
    def title(self) -> str:
        """``incremental_merge on postgres → postgres, rec.crash_points``."""
        key = self.view.line.key
        return f"{key.strategy} on {key.route_id.replace('_to_', ' → ')}, {key.scenario}"

    @property
    def wrong(self) -> tuple[PointView, ...]:
        """The boundaries at which something went wrong."""
        return tuple(one for one in self.view.points if one.worst.outcome.value != "passed")


@dataclass(frozen=True, slots=True)
class CrashPage:
    """All explored cells of a subject. Falsy when there are none."""

    lines: tuple[LineView, ...]
    delivery: pd.DataFrame

    def __bool__(self) -> bool:
        return bool(self.lines) or not self.delivery.empty

    @property
    def signs(self) -> tuple[tuple[str, str, str], ...]:
        """Sign, meaning and colour class of every verdict that occurs."""
        seen = {verdict for line in self.lines for verdict, _ in line.view.counts}
        return tuple(
            (
                SIGN[verdict],
                MEANING[verdict],
                "allowed" if verdict.value in ("repeats", "gaps") else verdict.outcome.value.lower(),
            )
            for verdict in SIGN
            if verdict in seen
        )


def crash_page(subject: SubjectView) -> CrashPage:
    """Worst cells first, as the subject has them."""
    lines = tuple(_line(view) for view in crash_views(subject.lines))
    return CrashPage(lines, delivery_table(delivery_views(subject.lines)))


def _line(view: CrashView) -> LineView:
    shown = view.reds[:MOST_SAMPLES]
    samples = (sample_view(result.point.address, judgement.step, row) for result, judgement, row in shown)
    return LineView(
        view=view,
        drawing=crash_svg(view.points, view.sentence),
        samples=tuple(samples),
        hidden=len(view.reds) - len(shown),
    )
