"""Through a history in order of time: what was granted when, kept under notice, lost, and gained again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from certification_pipeline.catalog.policies import LevelPolicy, Unit
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.levels import REFUTED_BY, LevelChange
from certification_pipeline.gates.levels.history import History, Said
from certification_pipeline.gates.levels.picture import Picture, paint
from certification_pipeline.gates.levels.proofs import Known, Reach, reaches
from certification_pipeline.gates.levels.soak import StreakState, spanned
from certification_pipeline.gates.levels.state import State
from certification_pipeline.gates.levels.units import Certified, certified

NONE = -1
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass(eq=False, slots=True)
class Track:
    """One unit under one policy: the index of the level it holds, and how it came by it."""

    policy: LevelPolicy
    held: int = NONE
    reach: tuple[Reach, ...] = ()
    changes: list[LevelChange] = field(default_factory=list)

    def name(self, index: int) -> str | None:
        """A level's id; ``None`` below the lowest."""
        return self.policy.levels[index].id if index >= 0 else None

    def pass_time(self, to: datetime) -> None:
        """Nothing new is seen until ``to``: what runs out with its notice is lost on its day."""
        while self.held > NONE:
            ends = self.end_of(self.held)
            if ends > to:
                return
            at = max(ends, self.changes[-1].at) if self.changes else ends
            self._change(at, self.held - 1, "its proof expired, and the notice ended")

    def look(self, reach: tuple[Reach, ...], at: datetime, by: str) -> None:
        """Something new was seen: what is proven now is granted, what is refuted is lost at once."""
        self.reach = reach
        earned = sum(1 for one in reach if one.until is not None and one.until > at) - 1
        kept = sum(1 for index in range(len(reach)) if self.end_of(index) > at) - 1
        now = max(earned, min(self.held, kept))
        if now > self.held:
            self._change(at, now, f"proven by {by}")
        elif now < self.held:
            refuted = reach[now + 1].refuted
            self._change(at, now, f"{REFUTED_BY if refuted else 'no longer proven by '}{by}")

    def end_of(self, index: int) -> datetime:
        """When a level is lost if nothing more is seen; long ago if it is not proven at all."""
        until = self.reach[index].until if index < len(self.reach) else None
        return _LONG_AGO if until is None else until + self.policy.notice

    def _change(self, at: datetime, to: int, why: str) -> None:
        self.changes.append(LevelChange(at=at, before=self.name(self.held), after=self.name(to), why=why))
        self.held = to


@dataclass(frozen=True)
class Walked:
    """A subject at a moment: what is known, and one track per (policy, unit)."""

    known: Known
    tracks: Mapping[tuple[str, str], Track]
    units: Sequence[Certified]
    releases: int
    last: Said | None


def walk(history: History, policies: Iterable[LevelPolicy], subject: Subject, as_of: datetime) -> Walked:
    """Replay everything up to ``as_of`` that is about ``subject``; what is dated later does not count."""
    return _Walk(history, tuple(policies), subject, as_of).done()


class _Walk:
    def __init__(
        self, history: History, policies: tuple[LevelPolicy, ...], subject: Subject, as_of: datetime
    ) -> None:
        self.engine, self.policies, self.subject, self.as_of = history.engine, policies, subject, as_of
        self.said = [said for said in history.in_order() if said.at <= as_of]
        mine = [one for one in history.attested if one.subject == subject and one.since <= as_of]
        self.attested = sorted(mine, key=lambda one: (one.since, one.path))
        self.state = State(self.engine)
        self.streaks: dict[tuple[str, str, str], StreakState] = {}
        self.tracks: dict[tuple[str, str], Track] = {}
        self.units: list[Certified] = []
        self.rules = [
            (policy, name, check.soak)
            for policy in policies
            for name, check in policy.checks.items()
            if check.soak is not None
        ]
        self.releases = 0
        self.last: Said | None = None

    def done(self) -> Walked:
        signed = list(self.attested)
        for said in self.said:
            while signed and signed[0].since <= said.at:
                one = signed.pop(0)
                self._look(one.since, f"the statement {one.path}")
            if said.subject != self.subject:
                self._soak(said, paint(self.engine, said) if self._any_span(said) else None)
                continue
            self.last = said
            self.releases += 1
            self._pass_time(said.at)
            if said.problem is not None:
                self._forget(said)
                continue
            picture = self.state.apply(said)
            self._meet_units()
            self._soak(said, picture)
            self._look(said.at, f"release {said.release_id}")
        for one in signed:
            self._look(one.since, f"the statement {one.path}")
        self._pass_time(self.as_of)
        return Walked(self._known(self.as_of), self.tracks, self.units, self.releases, self.last)

    def _known(self, at: datetime) -> Known:
        return Known(self.state, self.streaks, self.attested, at)

    def _pass_time(self, to: datetime) -> None:
        for track in self.tracks.values():
            track.pass_time(to)

    def _look(self, at: datetime, by: str) -> None:
        self._pass_time(at)
        known = self._known(at)
        for unit in self.units:
            for policy in self.policies:
                if unit.unit in policy.units:
                    self.tracks[policy.id, unit.name].look(reaches(policy, unit, known), at, by)

    def _meet_units(self) -> None:
        self.units = certified(self.engine, self.state)
        for unit in self.units:
            for policy in self.policies:
                if unit.unit in policy.units:
                    self.tracks.setdefault((policy.id, unit.name), Track(policy))

    def _soak(self, said: Said, picture: Picture | None) -> None:
        if picture is None:
            return
        for policy, name, rule in self.rules:
            if not spanned(rule, self.subject, said.subject):
                continue
            for unit, roles in picture.roles.items():
                if (Unit.ROUTE if roles == {"route"} else Unit.CONNECTOR) not in policy.units:
                    continue
                streak = self.streaks.setdefault((policy.id, unit, name), StreakState(rule))
                streak.take(said, picture.verdict(unit, rule))

    def _any_span(self, said: Said) -> bool:
        return said.problem is None and any(
            spanned(rule, self.subject, said.subject) for _, _, rule in self.rules
        )

    def _forget(self, said: Said) -> None:
        """What an unreadable release would have refuted nobody knows: all proof before it is void."""
        roles = self.state.roles
        self.state = State(self.engine)
        self.state.roles = roles
        for streak in self.streaks.values():
            streak.forget(said.at, f"release {said.release_id} cannot be read as it was chained")
        self._look(said.at, f"release {said.release_id}, which cannot be read as it was chained")
