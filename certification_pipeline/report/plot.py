"""Plots of measured ratios and of figures over time. Numbers in, SVG markup out, as in ``svg``.

Scales are logarithmic where ratios are shown: half and double are as far from one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from certification_pipeline.report.visible import visible

_WIDTH, _HEIGHT = 640.0, 230.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 48.0, 92.0, 12.0, 26.0
_APART = 13.0
"""Labels at the right edge are not set closer than this."""
_TICKS = 5
_MOST_LABELS = 8


@dataclass(frozen=True, slots=True)
class Ratios:
    """Paired ratios with what the gate made of them; ``pairs`` are (number, contender over baseline)."""

    pairs: tuple[tuple[int, float], ...]
    estimate: float | None
    lower: float | None
    upper: float | None
    allowed: float


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of one release; ``series`` are joined by a line."""

    label: str
    value: float
    series: str
    css: str
    tip: str


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def y(self, value: float) -> float:
        """Larger values are higher up."""
        share = (math.log(value) - math.log(self.low)) / (math.log(self.high) - math.log(self.low))
        return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)


def ratio_plot(shown: Ratios, label: str) -> Markup:
    """A dot a pair in the order measured, the interval of all pairs beside them, the line not to cross."""
    if not shown.pairs:
        return Markup("")
    bounds = [value for value in (shown.estimate, shown.lower, shown.upper) if value is not None]
    scale = _scale([ratio for _, ratio in shown.pairs] + [1.0, shown.allowed, *bounds])
    right = _WIDTH - _RIGHT
    edge = scale.y(shown.allowed)
    beyond = (_TOP, edge) if shown.allowed > 1 else (edge, _HEIGHT - _BOTTOM)
    parts = [
        f'<rect class="beyond" x="{_LEFT:.0f}" y="{beyond[0]:.1f}" width="{right - _LEFT:.0f}" '
        f'height="{max(0.0, beyond[1] - beyond[0]):.1f}"/>',
        *_grid(scale),
        f'<path class="one" d="M{_LEFT:.0f} {scale.y(1.0):.1f}H{right:.0f}"/>',
        f'<path class="allowed" d="M{_LEFT:.0f} {edge:.1f}H{right:.0f}"/>',
    ]
    step = (right - _LEFT - 60) / len(shown.pairs)
    for at, (number, ratio) in enumerate(shown.pairs):
        x = _LEFT + (at + 0.5) * step
        parts.append(
            f'<circle class="pair" cx="{x:.1f}" cy="{scale.y(ratio):.1f}" r="3.6">'
            f"<title>pair {number}: {ratio:.4f}</title></circle>"
        )
    x = right - 28
    if shown.lower is not None and shown.upper is not None and shown.estimate is not None:
        top, bottom = scale.y(max(shown.lower, shown.upper)), scale.y(min(shown.lower, shown.upper))
        parts.append(
            f'<g class="interval"><title>estimate {shown.estimate:.4f}, one-sided 95 % bounds '
            f"{shown.lower:.4f} and {shown.upper:.4f}</title>"
            f'<path d="M{x:.1f} {top:.1f}V{bottom:.1f}m-7 0h14M{x - 7:.1f} {top:.1f}h14"/>'
            f'<circle cx="{x:.1f}" cy="{scale.y(shown.estimate):.1f}" r="4.5"/></g>'
        )
    lines = [(scale.y(1.0), "baseline", "one"), (edge, f"allowed {shown.allowed:g}", "allowed")]
    parts += _labels(lines, right + 8)
    middle = (_LEFT + right - 60) / 2
    parts.append(f'<text class="axis" x="{middle:.0f}" y="{_HEIGHT - 6:.0f}">pairs, as measured</text>')
    parts.append(f'<text class="axis" x="{x:.0f}" y="{_HEIGHT - 6:.0f}">all pairs</text>')
    return _svg("plot", label, parts)


def history_plot(figures: Sequence[Figure], label: str) -> Markup:
    """Figures in the order given, a place each; what cannot be compared is not joined by a line."""
    shown = [figure for figure in figures if figure.value > 0]
    if not shown:
        return Markup("")
    scale = _scale([figure.value for figure in shown])
    names = list(dict.fromkeys(figure.label for figure in shown))
    right = _WIDTH - _RIGHT
    step = (right - _LEFT) / len(names)
    x = {name: _LEFT + (at + 0.5) * step for at, name in enumerate(names)}
    parts = list(_grid(scale))
    for series in dict.fromkeys(figure.series for figure in shown):
        points = [f"{x[f.label]:.1f} {scale.y(f.value):.1f}" for f in shown if f.series == series]
        parts.append(f'<path class="line" d="M{"L".join(points)}"/>')
    for figure in shown:
        parts.append(
            Markup('<circle class="{}" cx="{:.1f}" cy="{:.1f}" r="4"><title>{}</title></circle>').format(
                figure.css, x[figure.label], scale.y(figure.value), visible(figure.tip)
            )
        )
    every = -(-len(names) // _MOST_LABELS)
    for at, name in enumerate(names):
        if (len(names) - 1 - at) % every == 0:
            shortened = name if len(name) <= _LONGEST_LABEL else f"…{name[1 - _LONGEST_LABEL :]}"
            parts.append(
                Markup('<text class="axis" x="{:.1f}" y="{:.0f}">{}</text>').format(
                    x[name], _HEIGHT - 6, visible(shortened)
                )
            )
    return _svg("plot", label, parts)


_LONGEST_LABEL = 12


def _scale(values: Sequence[float]) -> _Scale:
    low, high = min(values), max(values)
    # Equal figures would have no scale: then a tenth around them.
    pad = max((high / low) ** 0.08, 1.02) if high > low * 1.001 else 1.1
    return _Scale(low / pad, high * pad)


def _grid(scale: _Scale) -> list[str]:
    right = _WIDTH - _RIGHT
    made = []
    for tick in _ticks(scale.low, scale.high):
        y = scale.y(tick)
        made.append(f'<path class="grid" d="M{_LEFT:.0f} {y:.1f}H{right:.0f}"/>')
        made.append(f'<text class="tick" x="{_LEFT - 8:.0f}" y="{y + 4:.1f}">{tick:g}</text>')
    return made


def _ticks(low: float, high: float) -> list[float]:
    rough = (high - low) / _TICKS
    unit = 10.0 ** math.floor(math.log10(rough))
    step = next(unit * factor for factor in (1, 2, 5, 10) if unit * factor >= rough)
    first = math.ceil(low / step)
    found = [round(number * step, 12) for number in range(first, math.floor(high / step) + 1)]
    return [tick for tick in found if tick > 0]


def _labels(lines: Sequence[tuple[float, str, str]], x: float) -> list[str]:
    made = []
    last = -math.inf
    for y, text, css in sorted(lines):
        last = max(y + 4, last + _APART)
        made.append(f'<text class="at-{css}" x="{x:.0f}" y="{last:.1f}">{text}</text>')
    return made


def _svg(css: str, label: str, parts: Sequence[str]) -> Markup:
    # Every part is a number, a constant of ours, or was escaped when it was made.
    return Markup('<svg class="{}" role="img" aria-label="{}" viewBox="0 0 {:.0f} {:.0f}">{}</svg>').format(
        css,
        visible(label),
        _WIDTH,
        _HEIGHT,
        Markup("".join(parts)),  # noqa: S704
    )
