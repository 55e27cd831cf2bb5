"""From what was walked to the ladder a person reads: level, why, what is missing, what to do, until when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from certification_pipeline.catalog.policies import LevelPolicy, Requirement
from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import (
    ConnectorLevel,
    Proof,
    RequirementState,
    Standing,
    Streak,
)
from certification_pipeline.gates.levels.explain import Asking, Explained, explain
from certification_pipeline.gates.levels.history import History
from certification_pipeline.gates.levels.proofs import Known, Named, named_by, standing_at, standing_of
from certification_pipeline.gates.levels.units import Certified
from certification_pipeline.gates.levels.walk import Track, Walked, walk

_HOLDS = (Standing.PROVEN, Standing.INAPPLICABLE)


def connector_levels(
    history: History, policies: Iterable[LevelPolicy], subject: Subject, as_of: datetime
) -> tuple[ConnectorLevel, ...]:
    """Every unit of the subject under every policy that grants it levels, at that moment. Pure."""
    chosen = tuple(policies)
    return ladders(walk(history, chosen, subject, as_of), chosen)


def ladders(walked: Walked, policies: Sequence[LevelPolicy]) -> tuple[ConnectorLevel, ...]:
    """As :func:`connector_levels`, of what was walked already."""
    return tuple(
        _ladder(unit, walked.tracks[policy.id, unit.name], walked)
        for policy in policies
        for unit in walked.units
        if unit.unit in policy.units
    )


def _ladder(unit: Certified, track: Track, walked: Walked) -> ConnectorLevel:
    policy, known = track.policy, walked.known
    level, after = track.name(track.held), track.held + 1
    following = policy.levels[after] if after < len(policy.levels) else None
    states = _requirements(Asking(policy, unit, walked), after)
    missing = [
        state
        for state in states
        if following is not None and state.for_next not in _HOLDS and _up_to(policy, state.level, after)
    ]
    expires = track.reach[track.held].until if track.held >= 0 and track.reach else None
    in_notice = expires is not None and expires <= known.at
    suspended = bool(track.changes) and track.held < _once(track) and _refuted(track)
    return ConnectorLevel(
        name=unit.name,
        unit=unit.unit,
        roles=unit.roles,
        policy=policy.id,
        level=level,
        next_level=following.id if following else None,
        why=_why(policy, track, states, following.id if following else None, in_notice=in_notice),
        suspended=suspended,
        expires_at=expires,
        notice_until=expires + policy.notice if expires is not None and in_notice else None,
        next_step=_next_step(states, missing, in_notice=in_notice),
        missing=tuple(state.id for state in missing),
        requirements=tuple(states),
        streaks=tuple(_streaks(policy, unit, known)),
        changes=tuple(track.changes),
        first_achieved=_first(track),
        lost=_lost(track),
        stated=known.state.stated.get(unit.name),
    )


def _requirements(asking: Asking, after: int) -> list[RequirementState]:
    """Each line as the level that is held asks it, and as the next one does."""
    levels = asking.policy.levels
    held = levels[after - 1].fidelity if after else ()
    strict = levels[min(after, len(levels) - 1)].fidelity
    listed = []
    for index, level in enumerate(levels):
        asked = (level.fidelity or held) if index < after else level.fidelity
        better = (level.fidelity or strict) if index <= after else level.fidelity
        pair = (frozenset(asked), frozenset(better))
        listed += [_requirement(asking, level.id, line, pair) for line in level.everything]
    return listed


def _requirement(
    asking: Asking, level: str, line: Requirement, fidelity: tuple[frozenset[Fidelity], frozenset[Fidelity]]
) -> RequirementState:
    known, notice = asking.walked.known, asking.policy.notice
    now, better = fidelity
    named = list(named_by(asking.policy, line, asking.unit, known, now))
    wanted = named if better == now else list(named_by(asking.policy, line, asking.unit, known, better))
    standing, expires = standing_of(named, known.at, notice)
    proofs = tuple(
        _proof(one, how := standing_at(one, known.at, notice), explain(asking, one, how, better))
        for one in wanted
    )
    return RequirementState(
        id=line.id,
        level=level,
        text=line.text,
        standing=standing,
        for_next=standing_of(wanted, known.at, notice)[0],
        expires_at=expires,
        proofs=proofs,
    )


def _proof(named: Named, standing: Standing, said: Explained) -> Proof:
    return Proof(
        kind=named.kind,
        name=named.name,
        standing=standing,
        since=named.found.at,
        expires_at=named.until,
        rests_on=said.rests_on,
        missing=said.missing,
        more_missing=said.more_missing,
        next_step=said.next_step,
    )


def _why(
    policy: LevelPolicy,
    track: Track,
    states: Sequence[RequirementState],
    following: str | None,
    *,
    in_notice: bool,
) -> str:
    held = policy.levels[track.held].id if track.held >= 0 else None
    if in_notice and held is not None:
        late = [s.id for s in states if s.standing is Standing.NOTICE and _up_to(policy, s.level, track.held)]
        return f"{held} under notice: the proof of {_listed(late)} has expired"
    refuted = [s.id for s in states if s.for_next is Standing.REFUTED and s.level == following]
    if refuted:
        return f"{_listed(refuted)} was seen to fail"
    if following is None:
        return f"everything that {held} asks is proven"
    open_ = [s.id for s in states if s.for_next not in _HOLDS and _up_to(policy, s.level, track.held + 1)]
    proven = f"everything that {held} asks is proven; " if held else ""
    return f"{proven}{following} lacks {_listed(open_)}" if open_ else f"{proven}{following} is not reached"


def _next_step(
    states: Sequence[RequirementState], missing: Sequence[RequirementState], *, in_notice: bool
) -> str | None:
    late = [state for state in states if in_notice and state.standing is Standing.NOTICE]
    for state in (*late, *missing):
        for proof in state.proofs:
            if proof.standing not in _HOLDS and proof.next_step:
                return proof.next_step
    return None


def _streaks(policy: LevelPolicy, unit: Certified, known: Known) -> Iterable[Streak]:
    for name, check in policy.checks.items():
        streak = known.streaks.get((policy.id, unit.name, name))
        if check.soak is None:
            continue
        seen = streak.seen_at(known.at) if streak else None
        yield Streak(
            check=name,
            runs=seen.runs if seen else 0,
            needs_runs=check.soak.runs,
            started_at=seen.started if seen else None,
            last_at=seen.last if seen else None,
            needs_days=check.soak.days,
            enough_at=seen.enough_at if seen else None,
            broken_at=seen.broken_at if seen else None,
            broken_by=seen.broken_by if seen else None,
            days=streak.last_days(known.at) if streak else (),
        )


def _first(track: Track) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for change in track.changes:
        for level in track.policy.levels[: _index(track.policy, change.after) + 1]:
            found.setdefault(level.id, change.at)
    return found


def _lost(track: Track) -> dict[str, datetime]:
    found: dict[str, datetime] = {}
    for change in track.changes:
        low, high = _index(track.policy, change.after), _index(track.policy, change.before)
        for level in track.policy.levels[low + 1 : high + 1]:
            found[level.id] = change.at
    return {level: at for level, at in found.items() if _index(track.policy, level) > track.held}


def _once(track: Track) -> int:
    return max((_index(track.policy, change.after) for change in track.changes), default=-1)


def _refuted(track: Track) -> bool:
    return any(one.refuted for index, one in enumerate(track.reach) if track.held < index <= _once(track))


def _index(policy: LevelPolicy, level: str | None) -> int:
    return next((at for at, spec in enumerate(policy.levels) if spec.id == level), -1)


def _up_to(policy: LevelPolicy, level: str, index: int) -> bool:
    return _index(policy, level) <= index


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown + (f" and {len(names) - 3} more" if len(names) > 3 else "")  # noqa: PLR2004
