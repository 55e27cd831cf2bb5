"""A real PostgreSQL, one copy engine for all scenarios, and workshops with engines of a few lines."""

from __future__ import annotations

import itertools
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.engines import DriverSpec, Engine
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import (
    DriftBehaviour,
    DriftKind,
    Guarantee,
    Outcome,
    Side,
    Strategy,
    Support,
)
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.events import RunEvent
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.harness.services.provider import Instance
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.station import Station
from certification_pipeline.redaction import Redactor

_NUMBERS = itertools.count(1)

D = DriftBehaviour
MIRRORS = dict.fromkeys(DriftKind, D.APPLIED)
KEEPS = {**MIRRORS, DriftKind.DROP: D.KEPT, DriftKind.RENAME: D.KEPT, DriftKind.NARROW: D.IGNORED}
STOPS = {**KEEPS, DriftKind.NARROW: D.STOPS}

PRELUDE = """
import json, os, sys, time
def out(**event): print(json.dumps(event), flush=True)
def described(): out(type="described", protocol="1", engine="e", version="1")
def result(ask):
    record = dict(run_id=ask["run_id"], engine="e", engine_version="1")
    out(type="result", run_id=ask["run_id"], record=record)
def serve(load):
    for line in sys.stdin:
        ask = json.loads(line)
        if ask["type"] == "describe": described()
        elif ask["type"] == "load": load(ask)
        else: sys.exit(0)
"""


def engine(guarantee: Guarantee | None = None) -> Engine:
    """What the fakes claim: every strategy, PostgreSQL to PostgreSQL."""
    claims = {
        strategy: Claim(support=Support.FULL, guarantee=guarantee, drift=drift)
        for strategy, drift in (
            *((strategy, KEEPS) for strategy in Strategy),
            (Strategy.FULL_REFRESH, MIRRORS),
            (Strategy.INCREMENTAL_APPEND, STOPS),
        )
    }
    return Engine(
        id="fake",
        title="Fake",
        description="for tests",
        driver=DriverSpec(command=("true",)),
        routes=(RouteClaims(source="postgres", sink="postgres", strategies=claims),),
        reports=("run_id", "extracted_rows", "loaded_rows", "final_rows", "inserted_rows"),
    )


def planned(
    scenario: str, strategy: Strategy = Strategy.FULL_REFRESH, *, rows: int = 120, engine: str = "fake"
) -> PlannedCell:
    key = CellKey(engine=engine, source="postgres", sink="postgres", strategy=strategy, scenario=scenario)
    return PlannedCell(key=key, scenario_version=1, rows=rows, seed=1, required=True, disposition="run")


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture(scope="session")
def redactor() -> Redactor:
    return Redactor()


@pytest.fixture(scope="session")
def guardian() -> Iterator[Guardian]:
    with Guardian() as watching:
        yield watching


@pytest.fixture(scope="session")
def cluster(redactor: Redactor, guardian: Guardian) -> Iterator[PostgresCluster]:
    instance = PostgresWheelProvider(redactor=redactor, guardian=guardian).start("harness-tests")
    yield instance
    instance.stop()


@pytest.fixture(scope="session")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with Oracle(tmp_path_factory.mktemp("oracle")) as judge:
        yield judge


# --- one cell, without a runner ------------------------------------------------------------------------


