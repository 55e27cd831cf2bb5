"""Catalogue x profile x what can be reached here = the plan: every cell, and what is to become of it.

Pure: nothing is probed, started or written here. A plan holds (a) each of the seeds' 237 cases, whatever
can be reached, and (b) on every pair of the profile's systems that the engine declares, each strategy and
each scenario that makes sense for a strategy the engine claims. A cell is never left out because it cannot
run: it stands in the plan as ``inapplicable`` or ``untested`` with its reason and remedy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import TypeVar

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine, unversioned
from certification_pipeline.catalog.loading import catalog_digest
from certification_pipeline.catalog.parts import parts_of, parts_text
from certification_pipeline.catalog.problems import nearest
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.vocabulary import Family, Outcome, ReasonCode, Strategy, Support
from certification_pipeline.evidence.artifact import Environment, Producer, Subject, utc_now
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell, Selection, Trigger
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.families.obstacles import Obstacles
from certification_pipeline.harness.services.provider import Availability

MIN_ROWS = 60
"""A smaller workload has no room for every kind of change (``harness.workload.lifecycle.MIN_ROWS``)."""
MAX_ROWS = 100_000_000
SMALL_ROWS = 300
LARGE_FACTOR = 10

T = TypeVar("T")

_TESTABLE = frozenset({Support.FULL, Support.PARTIAL})


class PlanError(Exception):
    """What was asked for cannot be planned; ``remedy`` says what there is instead."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message, remedy)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} — {self.remedy}"


def build_plan(
    catalog: Catalog,
    engine_id: str,
    profile: str,
    *,
    rows: int,
    seed: int,
    release_id: str,
    run_id: str,
    subject: Subject,
    availability: Mapping[str, Availability],
    producer: Producer,
    environment: Environment,
    routes: Sequence[str] = (),
    strategies: Sequence[str] = (),
    scenarios: Sequence[str] = (),
    families: Sequence[Family] = (),
    only_families: Sequence[str] = (),
    one_of_many: bool = False,
    trigger: Trigger = Trigger.MANUAL,
    required: Sequence[ItemName] = (),
    created_at: datetime | None = None,
    digest: str | None = None,
) -> CertificationPlan:
    """Plan one engine under one profile, sealed by ``plan_digest``.

    ``availability`` maps systems to the answers of their probes; a system without an answer counts as not
    available. ``routes``, ``strategies`` and ``scenarios`` are fnmatch patterns (``postgres_to_*``), each of
    which must match a planned cell. Every cell has the plan's seed: engines and routes meet the same rows,
    and what the oracle expects of a workload is worked out once a run, not once a cell. ``families`` are the
    evidence families beside the matrix that a release of this plan must not go without; ``only_families``
    are the patterns they were chosen by; ``required`` the suite's items that were asked for beside them.
    ``one_of_many``: a pattern may be meant for another engine of the
    same release, so one that matches nothing here is no mistake while others do. ``digest`` is the
    catalogue's, as this engine's plans seal it, for who knows it already and only compares cells: such a plan
    names no parts.

    Raises ``PlanError`` for an unknown engine or profile, rows outside 60 … 100 000 000, a subject that is
    another engine, and patterns that match nothing.
    """
    _known(catalog.engines, unversioned(engine_id), "engine")
    engine = catalog.engine(engine_id)
    scope = _known(catalog.profiles, profile, "profile")
    _check_request(engine, rows, subject)
    selection = Selection(
        routes=tuple(routes),
        strategies=tuple(strategies),
        scenarios=tuple(scenarios),
        families=tuple(only_families),
    )
    obstacles = Obstacles(catalog, engine, scope, availability, selection.scenarios)
    planner = _Planner(catalog, engine, rows, seed, obstacles)
    cells = tuple(planner.cell(key) for key in _select(planner.keys(), selection, one_of_many))
    _not_all_refused(cells)
    parts = None if digest else sha256(parts_text(parts_of(catalog, engine_id)))
    digest = digest or catalog_digest(catalog, engine_id)
    return CertificationPlan(
        schema_version=CertificationPlan.schema_name(),
        release_id=release_id,
        run_id=run_id,
        created_at=created_at or utc_now(),
        producer=producer,
        environment=environment,
        subject=subject,
        profile=scope.id,
        trigger=trigger,
        # A plan is an intention: nothing has been tested yet, and nothing passes by being planned.
        outcome=Outcome.UNTESTED,
        passed=False,
        catalog_digest=digest,
        catalog_parts=parts,
        rows=rows,
        seed=seed,
        selection=selection,
        families=tuple(families),
        required=tuple(required),
        cells=cells,
        plan_digest=CertificationPlan.digest_of(
            digest, scope.id, engine.id, cells, selection, families=families, parts=parts
        ),
    )


def _known(entries: Mapping[str, T], name: str, kind: str) -> T:
    try:
        return entries[name]
    except KeyError:
        raise PlanError(f"there is no {kind} `{name}`", nearest(name, entries)) from None


