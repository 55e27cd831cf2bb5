"""Whether the catalogue's files agree with each other: every name that one uses, another defines.

A name counts as defined where its entry stands, even if that entry has problems of its own: one mistake
gives one problem, not an avalanche.
"""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import RouteClaims
from certification_pipeline.catalog.crossref_delivery import delivers, delivery, tables
from certification_pipeline.catalog.policies import LevelPolicy, Requirement
from certification_pipeline.catalog.problems import Problem, nearest
from certification_pipeline.catalog.profiles import EVERY_ENGINE
from certification_pipeline.catalog.references import References, unknown
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.validation import Location
from certification_pipeline.catalog.vocabulary import Side, Support


def cross_check(catalog: Catalog, references: References) -> list[Problem]:
    """All that does not fit together. Only validated entries are looked at."""
    return [
        *_matrix(catalog, references),
        *_profiles(catalog, references),
        *_types(catalog, references),
        *tables(catalog, references),
        *_engines(catalog, references),
        *_scenarios(catalog, references),
        *(p for policy in catalog.policies.values() for p in _policy(policy, references)),
    ]


def _matrix(catalog: Catalog, references: References) -> Iterator[Problem]:
    matrix = catalog.matrix
    for end, names in (("sources", matrix.sources), ("sinks", matrix.sinks)):
        for index, system in enumerate(names):
            yield from unknown(references, "systems", system, ("matrix", "matrix"), (end, index))
    for strategy, rule in matrix.strategies.items():
        for end, names, allowed in (
            ("sources", rule.sources or (), matrix.sources),
            ("not_sinks", rule.not_sinks, matrix.sinks),
        ):
            for index, system in enumerate(names):
                if system not in allowed:
                    at: Location = ("strategies", strategy, end, index)
                    message = f"`{system}` is none of the matrix's {end.removeprefix('not_')}"
                    yield references.problem("matrix", "matrix", at, message, nearest(system, allowed))


def _profiles(catalog: Catalog, references: References) -> Iterator[Problem]:
    for name, profile in catalog.profiles.items():
        for target, used in (("systems", profile.systems), ("engines", profile.engines)):
            for index, one in enumerate(used):
                yield from unknown(references, target, one, ("profiles", name), (target, index))
            if not used:
                message = f"a profile without {target} plans nothing"
                yield references.problem("profiles", name, (target,), message, f"name its {target}")
        for family, engines in profile.families.items():
            for index, one in enumerate(engines):
                at: Location = ("families", family, index)
                yield from unknown(references, "engines", one, ("profiles", name), at)
        for index, left in enumerate(profile.leaves_out):
            at = ("leaves_out", index)
            if left.engine != EVERY_ENGINE:
                yield from unknown(references, "engines", left.engine, ("profiles", name), (*at, "engine"))
            for place, one in enumerate(left.but):
                yield from unknown(references, "engines", one, ("profiles", name), (*at, "but", place))
            for place, pattern in enumerate(left.scenarios):
                if not any(fnmatchcase(one, pattern) for one in references.known("scenarios")):
                    message, remedy = f"`{pattern}` matches no scenario", "correct the pattern, or drop it"
                    yield references.problem("profiles", name, (*at, "scenarios", place), message, remedy)


def _types(catalog: Catalog, references: References) -> Iterator[Problem]:
    for system in catalog.types:
        yield from unknown(references, "systems", system, ("types", system), ())


def _engines(catalog: Catalog, references: References) -> Iterator[Problem]:
    logical = {name for rules in catalog.types.values() for name in rules}
    for name, engine in catalog.engines.items():
        if not engine.driver.command and not engine.driver.script:
            message = "the driver has neither `command` nor `script`"
            yield references.problem("engines", name, ("driver",), message, "say how the engine is started")
        yield from delivery(engine, catalog, references)
        node = references.node("engines", name)
        written = node.child("routes") if node else None
        for index, route in enumerate(engine.routes[: len(written.items) if written else 0]):
            for end in ("source", "sink"):
                at: Location = ("routes", index, end)
                yield from unknown(references, "systems", getattr(route, end), ("engines", name), at)
            yield from _replays(name, index, route, references)
            yield from _needs(name, index, route, catalog, references)
            yield from delivers(engine, index, route, catalog, references)
            for used in route.types if logical else ():
                if used not in logical:
                    at = ("routes", index, "types", used)
                    message = f"no logical type `{used}` in types.yaml"
                    yield references.problem("engines", name, at, message, nearest(used, logical))


def _replays(engine: str, index: int, route: RouteClaims, references: References) -> Iterator[Problem]:
    """A replay rests on the strategy's loads: without them there is no run to do again."""
    able = (Support.FULL, Support.PARTIAL)
    for strategy, claim in route.strategies.items():
        for kind, support in claim.replay.items():
            if support in able and claim.support not in able:
                at: Location = ("routes", index, "strategies", strategy)
                message = f"claims the replay `{kind}`, but {strategy} itself is {claim.support}"
                yield references.problem(
                    "engines", engine, at, message, "claim the strategy, or drop its `replay`"
                )


