"""The crash line as a drawing: boundaries left to right, each with its trials above and below the line.

Above the line the engine's folder was kept, below it was lost; left of a boundary the load was killed before
it, right of it after it, and further right its connection was cut. Every mark has a letter: colour says
nothing alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from certification_pipeline.evidence.disruption import Break, Folder
from certification_pipeline.report.crash import SIGN, Mark, PointView

PER_ROW = 14
"""Boundaries in one row of the drawing; the line goes on below."""

_STEP, _LEFT, _RADIUS = 80.0, 92.0, 9.5
_ABOVE, _LINE, _BELOW, _NAMES, _ROW = 24.0, 50.0, 76.0, 103.0, 132.0
_PLACE: dict[Break, float] = {"kill_before": -19.0, "kill_after": 19.0, "cut_after": 41.0}
_LANE: dict[Folder, float] = {"kept": _ABOVE, "lost": _BELOW}


def crash_svg(points: Sequence[PointView], label: str) -> Markup:
    """Empty markup for no boundaries."""
    if not points:
        return Markup("")
    rows = [points[at : at + PER_ROW] for at in range(0, len(points), PER_ROW)]
    width = _LEFT + _STEP * max(len(row) for row in rows) + 30
    drawn = Markup("").join(_row(row, number * _ROW, last=row is rows[-1]) for number, row in enumerate(rows))
    return Markup(
        '<svg class="crash" role="img" aria-label="{}" viewBox="0 0 {:.0f} {:.0f}" '
        'style="max-width:{:.0f}px">{}</svg>'
    ).format(label, width, _ROW * len(rows), width, drawn)


def _row(points: Sequence[PointView], top: float, *, last: bool) -> Markup:
    end = _LEFT + _STEP * len(points) + (4 if last else 24)
    lanes = Markup(
        '<text class="lane" x="0" y="{:.0f}">folder kept</text>'
        '<text class="lane" x="0" y="{:.0f}">folder lost</text>'
    ).format(top + _ABOVE + 4, top + _BELOW + 4)
    line = Markup('<path class="line" d="M{:.0f} {:.0f}H{:.0f}"/>').format(_LEFT - 8, top + _LINE, end)
    # An arrow where the load is over; where it goes on in the next row, the line just ends.
    head = (
        Markup('<path class="head" d="M{0:.0f} {1:.0f}l-8 -4v8z"/>').format(end + 6, top + _LINE)
        if last
        else ""
    )
    return lanes + line + head + Markup("").join(_point(one, at, top) for at, one in enumerate(points))


def _point(one: PointView, at: int, top: float) -> Markup:
    x = _LEFT + _STEP * at + 28
    tick = Markup(
        '<g class="point {0}"><title>{1}</title><path class="tick" d="M{2:.0f} {3:.0f}v22"/>'
        '<text class="number" x="{2:.0f}" y="{4:.0f}">{5}</text></g>'
    ).format(one.point.medium, one.point.address, x, top + _LINE - 11, top + _NAMES, one.point.number)
    return tick + Markup("").join(_mark(mark, one, x, top) for mark in one.marks)


def _mark(mark: Mark, one: PointView, x: float, top: float) -> Markup:
    across, down = x + _PLACE[mark.action], top + _LANE[mark.folder]
    return Markup(
        '<g class="mark {}"><title>{}</title><circle cx="{:.1f}" cy="{:.1f}" r="{}"/>'
        '<text x="{:.1f}" y="{:.1f}">{}</text></g>'
    ).format(
        css(mark),
        f"{one.point.address}: {mark.words}",
        across,
        down,
        _RADIUS,
        across,
        down + 4,
        escape(SIGN[mark.verdict]),
    )


def css(mark: Mark) -> str:
    """The class its colour comes from: the outcome; what is allowed, and yet not harmless, has its own."""
    if mark.verdict.value in ("repeats", "gaps"):
        return "allowed"
    return mark.verdict.outcome.value.lower()