@dataclass
class Stage:
    """Plays scenarios with the copy engine, healthy or not."""

    catalog: Catalog
    cluster: PostgresCluster
    oracle: Oracle
    redactor: Redactor
    start: Callable[..., EngineSession]
    folder: Path
    limits: dict[str, float] = field(default_factory=dict)
    """In place of the scenario's own."""
    sessions: list[EngineSession] = field(default_factory=list)

    def session(self) -> EngineSession:
        """The warm process; another one when it is dead."""
        if not self.sessions or not self.sessions[-1].alive:
            self.sessions.append(self.start())
        return self.sessions[-1]

    def bench(
        self, scenario: str, strategy: Strategy, *, rows: int = 120, guarantee: Guarantee | None = None
    ) -> Bench:
        fake = engine(guarantee)
        claims = fake.routes[0]
        name = f"s{next(_NUMBERS)}"
        return Bench(
            Station(
                planned=planned(scenario, strategy, rows=rows),
                engine=fake,
                claims=claims,
                claim=claims.strategies[strategy],
                types=dict(self.catalog.types["postgres"]),
                source_dsn=self.cluster.source().dsn,
                sink_dsn=self.cluster.sink().dsn,
                namespace=name,
                work_dir=self.folder / name,
                oracle=self.oracle,
                session=self.session,
                another=self.start,
                dressed=self.start,
                services=dict.fromkeys(Side, self.cluster),
                own=frozenset(Side),
                disturbable=dict.fromkeys(Side, self.catalog.systems["postgres"].disturbable),
                limits=self.limits
                or (known.limits if (known := self.catalog.scenarios.get(scenario)) else {}),
                mask=self.redactor.register,
                on_step=lambda _: None,
            )
        )

    def fault(self, name: str) -> None:
        (self.folder / "fault").write_text(name)

    def play(
        self,
        scenario: str,
        strategy: Strategy,
        fault: str = "",
        *,
        rows: int = 120,
        guarantee: Guarantee | None = None,
    ) -> Bench:
        self.fault(fault)
        bench = self.bench(scenario, strategy, rows=rows, guarantee=guarantee)
        try:
            SCENARIOS[scenario](bench)
        except Halt:
            pass
        finally:
            bench.close()
            self.fault("")
        return bench


@pytest.fixture(scope="session")
def stage(  # noqa: PLR0917 - fixtures are given by name
    catalog: Catalog,
    cluster: PostgresCluster,
    oracle: Oracle,
    redactor: Redactor,
    guardian: Guardian,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")

    def start(dress: Mapping[str, str] = MappingProxyType({})) -> EngineSession:
        return EngineSession(
            [sys.executable, str(Path(__file__).with_name("copy_engine.py"))],
            env={"PATH": "/usr/bin:/bin", **dress},
            cwd=folder,
            log_path=folder / "engine.log",
            redactor=redactor,
            guardian=guardian,
        )

    stage = Stage(catalog, cluster, oracle, redactor, start, folder)
    yield stage
    for session in stage.sessions:
        session.close()


def outcome(bench: Bench) -> Outcome:
    """As evidence recomputes it."""
    return Outcome.worst(judgement.outcome for judgement in bench.judgements)


def red(bench: Bench) -> list[str]:
    """What the failed judgements say, for messages."""
    return [
        f"{j.step}: "
        + (
            f"{dict(j.anomalies)} {j.remark or ''}"
            if j.kind == "rows"
            else f"{j.name}: {j.observed}, not {j.expected}"
        )
        for j in bench.judgements
        if j.outcome is not Outcome.PASSED
    ]


# --- a workshop for the runner -------------------------------------------------------------------------


@dataclass
class Shop:
    """A workshop whose engines are a few lines of Python."""

    catalog: Catalog
    services: dict[str, Instance]
    oracle: Oracle
    redactor: Redactor
    guardian: Guardian
    folder: Path
    events: list[RunEvent] = field(default_factory=list)
    cancel: threading.Event = field(default_factory=threading.Event)

    def open(self, engines: Mapping[str, str], services: Mapping[str, Instance] | None = None) -> Workshop:
        fakes = {name: engine().model_copy(update={"id": name}) for name in engines}
        return Workshop(
            catalog=self.catalog.model_copy(update={"engines": {**self.catalog.engines, **fakes}}),
            services=self.services if services is None else services,
            engines={
                name: PreparedEngine(
                    (sys.executable, "-I", "-S", "-c", PRELUDE + textwrap.dedent(body)),
                    {"PATH": "/usr/bin:/bin"},
                    "",
                )
                for name, body in engines.items()
            },
            work_dir=self.folder,
            oracle=self.oracle,
            redactor=self.redactor,
            guardian=self.guardian,
            on_event=self.events.append,
            cancel=self.cancel,
        )


@pytest.fixture
def shop(  # noqa: PLR0917
    catalog: Catalog,
    cluster: PostgresCluster,
    oracle: Oracle,
    redactor: Redactor,
    guardian: Guardian,
    tmp_path: Path,
) -> Shop:
    return Shop(catalog, {"postgres": cluster}, oracle, redactor, guardian, tmp_path)


Scenarios = Callable[..., None]


@pytest.fixture
def scenarios(monkeypatch: pytest.MonkeyPatch) -> Scenarios:
    """Replace the scenarios by functions of the test."""

    def put(**functions: Callable[[Bench], None]) -> None:
        monkeypatch.setattr("certification_pipeline.harness.worker.SCENARIOS", functions)

    return put
