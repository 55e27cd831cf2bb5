"""The family's work: choose runs so that every declared route, kind and strategy is seen, replay, write."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import catalog_digest
from certification_pipeline.catalog.vocabulary import Family, ReplayKind, Strategy
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.replay import DeclaredReplay, ReplayEvidence, ReplayItem
from certification_pipeline.evidence.replay_verdict import declared_replays, replay_evidence
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.families.replay.execute import Replaying
from certification_pipeline.families.replay.runs import EarlierRun, find_run, replayable_runs
from certification_pipeline.families.replay.scope import (
    SMALL_ROWS,
    Asked,
    PlannedReplay,
    plan_replay,
    rebuilt_workload,
    usual_scope,
)
from certification_pipeline.families.work import Producer, Work
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.events import FamilyStep
from certification_pipeline.harness.shop import Workshop, namespace_of

WORKERS = 2
"""Engine processes at a time."""
_TELLING = (Strategy.BACKFILL, Strategy.SCD2, Strategy.INCREMENTAL_APPEND, Strategy.CDC)
"""Whose checkpoint says most (days, versions, a mark, a position in a log): first choice for a resume."""


class Interrupted(Exception):  # noqa: N818 - a wish of the user, no error
    """The run was stopped: what evidence there was before stays."""


def produce(work: Work) -> ReplayEvidence:
    """Replay one earlier run for each declared route and kind, spread over the strategies; write it."""
    declared = declared_replays(work.shop.catalog, work.plan)
    runs = replayable_runs(work.directory, work.plan, declared)
    items = execute(work, choose(declared, runs))
    return write(work, declared, items)


def execute(work: Work, chosen: Sequence[PlannedReplay]) -> list[ReplayItem]:
    """Do these replays, routes side by side, one route's one after the other. Raises :class:`Interrupted`."""
    by_route: dict[str, list[int]] = {}
    for place, planned in enumerate(chosen):
        by_route.setdefault(planned.run.key.route_id, []).append(place)
    items: dict[int, ReplayItem] = {}

    def work_on(route: str, places: list[int]) -> None:
        with _sessions(work.shop, work.engine, route) as session:
            for place in places:
                if work.shop.cancel.is_set():
                    raise Interrupted
                items[place] = _one(work, chosen[place], session, f"{place + 1} of {len(chosen)}")

    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        for done in [pool.submit(work_on, *route) for route in by_route.items()]:
            done.result()
    return [items[place] for place in sorted(items)]


def write(work: Work, declared: Sequence[DeclaredReplay], items: Sequence[ReplayItem]) -> ReplayEvidence:
    """Judge the items against what is declared, and write the artifact with its Markdown."""
    made = replay_evidence(
        work.plan,
        declared,
        items,
        stamp(work.run_id),
        mode="execute",
        digest=catalog_digest(work.shop.catalog, work.engine),
    )
    return work.directory.write(made, markdown(made))


def write_beside_others(work: Work, item: ReplayItem) -> ReplayEvidence:
    """As :func:`write`, beside the replays that the artifact on disk holds; the same one is replaced."""
    declared = declared_replays(work.shop.catalog, work.plan)
    others: tuple[ReplayItem, ...] = ()
    with suppress(EvidenceError):
        before = work.directory.read(layout.FAMILY_ARTIFACTS[Family.REPLAY], ReplayEvidence)
        if before.declared == declared and before.created_at >= work.plan.created_at:
            same = (item.run_id, item.kind, item.scope)
            others = tuple(old for old in before.items if (old.run_id, old.kind, old.scope) != same)
    return write(work, declared, (*others, item))