def _check_request(engine: Engine, rows: int, subject: Subject) -> None:
    if not MIN_ROWS <= rows <= MAX_ROWS:
        raise PlanError(f"{rows} rows cannot be planned", f"choose between {MIN_ROWS} and {MAX_ROWS}")
    if subject.engine != engine.id:
        message = f"the subject is {subject.engine} {subject.version}, the plan is for {engine.id}"
        raise PlanError(message, "describe the engine that is planned")


def _select(keys: Sequence[CellKey], selection: Selection, one_of_many: bool) -> tuple[CellKey, ...]:
    """The cells that match; a pattern that matches none is a mistake, not an empty plan."""
    chosen = list(keys)
    parts: tuple[tuple[str, tuple[str, ...], Callable[[CellKey], str]], ...] = (
        ("route", selection.routes, lambda key: key.route_id),
        ("strategy", selection.strategies, lambda key: str(key.strategy)),
        ("scenario", selection.scenarios, lambda key: key.scenario),
    )
    for kind, patterns, name_of in parts:
        names = {name_of(key) for key in keys}
        for pattern in patterns:
            if not one_of_many and not any(fnmatchcase(name, pattern) for name in names):
                raise PlanError(f"`{pattern}` matches no planned {kind}", nearest(pattern, names))
        if patterns:
            chosen = [key for key in chosen if any(fnmatchcase(name_of(key), one) for one in patterns)]
    if not chosen:
        asked = "; ".join(f"{kind}: {', '.join(patterns)}" for kind, patterns, _ in parts if patterns)
        remedy = "each pattern matches something, but no cell matches them all: drop one"
        raise PlanError(f"no planned cell matches {asked}", remedy)
    return tuple(chosen)


def _not_all_refused(cells: Sequence[PlannedCell]) -> None:
    """Nothing but what the engine's own table refuses: an error, as the engine's runtime should give one."""
    if all(cell.reason is ReasonCode.UNSUPPORTED_COMBINATION for cell in cells):
        raise PlanError(str(cells[0].detail), str(cells[0].remedy))


@dataclass(frozen=True, slots=True)
class _Planner:
    catalog: Catalog
    engine: Engine
    rows: int
    seed: int
    obstacles: Obstacles

    def keys(self) -> list[CellKey]:
        """Every cell once: the seeds' matrix first, then what the profile adds, in a stable order."""
        return [
            CellKey(engine=self.engine.id, source=source, sink=sink, strategy=strategy, scenario=scenario)
            for source, sink, strategy, scenario in dict.fromkeys((*self._matrix(), *self._declared()))
        ]

    def _matrix(self) -> Iterator[tuple[str, str, Strategy, str]]:
        for source, sink, strategy in self.catalog.matrix.cases():
            yield source, sink, strategy, f"strategy.{strategy}"

    def _declared(self) -> Iterator[tuple[str, str, Strategy, str]]:
        for route in self.engine.routes:
            if not self.obstacles.in_profile(route.source, route.sink):
                continue
            claimed = {strategy for strategy, claim in route.strategies.items() if claim.support in _TESTABLE}
            for strategy in Strategy:
                # Beside a claim, silence about a strategy is shown; beside nothing but denials it is noise.
                said = bool(claimed) or strategy in route.strategies
                for scenario in self.catalog.scenarios.values():
                    if scenario.sources and route.source not in scenario.sources:
                        continue
                    # What is not claimed is told once, by the strategy's own cell.
                    wanted = said if scenario.id == f"strategy.{strategy}" else strategy in claimed
                    if wanted and strategy in scenario.strategies:
                        yield route.source, route.sink, strategy, scenario.id

    def cell(self, key: CellKey) -> PlannedCell:
        """The cell and what is to become of it."""
        scenario = self.catalog.scenarios[key.scenario]
        route = self.engine.route(key.source, key.sink)
        claim = route.strategies.get(key.strategy) if route else None
        obstacle = self.obstacles.of(key)
        applicable = obstacle is None or obstacle.disposition != "inapplicable"
        claimed = claim is not None and claim.support in _TESTABLE
        return PlannedCell(
            key=key,
            scenario_version=scenario.version,
            rows=self._rows(scenario),
            seed=self.seed,
            support=claim.support if claim else None,
            guarantee=claim.guarantee if claim else None,
            required=claimed
            and applicable
            and self.obstacles.in_profile(key.source, key.sink)
            and self.obstacles.left_out(key) is None,
            disposition=obstacle.disposition if obstacle else "run",
            reason=obstacle.reason if obstacle else None,
            detail=obstacle.detail if obstacle else None,
            remedy=obstacle.remedy if obstacle else None,
        )

    def _rows(self, scenario: Scenario) -> int:
        match scenario.rows:
            case "none":
                return 0
            case "small":
                return min(self.rows, SMALL_ROWS)
            case "large":
                return min(self.rows * LARGE_FACTOR, MAX_ROWS)
            case "default":
                return self.rows
