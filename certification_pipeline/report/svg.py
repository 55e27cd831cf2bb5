"""Small inline drawings. Pure numbers in, SVG markup out; colours come from the page's classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.report.tally import WORST_FIRST

MAX_BARS = 240
"""More cells than that share a bar; the bar shows the slowest and worst of them."""

_WIDTH, _HEIGHT = 960.0, 72.0


@dataclass(frozen=True, slots=True)
class Timed:
    """How long one cell took, and what came of it."""

    seconds: float
    outcome: Outcome


def time_strip(cells: Sequence[Timed]) -> Markup:
    """Seconds a cell as bars, slowest first, one path an outcome. Empty markup for no cells."""
    if not cells:
        return Markup("")
    bars = _bucket(sorted(cells, key=lambda cell: -cell.seconds))
    tallest = max(bar.seconds for bar in bars) or 1.0
    step = _WIDTH / max(len(bars), 24)
    paths: dict[Outcome, list[str]] = {}
    for at, bar in enumerate(bars):
        height = max(1.5, bar.seconds / tallest * _HEIGHT)
        path = f"M{at * step:.1f} {_HEIGHT:.0f}v-{height:.1f}h{step * 0.72:.1f}V{_HEIGHT:.0f}z"
        paths.setdefault(bar.outcome, []).append(path)
    drawn = "".join(
        f'<path class="b-{outcome.value.lower()}" d="{"".join(paths[outcome])}"/>'
        for outcome in WORST_FIRST
        if outcome in paths
    )
    label = f"Seconds a cell, slowest first: {len(cells)} cells, the slowest {tallest:.2f} s"
    # Every part is a number or a constant of ours.
    return Markup(  # noqa: S704
        f'<svg class="strip" role="img" aria-label="{label}" viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" '
        f'preserveAspectRatio="none">{drawn}</svg>'
    )


def _bucket(ordered: Sequence[Timed]) -> list[Timed]:
    if len(ordered) <= MAX_BARS:
        return list(ordered)
    size = -(-len(ordered) // MAX_BARS)
    chunks = [ordered[at : at + size] for at in range(0, len(ordered), size)]
    return [Timed(chunk[0].seconds, Outcome.worst(cell.outcome for cell in chunk)) for chunk in chunks]
