"""The crash line as a drawing: boundaries left to right, each with its trials above and below the line.

Above the line the engine's folder was kept, below it was lost; left of a boundary the load was killed before
it, right of it after it, and further right its connection was cut. Every mark has a letter: colour says
nothing alone.
"""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup, escape

from certification_pipeline.evidence.disruption import FOLDERS, Break, Folder
from certification_pipeline.report.crash import SIGN, Mark, PointView

PER_ROW = 14
"""Boundaries in one row of the drawing; the line goes on below."""

_STEP, _LEFT, _RADIUS = 88.0, 80.0, 9.5
_ABOVE, _LINE, _BELOW, _NUMBER, _NAMES, _ROW = 22.0, 48.0, 74.0, 101.0, (115.0, 128.0), 150.0
_LETTERS = 14
"""Of a name under the line; the whole address is told by its title and in the table below."""
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
        '<svg class="crash" role="img" aria-label="{0}" width="{1:.0f}" height="{2:.0f}" '
        'viewBox="0 0 {1:.0f} {2:.0f}">{3}</svg>'
    ).format(label, width, _ROW * len(rows), drawn)


def _row(points: Sequence[PointView], top: float, *, last: bool) -> Markup:
    end = _LEFT + _STEP * len(points) + (4 if last else 24)
    tried = {mark.folder for one in points for mark in one.marks}
    lanes = Markup("").join(
        Markup('<text class="lane" x="0" y="{:.0f}">folder {}</text>').format(top + _LANE[folder] + 4, folder)
        for folder in FOLDERS
        if folder in tried
    )
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
        '<text class="number" x="{2:.0f}" y="{4:.0f}">{5}</text>'
        '<text class="name" x="{2:.0f}" y="{6:.0f}">{7}</text>'
        '<text class="name" x="{2:.0f}" y="{8:.0f}">{9}</text></g>'
    ).format(
        one.point.medium,
        one.point.address,
        x,
        top + _LINE - 11,
        top + _NUMBER,
        one.point.number,
        top + _NAMES[0],
        _cut(one.point.action),
        top + _NAMES[1],
        _cut(one.point.object.rpartition("/")[2]),
    )
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


def _cut(name: str) -> str:
    """Its end tells names apart where they share their beginning."""
    return name if len(name) <= _LETTERS else f"…{name[1 - _LETTERS :]}"


def css(mark: Mark) -> str:
    """The class its colour comes from: the outcome; what is allowed, and yet not harmless, has its own."""
    if mark.verdict.value in ("repeats", "gaps"):
        return "allowed"
    return mark.verdict.outcome.value.lower()
