"""Badges: what a release may be said to be in three words, as an SVG and as shields' endpoint JSON.

Drawn from a published record, which is made from verified evidence; never from a ``passed`` field. Green
means that every claimed cell behind it ran and passed, and that it did so lately.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode
from certification_pipeline.evidence.delivery import ENOUGH
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import (
    PublishedCell,
    PublishedGuarantee,
    PublishedLevel,
    PublishedRecord,
    claimed_outcome,
)
from certification_pipeline.report.badge_svg import Colour, badge_svg
from certification_pipeline.report.tally import VERDICT, WORD
from certification_pipeline.report.visible import visible

RELEASE, GUARANTEE, CALIBRATION, ROUTE, LEVEL = "release", "guarantee", "calibration", "route", "level"
"""Names of badges, or what they begin with."""
LONGEST = 80
"""Characters on either side; more is cut."""
_CACHE_SECONDS = (300, 3600)
"""Shields caches for at least five minutes; a verdict may change within the hour."""

_COLOURS = {
    Outcome.PASSED: Colour.GREEN,
    Outcome.FAILED: Colour.RED,
    Outcome.CANT_TELL: Colour.AMBER,
    Outcome.UNTESTED: Colour.GREY,
    Outcome.INAPPLICABLE: Colour.GREY,
}


@dataclass(frozen=True, slots=True)
class Badge:
    """One badge. ``name`` is its file's stem."""

    name: str
    label: str
    message: str
    colour: Colour
    title: str = ""
    good_until: datetime | None = None
    """When it goes stale, for those that can."""

    def svg(self) -> str:
        """The drawing."""
        return badge_svg(_cut(self.label), _cut(self.message), self.colour, visible(self.title))

    def endpoint(self, now: datetime) -> str:
        """For ``https://img.shields.io/endpoint?url=…`` (https://shields.io/badges/endpoint-badge)."""
        least, most = _CACHE_SECONDS
        left = most if self.good_until is None else round((self.good_until - now).total_seconds())
        says = {
            "schemaVersion": 1,
            "label": _cut(self.label),
            "message": _cut(self.message),
            "color": self.colour.value,
            # An error badge keeps its colour whatever the query string of the one who embeds it says.
            "isError": self.colour is not Colour.GREEN,
            "cacheSeconds": max(least, min(most, left)),
        }
        return json.dumps(says, ensure_ascii=False, indent=2) + "\n"


def badges(record: PublishedRecord, now: datetime) -> tuple[Badge, ...]:
    """All of one engine's badges as of ``now``; evidence older than its days is stale, whatever it showed."""
    made = (
        _release(record),
        *(_route(record, route, cells) for route, cells in record.by_route().items()),
        *(_level(record, level) for level in record.levels),
        _guarantee(record, GUARANTEE, record.subject.engine, record.guarantees),
        *_guarantees(record),
        _calibration(record),
    )
    return tuple(_as_of(badge, now) for badge in made)


def refused(engine: str, problem: str, names: Iterable[str] = (RELEASE,)) -> tuple[Badge, ...]:
    """Badges over evidence that cannot be believed: red, all of those there were before too."""
    return tuple(Badge(name, f"{engine}: {name}", "not verified", Colour.RED, problem) for name in names)


def absent(engine: str, names: Iterable[str]) -> tuple[Badge, ...]:
    """Badges of what is no longer there to be shown; a file left as it is would go on saying what it said."""
    return tuple(Badge(name, f"{engine}: {name}", "no evidence", Colour.GREY) for name in names)


def _release(record: PublishedRecord) -> Badge:
    word = VERDICT[record.outcome]
    colour = Colour.AMBER if word == "inconclusive" else _COLOURS[record.outcome]
    if record.passed and record.selection != Selection():
        word, colour = f"{word} in part", Colour.AMBER
    title = f"release {record.release_id}, profile {record.profile}"
    return _dated(record, Badge(RELEASE, _subject(record), word, colour, title))


def _route(record: PublishedRecord, route: str, cells: Sequence[PublishedCell]) -> Badge:
    """Cells that the profile leaves out on purpose hold no badge back, and are counted on it."""
    asked = [cell for cell in cells if not left_out(cell)]
    outcome = claimed_outcome(asked)
    name, label = f"{ROUTE}-{route}", f"{_subject(record)}: {route.replace('_to_', ' → ')}"
    ran = any(cell.outcome is not Outcome.UNTESTED for cell in asked)
    if not ran:
        return Badge(name, label, "untested", Colour.GREY, f"release {record.release_id}")
    # What partly passed and was partly not tried is no verdict, and not nothing either.
    colour = Colour.AMBER if outcome is Outcome.UNTESTED else _COLOURS[outcome]
    more = f", {len(cells) - len(asked)} left out" if len(asked) < len(cells) else ""
    title = (
        f"{', '.join(sorted({cell.strategy.value for cell in asked}))}; "
        f"release {record.release_id}, profile {record.profile}"
    )
    return _dated(record, Badge(name, label, f"{_counted(asked, outcome)}{more}", colour, title))


