"""From what is known to how far each requirement, and so each level, is proven."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from certification_pipeline.catalog.policies import CheckSpec, LevelPolicy, LevelSpec, Requirement
from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.evidence.levels import ProofKind, Standing
from certification_pipeline.gates.levels.history import Attested
from certification_pipeline.gates.levels.soak import StreakState
from certification_pipeline.gates.levels.state import UNPROVEN, Proven, State
from certification_pipeline.gates.levels.units import Certified

_FOREVER = datetime.max.replace(tzinfo=UTC)
_DAY = timedelta(days=1)


class Named(NamedTuple):
    """One thing that a requirement names, and how it stands."""

    kind: ProofKind
    name: str
    found: Proven
    until: datetime | None
    """When it expires; ``None`` unless it is proven."""


class Reach(NamedTuple):
    """How far a level is proven, for itself and all below it. ``until`` is ``None`` where it is not."""

    until: datetime | None
    refuted: bool


@dataclass(frozen=True)
class Known:
    """All that is known at a moment about one subject."""

    state: State
    streaks: Mapping[tuple[str, str, str], StreakState]
    """(policy, unit, check) -> streak."""
    attested: Sequence[Attested]
    at: datetime


def reaches(policy: LevelPolicy, unit: Certified, known: Known) -> tuple[Reach, ...]:
    """For each level, lowest first: until when it and all below it are proven.

    A level needs at least one requirement that is proven, not merely no question of the unit.
    """
    found: list[Reach] = []
    so_far: datetime | None = None
    for index in range(len(policy.levels)):
        until, refuted = _level(policy, index, unit, known)
        if index:
            below = found[-1]
            until = None if until is None or so_far is None else min(until, so_far)
            refuted = refuted or below.refuted
        so_far = until
        found.append(Reach(until, refuted))
    return tuple(found)


def fidelity_for(policy: LevelPolicy, level: LevelSpec) -> frozenset[Fidelity]:
    """Of which services cells count for a level."""
    return frozenset(level.fidelity)


def named_by(
    policy: LevelPolicy,
    requirement: Requirement,
    unit: Certified,
    known: Known,
    fidelity: frozenset[Fidelity],
) -> Iterator[Named]:
    """Everything a requirement names, with how it stands."""
    fresh, state = policy.freshness, known.state
    for pattern in requirement.scenarios:
        found = state.scenario(unit.name, pattern, fidelity, where_applicable=requirement.where_applicable)
        yield _fresh(ProofKind.SCENARIO, pattern, found, fresh)
    yield from beside(policy, requirement, unit, known)


def beside(policy: LevelPolicy, requirement: Requirement, unit: Certified, known: Known) -> Iterator[Named]:
    """What a requirement names beside scenarios."""
    fresh, state = policy.freshness, known.state
    for template in requirement.documents:
        yield _fresh(ProofKind.DOCUMENT, template, state.document(unit.connectors, template), fresh)
    for name in requirement.checks:
        yield _check(policy, name, policy.checks[name], unit, known)


def standing_of(named: Iterable[Named], at: datetime, notice: timedelta) -> tuple[Standing, datetime | None]:
    """A requirement's standing and expiry: it is no better than the worst thing it names."""
    listed = tuple(named)
    standings = {standing_at(one, at, notice) for one in listed}
    worst = next((standing for standing in Standing if standing in standings), Standing.UNPROVEN)
    return worst, min((one.until for one in listed if one.until is not None), default=None)


def standing_at(one: Named, at: datetime, notice: timedelta) -> Standing:
    """As :func:`standing_of`, of a single thing."""
    if one.found.standing is not Standing.PROVEN or one.until is None:
        return one.found.standing
    if one.until > at:
        return Standing.PROVEN
    return Standing.NOTICE if one.until + notice > at else Standing.UNPROVEN


def _level(policy: LevelPolicy, index: int, unit: Certified, known: Known) -> tuple[datetime | None, bool]:
    """One level's own requirements, and those below once more where it asks for better services."""
    level = policy.levels[index]
    fidelity = fidelity_for(policy, level)
    lines = list(level.everything)
    if fidelity:
        below = (line for spec in policy.levels[:index] for line in spec.everything)
        lines += [line for line in below if line.scenarios]
    seen = known.state.together((policy.id, index), unit.name, lines, fidelity)
    refuted, something = seen.refuted, seen.picture is not None
    until: datetime | None = _FOREVER if seen.whole else None
    if seen.picture is not None and until is not None:
        until = min(seen.picture.last_at + policy.freshness, seen.cap or _FOREVER)
    for requirement in level.everything:
        for one in beside(policy, requirement, unit, known):
            refuted = refuted or one.found.standing is Standing.REFUTED
            if one.found.standing is Standing.PROVEN and one.until is not None:
                something = True
                until = None if until is None else min(until, one.until)
            elif one.found.standing is not Standing.INAPPLICABLE:
                until = None
    return (until if something else None), refuted


def _check(policy: LevelPolicy, name: str, check: CheckSpec, unit: Certified, known: Known) -> Named:
    state, fresh = known.state, policy.freshness
    if check.item is not None:
        return _fresh(ProofKind.ITEM, name, state.item(unit.connectors, check.item), fresh)
    if check.family is not None:
        return _fresh(ProofKind.FAMILY, name, state.family(check.family), fresh)
    if check.soak is not None:
        streak = known.streaks.get((policy.id, unit.name, name))
        found = streak.standing(known.at) if streak else UNPROVEN
        return Named(ProofKind.SOAK, name, found, found.cap)
    assert check.attestation is not None  # the model holds exactly one
    rule = check.attestation
    signed = [one for one in attestations_of(unit, known, rule.predicate) if one.since <= known.at]
    if not signed:
        return Named(ProofKind.ATTESTATION, name, UNPROVEN, None)
    best = max(signed, key=lambda one: min(one.until, one.since + _DAY * rule.longest_days))
    until = min(best.until, best.since + _DAY * rule.longest_days)
    return Named(ProofKind.ATTESTATION, name, Proven(Standing.PROVEN, best.since), until)


def attestations_of(unit: Certified, known: Known, predicate: str) -> list[Attested]:
    """Statements about a unit: about that route, or about a route that the connector is an end of."""
    return [
        one
        for one in known.attested
        if one.predicate == predicate and (unit.place == one.route or unit.place in one.route.split("_to_"))
    ]


def _fresh(kind: ProofKind, name: str, found: Proven, freshness: timedelta) -> Named:
    if found.standing is not Standing.PROVEN or found.at is None:
        return Named(kind, name, found, None)
    until = found.at + freshness
    return Named(kind, name, found, until if found.cap is None else min(until, found.cap))
