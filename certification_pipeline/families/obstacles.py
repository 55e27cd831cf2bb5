"""Why a planned cell will not run: what stands in its way, told with its reason and remedy.

Pure: availability was probed before.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Literal

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.delivery import UnsupportedCombination
from certification_pipeline.catalog.engines import Engine, unversioned
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.systems import System
from certification_pipeline.catalog.vocabulary import ReasonCode, Side, Support
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.harness.services.provider import Availability


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a cell will not run."""

    disposition: Literal["inapplicable", "untested"]
    reason: ReasonCode
    detail: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Obstacles:
    """What may stand in the way of one engine's cells under one profile."""

    catalog: Catalog
    engine: Engine
    profile: Profile
    availability: Mapping[str, Availability]
    asked: tuple[str, ...] = ()
    """The scenario patterns that the run was asked for by name."""

    def of(self, key: CellKey) -> Obstacle | None:
        """The first thing that stands in the cell's way; ``None`` when it can run."""
        scenario = self.catalog.scenarios[key.scenario]
        route = self.engine.route(key.source, key.sink)
        claim = route.strategies.get(key.strategy) if route else None
        return (
            self._undeclared(key, route, claim, scenario)
            or self._refused(claim)
            or self._lacking(key, scenario)
            or self._not_in_artifact(key, claim)
            or self.left_out(key)
            or self._unreachable(key, claim)
            or self._unimplemented(key, claim)
        )

    def in_profile(self, *systems: str) -> bool:
        """Whether the profile includes them all."""
        return all(system in self.profile.systems for system in systems)

    def _undeclared(
        self, key: CellKey, route: RouteClaims | None, claim: Claim | None, scenario: Scenario
    ) -> Obstacle | None:
        where = f"{self.engine.title} from {key.source} to {key.sink}"
        drift = scenario.requires_drift
        if route is None or claim is None:
            detail = f"{where}: nothing is declared for {key.strategy}"
        elif claim.support is Support.UNSUPPORTED:
            detail = _with_note(f"{where}: {key.strategy} is declared as unsupported", claim)
        elif drift and route.drift_behaviour(key.strategy, drift) is None:
            detail = f"{where}: no behaviour is declared for the drift `{drift}` under {key.strategy}"
        elif scenario.requires_two_phase and not claim.two_phase:
            detail = f"{where}: no two-phase commit is declared for {key.strategy}"
        elif scenario.requires_visibility and claim.visibility != scenario.requires_visibility:
            promise = f"{scenario.requires_visibility} visibility"
            detail = f"{where}: {promise} is not declared for {key.strategy}: a reader is promised nothing"
        elif scenario.requires_previous and self.engine.previous is None:
            detail = f"{self.engine.title}: no earlier release is named that could have left its state"
        elif silent := [name for name in scenario.requires if getattr(claim, name) is None]:
            detail = f"{where}: nothing is declared about `{', '.join(silent)}` under {key.strategy}"
        else:
            return None
        remedy = f"if the engine can do it, declare it in the catalogue's engines/{self.engine.id}.yaml"
        return Obstacle("inapplicable", ReasonCode.NOT_DECLARED, detail, remedy)

    def _refused(self, claim: Claim | None) -> Obstacle | None:
        """A combination of ends and profile that the engine's own delivery table does not list (seed 001)."""
        delivery = self.engine.delivery
        if delivery is None or claim is None or claim.delivers is None:
            return None
        try:
            self.catalog.guarantees[delivery.table].effective(
                claim.delivers.source, claim.delivers.sink, delivery.profile
            )
        except UnsupportedCombination as refusal:
            remedy = "choose a row of the table: `certify guarantees`"
            return Obstacle("inapplicable", ReasonCode.UNSUPPORTED_COMBINATION, str(refusal), remedy)
        return None

    def _lacking(self, key: CellKey, scenario: Scenario) -> Obstacle | None:
        source = self.catalog.systems[key.source]
        # Of a system that nobody can seed yet nothing is known: it is untested, see `_missing`.
        absent = [one for one in scenario.needs if source.source is not None and one not in source.source]
        if absent:
            return _lacks(scenario, Side.SOURCE, source, absent)
        for side, system in ((Side.SOURCE, source), (Side.SINK, self.catalog.systems[key.sink])):
            ways = scenario.disturbs.get(side, ())
            if ways and not set(ways) & set(system.disturbable):
                return _lacks(scenario, side, system, ways)
        return None

    def _not_in_artifact(self, key: CellKey, claim: Claim | None) -> Obstacle | None:
        """Told first: no service that could be started would change it."""
        if claim is None or claim.support is not Support.NOT_IN_ARTIFACT:
            return None
        what = f"{self.engine.title} documents {key.strategy} from {key.source} to {key.sink}"
        detail = _with_note(f"{what}, but its released artifact does not hold it", claim)
        remedy = f"certify a release that holds it, and declare that in engines/{self.engine.id}.yaml"
        return Obstacle("untested", ReasonCode.NOT_IN_ARTIFACT, detail, remedy)

    def left_out(self, key: CellKey) -> Obstacle | None:
        """Whether the profile leaves the cell out on purpose."""
        for left in self.profile.leaves_out:
            if (
                left.means(unversioned(key.engine))
                and not (left.when_asked and self._asked_for(key))
                and any(fnmatchcase(key.route_id, one) for one in left.routes)
                and any(fnmatchcase(key.strategy, one) for one in left.strategies)
                and any(fnmatchcase(key.scenario, one) for one in left.scenarios)
            ):
                wider = [one.id for one in self.catalog.profiles.values() if one.id != self.profile.id]
                ask = f"ask for it by name (--scenario {key.scenario}), or " if left.when_asked else ""
                return Obstacle(
                    "untested",
                    ReasonCode.NOT_IN_PROFILE,
                    f"the profile {self.profile.id} leaves it out: {left.why}",
                    f"{ask}use a wider profile: {', '.join(wider)}",
                )
        return None

    def _asked_for(self, key: CellKey) -> bool:
        return any(fnmatchcase(key.scenario, one) for one in self.asked)

    def _unreachable(self, key: CellKey, claim: Claim | None) -> Obstacle | None:
        missing = [
            found for system in dict.fromkeys((key.source, key.sink)) if (found := self._missing(system))
        ] or self._unseeded(key.source)
        if not missing:
            return None
        details = [detail for detail, _ in missing]
        if claim and claim.support is Support.NOT_IMPLEMENTED:
            details.append(f"and {self.engine.title} does not implement {key.strategy} here yet")
        return Obstacle(
            "untested",
            ReasonCode.SERVICE_UNAVAILABLE,
            "; ".join(details),
            " ".join(dict.fromkeys(remedy for _, remedy in missing)),
        )

    def _missing(self, system: str) -> tuple[str, str] | None:
        """Detail and remedy when a system cannot be used in this run."""
        remedy = self.catalog.systems[system].remedy
        if not self.in_profile(system):
            wider = [one.id for one in self.catalog.profiles.values() if system in one.systems]
            way = f"Use a profile that includes {system} ({', '.join(wider)}). " if wider else ""
            return f"{system} is not in the profile {self.profile.id}", way + remedy
        answer = self.availability.get(system)
        if answer is None:
            return f"nothing here provides {system}", remedy
        return None if answer.ok else (f"{system}: {answer.detail}", answer.remedy or remedy)

    def _unseeded(self, system: str) -> list[tuple[str, str]]:
        """Detail and remedy when the system is there, but no table can be put into it as a source."""
        if self.catalog.systems[system].source is not None:
            return []
        return [(f"the harness writes no source tables to {system} yet", _NO_WRITER)]

    def _unimplemented(self, key: CellKey, claim: Claim | None) -> Obstacle | None:
        if claim is None or claim.support is not Support.NOT_IMPLEMENTED:
            return None
        detail = _with_note(f"{self.engine.title} does not implement {key.strategy} here yet", claim)
        remedy = f"implement it, then declare it in the catalogue's engines/{self.engine.id}.yaml"
        return Obstacle("untested", ReasonCode.NOT_IMPLEMENTED, detail, remedy)


_NO_WRITER = "write one: see harness/workload/sources.py; then say `source` in the catalogue's systems.yaml"


def _lacks(scenario: Scenario, side: Side, system: System, ways: Sequence[str]) -> Obstacle:
    reason = ReasonCode.SOURCE_LACKS if side is Side.SOURCE else ReasonCode.SINK_LACKS
    detail = f"{scenario.id} disturbs {' or '.join(ways)} of the {side}; {system.title} has no such thing"
    return Obstacle("inapplicable", reason, detail, f"nothing to do: another {side} has it")


def _with_note(detail: str, claim: Claim) -> str:
    return f"{detail}: {claim.note}" if claim.note else detail