def left_out(cell: PublishedCell) -> bool:
    """Whether the profile leaves it out on purpose: counted, and no badge or field is held back by it."""
    return cell.outcome is Outcome.UNTESTED and not cell.required and cell.reason is ReasonCode.NOT_IN_PROFILE


def _counted(cells: Sequence[PublishedCell], outcome: Outcome) -> str:
    number = sum(cell.outcome is outcome for cell in cells)
    word = "inconclusive" if outcome is Outcome.CANT_TELL else WORD[outcome]
    return f"{number} of {len(cells)} {word}"


def _guarantees(record: PublishedRecord) -> Iterator[Badge]:
    for route in dict.fromkeys(one.route for one in record.guarantees):
        seen = [one for one in record.guarantees if one.route == route]
        shown = f"{record.subject.engine} {route.replace('_to_', ' → ')}"
        yield _guarantee(record, f"{GUARANTEE}-{route}", shown, seen)


def _guarantee(record: PublishedRecord, name: str, of: str, seen: Sequence[PublishedGuarantee]) -> Badge:
    """The weakest of what was observed, coloured by the worst verdict."""
    label = f"{of} delivery"
    if not seen:
        return Badge(name, label, "not observed", Colour.GREY, "no load was broken")
    weakest = min(seen, key=lambda one: one.observed.rank)
    outcome = Outcome.worst(one.outcome for one in seen)
    if outcome is Outcome.INAPPLICABLE and any(one.nothing_seen for one in seen):
        return Badge(
            name, label, "not observed", Colour.GREY, "declared by nobody, and not every load broken"
        )
    said = weakest.observed.value
    if outcome is Outcome.FAILED:
        said += ", less than declared"
    elif outcome is Outcome.CANT_TELL:
        said = f"not shown, {min(one.kills for one in seen)} of {ENOUGH} kills"
    elif outcome is Outcome.INAPPLICABLE and (fewest := min(one.kills for one in seen)) < ENOUGH:
        said += f", {fewest} of {ENOUGH} kills"
    colour = Colour.BLUE if outcome is Outcome.INAPPLICABLE else _COLOURS[outcome]
    title = f"observed in {sum(one.kills for one in seen)} kills; {', '.join(_strategies(seen))}"
    return _dated(record, Badge(name, label, said, colour, title))


def _strategies(seen: Iterable[PublishedGuarantee]) -> list[str]:
    return sorted({f"{one.strategy.value}: {one.observed.value}" for one in seen})


def _calibration(record: PublishedRecord) -> Badge:
    made = record.calibration
    label = f"{record.subject.engine} bench"
    if made is None or not made.planted:
        return Badge(CALIBRATION, label, "not calibrated", Colour.GREY, "nobody has seen it catch anything")
    said = f"{made.killed} of {made.planted} defects found"
    whole = made.killed == made.planted and made.outcome is Outcome.PASSED
    colour = Colour.GREEN if whole else Colour.RED if made.outcome is Outcome.FAILED else Colour.AMBER
    title = f"{made.false_alarms} false alarms in {made.clean_runs} runs of the clean engine"
    until = made.made_at + timedelta(days=record.fresh_days)
    return Badge(CALIBRATION, label, f"{said} · {_day(made.made_at)}", colour, title, until)


def _level(record: PublishedRecord, level: PublishedLevel) -> Badge:
    """Green for the policy's highest level alone; what is below it is a fact, and nothing at all is grey."""
    label = f"{_subject(record)}: {level.connector.replace('_to_', ' → ')} by {level.policy}"
    name = f"{LEVEL}-{level.policy}-{level.connector}"
    title = "; next: ".join(filter(None, (level.why, level.next_step)))
    if level.level is None:
        return Badge(name, label, "no level", Colour.GREY, title)
    colour = Colour.GREEN if level.highest else Colour.BLUE
    badge = _dated(record, Badge(name, label, level.level, colour, title))
    ends = [moment for moment in (badge.good_until, level.expires_at) if moment is not None]
    return replace(badge, good_until=min(ends, default=None))


def _dated(record: PublishedRecord, badge: Badge) -> Badge:
    """With the day of the oldest evidence that counts; what has no day cannot be fresh."""
    oldest = record.evidence_from
    if oldest is None:
        return replace(badge, colour=Colour.GREY if badge.colour is Colour.GREEN else badge.colour)
    until = oldest + timedelta(days=record.fresh_days)
    return replace(badge, message=f"{badge.message} · {_day(oldest)}", good_until=until)


def _as_of(badge: Badge, now: datetime) -> Badge:
    until = badge.good_until
    if until is None:
        return badge
    if now < until:
        return replace(badge, title="; ".join(filter(None, (badge.title, f"good until {_day(until)}"))))
    was = f"was: {badge.message}; certify again"
    return replace(badge, message=f"stale since {_day(until)}", colour=Colour.GREY, title=was)


def _subject(record: PublishedRecord) -> str:
    return f"{record.subject.engine} {record.subject.version}"


def _day(moment: datetime) -> str:
    return moment.astimezone(UTC).date().isoformat()


def _cut(text: str) -> str:
    shown = visible(text)
    return shown if len(shown) <= LONGEST else shown[: LONGEST - 1] + "…"
