"""A layered graph as inline SVG: boxes from left to right in the order data flows.

Text in, markup out: every title is escaped and made visible here. What is given is drawn, all of it: an arrow
to a box nobody gave gets a box of its own, and a cycle is drawn as the cycle it is.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape

from certification_pipeline.report.visible import visible

BOX_WIDTH, BOX_HEIGHT = 186, 50
_GAP_X, _GAP_Y = 44, 18
_BEND_HEIGHT = 10
"""Where a long arrow passes a layer it needs this much room."""
_SWEEPS = 6
LONGEST_TITLE = 21
LONGEST_NOTE = 27
LONGEST_TIP = 1_200
UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Box:
    """One thing that holds data. ``css`` is a class of the page, as an outcome has."""

    id: str
    title: str
    note: str
    css: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Arrow:
    """Data flows from one box to the other."""

    start: str
    end: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class _Spot:
    """Left edge and middle of one box, or of one bend."""

    x: float
    y: float
    width: float


_Item = tuple[str, int]
"""A box's id with -1, or a bend: one way's number (as text) and the layer it passes."""


def layered_graph(boxes: Sequence[Box], arrows: Sequence[Arrow], label: str) -> Markup:
    """The whole drawing; empty markup without boxes. ``label`` is what a screen reader says."""
    boxes = (*boxes, *_strangers(boxes, arrows))
    if not boxes:
        return Markup("")
    layer = _layers([box.id for box in boxes], arrows)
    rows = _ordered(_filled(boxes, arrows, layer), arrows, layer)
    spots, width, height = _placed(rows)
    drawn = Markup("").join(_path(number, arrow, layer, spots) for number, arrow in enumerate(arrows))
    drawn += Markup("").join(_box(box, spots[box.id, -1]) for box in boxes)
    return Markup(
        '<div class="scroll"><svg class="graph" role="img" aria-label="{label}" '
        'viewBox="0 0 {width:.0f} {height:.0f}" style="max-width:{width:.0f}px">{drawn}</svg></div>'
    ).format(label=visible(label), width=width, height=height, drawn=drawn)


def _strangers(boxes: Sequence[Box], arrows: Sequence[Arrow]) -> Iterator[Box]:
    known = {box.id for box in boxes}
    for end in dict.fromkeys(end for arrow in arrows for end in (arrow.start, arrow.end)):
        if end not in known:
            yield Box(end, end, UNKNOWN, "none", "an edge leads here, and nothing says what it is")


def _layers(ids: Sequence[str], arrows: Sequence[Arrow]) -> dict[str, int]:
    """Longest way from a beginning; what a cycle holds back is placed after what leads to it."""
    before: dict[str, set[str]] = {name: set() for name in ids}
    after: dict[str, set[str]] = {name: set() for name in ids}
    for arrow in arrows:
        if arrow.start != arrow.end:
            before[arrow.end].add(arrow.start)
            after[arrow.start].add(arrow.end)
    layer: dict[str, int] = {}
    open_ = {name: len(before[name]) for name in ids}
    free = deque(name for name in ids if not open_[name])
    rest = iter(ids)
    while len(layer) < len(ids):
        # Nothing is free and something is left: a cycle, which is entered where it was named first.
        chosen = free.popleft() if free else next(name for name in rest if name not in layer)
        if chosen in layer:
            continue
        layer[chosen] = max((layer[name] + 1 for name in before[chosen] if name in layer), default=0)
        for name in after[chosen]:
            open_[name] -= 1
            if not open_[name]:
                free.append(name)
    return layer


def _filled(boxes: Sequence[Box], arrows: Sequence[Arrow], layer: Mapping[str, int]) -> list[list[_Item]]:
    rows: list[list[_Item]] = [[] for _ in range(max(layer.values()) + 1)]
    for box in boxes:
        rows[layer[box.id]].append((box.id, -1))
    for number, arrow in enumerate(arrows):
        for at in range(layer[arrow.start] + 1, layer[arrow.end]):
            rows[at].append((str(number), at))
    return rows


def _ordered(rows: list[list[_Item]], arrows: Sequence[Arrow], layer: Mapping[str, int]) -> list[list[_Item]]:
    """Each item near the middle of what it is joined to, first seen from the left, then from the right."""
    joined: dict[_Item, list[_Item]] = {}
    for number, arrow in enumerate(arrows):
        way = _way(number, arrow, layer)
        for one, other in pairwise(way):
            joined.setdefault(one, []).append(other)
            joined.setdefault(other, []).append(one)
    at = {item: number for number, row in enumerate(rows) for item in row}
    for sweep in range(_SWEEPS):
        step = 1 if sweep % 2 == 0 else -1
        for number in list(range(len(rows)))[::step]:
            beside = rows[number - step] if 0 <= number - step < len(rows) else []
            place = {
                item: (n + 0.5) / len(row) for row in (rows[number], beside) for n, item in enumerate(row)
            }
            middles = {}
            for item in rows[number]:
                near = [place[o] for o in joined.get(item, ()) if at[o] == number - step]
                middles[item] = sum(near) / len(near) if near else place[item]
            rows[number].sort(key=middles.__getitem__)
    return rows


def _way(number: int, arrow: Arrow, layer: Mapping[str, int]) -> list[_Item]:
    bends = [(str(number), at) for at in range(layer[arrow.start] + 1, layer[arrow.end])]
    return [(arrow.start, -1), *bends, (arrow.end, -1)]


def _placed(rows: list[list[_Item]]) -> tuple[dict[_Item, _Spot], float, float]:
    def tall(item: _Item) -> float:
        return BOX_HEIGHT if item[1] < 0 else _BEND_HEIGHT

    heights = [sum(tall(item) + _GAP_Y for item in row) - _GAP_Y for row in rows]
    height = max(heights)
    spots: dict[_Item, _Spot] = {}
    for number, row in enumerate(rows):
        top = (height - heights[number]) / 2
        for item in row:
            spots[item] = _Spot(2 + number * (BOX_WIDTH + _GAP_X), 2 + top + tall(item) / 2, BOX_WIDTH)
            top += tall(item) + _GAP_Y
    return spots, 4 + len(rows) * (BOX_WIDTH + _GAP_X) - _GAP_X, height + 4


def _path(number: int, arrow: Arrow, layer: Mapping[str, int], spots: Mapping[_Item, _Spot]) -> Markup:
    way = [spots[item] for item in _way(number, arrow, layer)]
    x, y = way[0].x + way[0].width, way[0].y
    line = f"M{x:.1f} {y:.1f}"
    for spot in way[1:]:
        half = abs(spot.x - x) / 2 or _GAP_X
        line += f"C{x + half:.1f} {y:.1f} {spot.x - half:.1f} {spot.y:.1f} {spot.x:.1f} {spot.y:.1f}"
        x, y = spot.x, spot.y
        if spot is not way[-1]:
            line += f"h{spot.width:.1f}"
            x += spot.width
    tip = Markup("<title>{}</title>").format(_capped(arrow.tip, LONGEST_TIP)) if arrow.tip else ""
    return Markup(
        '<g class="edge" data-from="{start}" data-to="{end}">{tip}<path class="reach" d="{line}"/>'
        '<path d="{line}"/><path class="head" d="M{x:.1f} {y:.1f}l-7 -4v8z"/></g>'
    ).format(start=visible(arrow.start), end=visible(arrow.end), tip=tip, line=line, x=x, y=y)


def _box(box: Box, spot: _Spot) -> Markup:
    tip = _capped(box.tip or f"{box.title}: {box.note}", LONGEST_TIP)
    return Markup(
        '<g class="box {css}" data-id="{id}"><title>{tip}</title>'
        '<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="7"/>'
        '<text class="title" x="{tx:.1f}" y="{first:.1f}">{title}</text>'
        '<text x="{tx:.1f}" y="{second:.1f}">{note}</text></g>'
    ).format(
        css=escape(box.css),
        id=visible(box.id),
        tip=tip,
        x=spot.x,
        y=spot.y - BOX_HEIGHT / 2,
        width=spot.width,
        height=BOX_HEIGHT,
        tx=spot.x + 11,
        first=spot.y - 4,
        second=spot.y + 14,
        title=_capped(box.title, LONGEST_TITLE),
        note=_capped(box.note, LONGEST_NOTE),
    )


def _capped(text: str, longest: int) -> str:
    return visible(text if len(text) <= longest else text[: longest - 1] + "…")
