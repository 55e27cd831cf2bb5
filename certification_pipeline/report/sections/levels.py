"""The level ladder and the soak calendar of one subject, as they were granted with its release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.levels import ConnectorLevel, ConnectorLevels, Seen
from certification_pipeline.evidence.levels_page import TYPES, until_of
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.levels import LEGEND, CalendarLine, calendar
from certification_pipeline.report.steps import Step, split_step

_SIDE, _GAP, _WEEK = 12.0, 3.0, 5.0


@dataclass(frozen=True, slots=True)
class LadderLine:
    """One connector or route under one policy."""

    level: ConnectorLevel
    role: str
    until: str
    step: Step


@dataclass(frozen=True, slots=True)
class LevelsPage:
    """Every ladder, and a drawn line of days for each soak rule."""

    made: ConnectorLevels
    lines: tuple[LadderLine, ...]
    calendar: tuple[tuple[CalendarLine, Markup], ...]
    legend: str

    @property
    def granted_at(self) -> datetime:
        """When they were granted; what expired since shows in `certify levels`."""
        return self.made.created_at


def levels_section(store: EvidenceStore | None, release_id: str, engine: str) -> LevelsPage | None:
    """The levels beside a release's summary; ``None`` where there are none to read."""
    if store is None:
        return None
    try:
        made = store.release(release_id, engine).read(layout.CONNECTOR_LEVELS, ConnectorLevels)
    except EvidenceError:
        return None
    lines = tuple(
        LadderLine(one, TYPES[one.roles], until_of(one), split_step(one.next_step or ""))
        for one in made.connectors
    )
    days = tuple((line, _drawn(line)) for line in calendar(made.connectors, made.created_at))
    return LevelsPage(made, lines, days, LEGEND)


def _drawn(line: CalendarLine) -> Markup:
    """A square a day, weeks apart; what was seen is in its title, not in its colour alone."""
    squares, x = [], 0.0
    for at, (day, seen) in enumerate(line.days):
        x += _WEEK if day.weekday() == 0 and at else 0
        word = seen.value if seen is not None else "no run"
        css = f"d-{seen.value if seen is not None else 'none'}"
        title = f"<title>{day.isoformat()}: {word}</title>"
        squares.append(
            f'<rect class="{css}" x="{x:.0f}" y="0" width="{_SIDE:.0f}" height="{_SIDE:.0f}">{title}</rect>'
        )
        x += _SIDE + _GAP
    seen_days = sum(seen is Seen.GREEN for _, seen in line.days)
    label = escape(f"{line.name}, {line.check}: {seen_days} green scheduled days of {len(line.days)}")
    # Names are escaped; all else is numbers and words of ours.
    return Markup(  # noqa: S704
        f'<svg class="soak" role="img" aria-label="{label}" width="{x:.0f}" height="{_SIDE:.0f}" '
        f'viewBox="0 0 {x:.0f} {_SIDE:.0f}">{"".join(squares)}</svg>'
    )