def _needs(
    engine: str, index: int, route: RouteClaims, catalog: Catalog, references: References
) -> Iterator[Problem]:
    """A capability nobody measures would leave its cells untested for ever."""
    ends = {Side.SOURCE: catalog.systems.get(route.source), Side.SINK: catalog.systems.get(route.sink)}
    known = {
        name
        for end, system in ends.items()
        for name, capability in (system.capabilities.items() if system else ())
        if capability.end is end
    }
    for strategy, claim in route.strategies.items():
        for place, needed in enumerate(claim.needs if all(ends.values()) else ()):
            if needed not in known:
                at: Location = ("routes", index, "strategies", strategy, "needs", place)
                message = (
                    f"`{needed}` is no capability of {route.source} as source nor of {route.sink} as sink"
                )
                yield references.problem("engines", engine, at, message, nearest(needed, known))


def _scenarios(catalog: Catalog, references: References) -> Iterator[Problem]:
    for name, scenario in catalog.scenarios.items():
        if not scenario.strategies:
            message = "no strategy: the scenario would never be planned"
            yield references.problem("scenarios", name, ("strategies",), message, "name its strategies")
        for index, system in enumerate(scenario.sources):
            yield from unknown(references, "systems", system, ("scenarios", name), ("sources", index))
        yield from _history(scenario, references)
    for strategy in catalog.matrix.strategies:
        if f"strategy.{strategy}" not in references.known("scenarios"):
            message = f"the matrix plans {strategy}, but there is no scenario `strategy.{strategy}`"
            remedy = f"add `strategy.{strategy}` to the scenarios"
            yield references.problem("matrix", "matrix", ("strategies", strategy), message, remedy)


def _history(scenario: Scenario, references: References) -> Iterator[Problem]:
    """Evidence names the scenario's version: what changed with it must be told."""
    noted, due = set(scenario.history), set(range(2, scenario.version + 1))
    for version in sorted(due - noted):
        message = f"nothing says what version {version} changed"
        remedy = f"write it under `history: {{{version}: …}}`"
        yield references.problem("scenarios", scenario.id, ("version",), message, remedy)
    for version in sorted(noted - due):
        message = f"a note on version {version}, but notes are on 2 to `version`, which is {scenario.version}"
        remedy = "raise `version`, or remove the note"
        yield references.problem("scenarios", scenario.id, ("history", str(version)), message, remedy)


def _policy(policy: LevelPolicy, references: References) -> Iterator[Problem]:
    seen: set[str] = set()
    for level_index, level in enumerate(policy.levels):
        placed = [("requirements", index, one) for index, one in enumerate(level.requirements)]
        placed += [("also", index, one) for index, one in enumerate(level.also)]
        for part, index, requirement in placed:
            at: Location = ("levels", level_index, part, index)
            yield from _requirement(policy, requirement, references, at)
            if requirement.id in seen:
                message = f"the requirement `{requirement.id}` occurs twice"
                yield references.problem("policies", policy.id, (*at, "id"), message, "rename one")
            seen.add(requirement.id)
    used = {check for level in policy.levels for one in level.everything for check in one.checks}
    for check, spec in policy.checks.items():
        for index, pattern in enumerate(spec.soak.scenarios if spec.soak else ()):
            yield from _matching(policy, pattern, references, ("checks", check, "soak", "scenarios", index))
        if check not in used:
            message = f"no requirement uses the check `{check}`"
            yield references.problem(
                "policies", policy.id, ("checks", check), message, "use it, or remove it"
            )


def _requirement(
    policy: LevelPolicy, requirement: Requirement, references: References, at: Location
) -> Iterator[Problem]:
    for index, pattern in enumerate(requirement.scenarios):
        yield from _matching(policy, pattern, references, (*at, "scenarios", index))
    for index, check in enumerate(requirement.checks):
        if check not in policy.checks:
            message = f"the check `{check}` is not described under `checks`"
            place = (*at, "checks", index)
            yield references.problem("policies", policy.id, place, message, nearest(check, policy.checks))
    if not (requirement.scenarios or requirement.checks or requirement.documents):
        message = f"nothing proves `{requirement.id}`: it could never be met, or would be met by nothing"
        remedy = "name the scenarios, checks or documents that prove it"
        yield references.problem("policies", policy.id, at, message, remedy)


def _matching(policy: LevelPolicy, pattern: str, references: References, at: Location) -> Iterator[Problem]:
    scenarios = references.known("scenarios")
    if not any(fnmatchcase(scenario, pattern) for scenario in scenarios):
        message = f"`{pattern}` matches no scenario"
        yield references.problem("policies", policy.id, at, message, nearest(pattern, scenarios))
