"""All engines of a release in turns: one load each of the same rows, alone, with raw COPY beside it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.vocabulary import Anomaly, Family, Strategy, Support
from certification_pipeline.evidence.benchmark_samples import MeasuredLoad, Role
from certification_pipeline.evidence.comparison import ComparedSubject, Turn
from certification_pipeline.families.benchmark.asked import Asked
from certification_pipeline.families.benchmark.pairs import Interrupted, raw_sample
from certification_pipeline.families.benchmark.processes import Process
from certification_pipeline.families.benchmark.raw import raw_path
from certification_pipeline.families.benchmark.track import Track, open_track
from certification_pipeline.families.work import Work
from certification_pipeline.harness.cpu import TreeMemory
from certification_pipeline.harness.engines.session import LoadOutcome
from certification_pipeline.harness.events import FamilyStep
from certification_pipeline.harness.oracle.oracle import SinkView
from certification_pipeline.harness.shop import sink_dsn

SOURCE = "postgres"
"""Raw COPY is PostgreSQL's: engines that read from elsewhere have no yardstick here."""


def sink_of(engine: Engine, systems: Sequence[str]) -> str | None:
    """Where it is measured: PostgreSQL, else the first of ``systems`` that it claims for full_refresh."""
    claimed = [
        route.sink
        for route in engine.routes
        if route.source == SOURCE
        and route.sink in systems
        and (claim := route.strategies.get(Strategy.FULL_REFRESH))
        and claim.support in (Support.FULL, Support.PARTIAL)
    ]
    return SOURCE if SOURCE in claimed else claimed[0] if claimed else None


@dataclass
class _Watched(Process):
    """A process whose whole tree is watched while it loads: engines fork, and start programs."""

    peaks: list[int | None] = field(default_factory=list)

    def _load(self, number: int) -> LoadOutcome | None:
        assert self._session is not None
        with TreeMemory(self._session.pid) as memory:
            outcome = super()._load(number)
        if number:  # the first one warms up
            self.peaks.append(memory.peak)
        return outcome

    @property
    def moved_all(self) -> bool:
        """Whether every row arrived once, though values of some may be wrong."""
        found = self._found
        if found is None or found.remark or found.expected.rows != found.actual.rows:
            return False
        return {anomaly for anomaly, count in found.anomalies.items() if count} <= {Anomaly.CORRUPT}

    def _sink(self, number: int | None = None) -> SinkView:
        """A namespace of its own for each load, and the source's name: some engines can give no other."""
        track = self.track
        view = track.bench.sink_view()
        load = track.asked.loads if number is None else number
        namespace = f"{track.bench.station.namespace}_{self.pair}_{load}"
        dsn = sink_dsn(track.work.shop.services[track.asked.sink], namespace)
        return replace(view, dsn=dsn, namespace=namespace if view.namespace else "")


@dataclass
class _Lane:
    """One engine's table, and what was seen of it so far."""

    work: Work
    sink: str
    track: Track
    turns: list[Turn] = field(default_factory=list)
    problem: str | None = None
    remark: str | None = None

    def run(self, turn: int) -> None:
        """One turn, unless an earlier one went wrong."""
        if self.problem is not None:
            return
        process = _Watched(self.track, turn, Role.CONTENDER, self.work.shop.engines[self.work.engine])
        try:
            process.warm_up()
            process.measure()
            raw = raw_sample(self.track, turn, 1)
            process.look()
        finally:
            process.close()
            self.track.clean()
        if process.moved_all:
            self.remark = process.problem
        else:
            self.problem = process.problem
        if self.problem is None:
            (load,), (plain,) = process.loads, raw.loads
            self.turns.append(
                Turn(
                    wall_seconds=load.wall_seconds,
                    cpu_seconds=_cpu(load),
                    peak_memory_bytes=process.peaks[-1],
                    raw_wall_seconds=plain.wall_seconds,
                    raw_cpu_seconds=_cpu(plain),
                )
            )


def compare_speed(works: Sequence[Work], *, rows: int, turns: int) -> list[ComparedSubject]:
    """Measure the engines in turns, each beginning one place later. Raises ``Interrupted`` when cancelled."""
    lanes: dict[str, _Lane] = {}
    found: dict[str, ComparedSubject] = {}
    with ExitStack() as stack:
        for work in works:
            shop = work.shop
            sink = sink_of(shop.catalog.engine(work.engine), tuple(shop.services))
            if sink is None or SOURCE not in shop.services:
                said = f"claims no full_refresh from {SOURCE} into what is up here"
                found[work.engine] = ComparedSubject(subject=work.plan.subject, route_id=None, problem=said)
                continue
            asked = Asked(source=SOURCE, sink=sink, rows=rows, loads=1)
            lanes[work.engine] = _Lane(work, sink, stack.enter_context(open_track(work, asked)))
        order = list(lanes.values())
        for turn in range(turns):
            for lane in order[turn % len(order) :] + order[: turn % len(order)] if order else ():
                if lane.work.shop.cancel.is_set():
                    raise Interrupted(f"interrupted in turn {turn + 1}: nothing was written")
                step = f"compared, turn {turn + 1} of {turns}"
                lane.work.shop.on_event(FamilyStep(lane.work.engine, Family.BENCHMARK, step))
                lane.run(turn)
    for name, lane in lanes.items():
        found[name] = ComparedSubject(
            subject=lane.work.plan.subject,
            route_id=f"{SOURCE}_to_{lane.sink}",
            raw_path=raw_path(lane.sink),
            turns=tuple(lane.turns),
            problem=lane.problem,
            remark=lane.remark,
        )
    return [found[work.engine] for work in works]


def _cpu(load: MeasuredLoad) -> float | None:
    """Client and server; ``None`` when one of both cannot be seen."""
    if load.client_cpu_seconds is None or load.server_cpu_seconds is None:
        return None
    return load.client_cpu_seconds + load.server_cpu_seconds