def choose(declared: Sequence[DeclaredReplay], runs: Sequence[EarlierRun]) -> tuple[PlannedReplay, ...]:
    """One run a route and kind, each time of the strategy that was chosen least; the rest in their turn.

    Of a strategy's runs the smallest table is taken, and there the last run after which the source has
    another change round: what a moved position would miss must be there to be missed.
    """
    taken: Counter[str] = Counter()
    chosen: list[PlannedReplay] = []
    for route in dict.fromkeys(one.route_id for one in declared):
        # Kinds that fewer strategies can do choose first.
        for kind in sorted(ReplayKind, key=lambda kind: sum(kind in one.kinds for one in declared)):
            able = [one.strategy for one in declared if one.route_id == route and kind in one.kinds]
            fitting = {s: run for s in able if (run := _best(runs, route, s)) is not None}
            if not fitting:
                continue
            strategy = min(fitting, key=lambda s: (taken[s], kind is ReplayKind.RESUME and s not in _TELLING))
            taken[strategy] += 1
            run = fitting[strategy]
            scope = usual_scope(rebuilt_workload(run, SMALL_ROWS), kind)
            chosen.append(plan_replay(run, scope, SMALL_ROWS))
    # With few routes there are more strategies than turns.
    for one in declared:
        if one.kinds and not taken[one.strategy]:
            left = _best(runs, one.route_id, one.strategy)
            if left is not None:
                taken[one.strategy] += 1
                scope = usual_scope(rebuilt_workload(left, SMALL_ROWS), one.kinds[0])
                chosen.append(plan_replay(left, scope, SMALL_ROWS))
    return tuple(chosen)


def _best(runs: Sequence[EarlierRun], route: str, strategy: str) -> EarlierRun | None:
    fitting = [run for run in runs if run.key.route_id == route and run.key.strategy == strategy]
    if not fitting:
        return None
    least = min(run.planned.rows for run in fitting)
    small = [run for run in fitting if run.planned.rows == least]
    early = [run for run in small if run.rounds[-1] == small[0].rounds[-1]]
    return early[-1] if early[-1].key == small[0].key else small[0]


def _one(work: Work, planned: PlannedReplay, session: _Sessions, place: str) -> ReplayItem:
    shop, cell = work.shop, planned.run.planned
    folder = shop.work_dir / "replay" / namespace_of(cell.key)
    folder.mkdir(parents=True, exist_ok=True)

    def tell(text: str) -> None:
        title = f"{planned.kind} of {cell.key.strategy} on {cell.key.route_id}"
        shop.on_event(FamilyStep(work.engine, Family.REPLAY, f"{place}, {title}: {text}"))

    bench = Bench(shop.station(cell, folder, session.current))
    try:
        return Replaying(planned, bench, shop.services_of(cell.key), tell).run()
    finally:
        try:
            bench.close()
            shop.clean(cell.key)
        finally:
            shutil.rmtree(folder, ignore_errors=True)


class _Sessions:
    """One engine process for a route's replays; a new one after each that was killed."""

    def __init__(self, shop: Workshop, engine: str, route: str) -> None:
        self._shop, self._engine, self._route = shop, engine, route
        self._started: list[EngineSession] = []

    def current(self) -> EngineSession:
        if not self._started or not self._started[-1].alive:
            folder = self._shop.work_dir / "replay" / self._route
            folder.mkdir(parents=True, exist_ok=True)
            self._started.append(self._shop.session(self._engine, folder))
            self._started[-1].describe()
        return self._started[-1]

    def close(self) -> None:
        for session in self._started:
            session.close()


@contextmanager
def _sessions(shop: Workshop, engine: str, route: str) -> Iterator[_Sessions]:
    sessions = _Sessions(shop, engine, route)
    try:
        yield sessions
    finally:
        sessions.close()


def systems(plan: CertificationPlan) -> tuple[str, ...]:
    """Both ends of every cell that is run."""
    ends = ((c.key.source, c.key.sink) for c in plan.cells if c.disposition == "run")
    return tuple(dict.fromkeys(system for pair in ends for system in pair))


REPLAY = Producer(systems=systems, produce=produce)


def planned_run(
    directory: SubjectDir, plan: CertificationPlan, catalog: Catalog, run_id: str, asked: Asked
) -> PlannedReplay:
    """The replay of one run as asked for, on all its rows. Raises :class:`ReplayError`; touches nothing."""
    run = find_run(directory, plan, declared_replays(catalog, plan), run_id, asked.kind)
    return plan_replay(run, asked)


def one_replay(planned: PlannedReplay) -> Callable[[Work], ReplayEvidence]:
    """Does this one replay and puts it beside those that are there."""

    def made(work: Work) -> ReplayEvidence:
        return write_beside_others(work, execute(work, [planned])[0])

    return made
