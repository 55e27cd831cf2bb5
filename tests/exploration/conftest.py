"""Benches on which the ledger engine is explored, whole and with each of its ways to break."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import (
    Disturbable,
    Guarantee,
    Outcome,
    ReasonCode,
    Side,
    Strategy,
)
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster
from certification_pipeline.harness.station import Station
from certification_pipeline.redaction import Redactor
from tests.evidence import builders
from tests.harness.conftest import catalog, cluster, engine, guardian, oracle, planned, redactor

__all__ = ["catalog", "cluster", "guardian", "oracle", "redactor"]

_NUMBERS = itertools.count(1)
WIRES = {Side.SOURCE: (Disturbable.COMMITS,), Side.SINK: (Disturbable.COMMITS,)}


@dataclass
class Explored:
    """What a scenario left on the bench, and what evidence makes of it."""

    bench: Bench
    reason: ReasonCode | None
    steps: list[str]

    @property
    def cell(self) -> CellEvidence:
        where = builders.planned(builders.key(self.bench.strategy, self.bench.key.scenario, "postgres"))
        return builders.cell(
            builders.plan((where,)),
            where,
            judgements=tuple(self.bench.judgements),
            faults=tuple(self.bench.faults),
            loads=tuple(self.bench.loads),
            crash_line=self.bench.crash_line,
            delivery=self.bench.delivery,
            reason=self.reason,
        )

    @property
    def outcome(self) -> Outcome:
        return self.cell.recompute()


@dataclass
class Lab:
    """Explores the ledger engine."""

    catalog: Catalog
    cluster: PostgresCluster
    oracle: Oracle
    redactor: Redactor
    guardian: Guardian
    folder: Path
    script: str
    sink: str = "postgres"
    sessions: list[EngineSession] = field(default_factory=list)

    def session(self) -> EngineSession:
        """One that is alive: a new one after each kill, as the runner does it."""
        if not self.sessions or not self.sessions[-1].alive:
            self.sessions.append(
                EngineSession(
                    [sys.executable, str(Path(__file__).with_name(self.script))],
                    env={"PATH": "/usr/bin:/bin"},
                    cwd=self.folder,
                    log_path=self.folder / "engine.log",
                    redactor=self.redactor,
                    guardian=self.guardian,
                )
            )
        return self.sessions[-1]

    def explore(
        self,
        scenario: str,
        strategy: Strategy,
        fault: str = "",
        *,
        guarantee: Guarantee = Guarantee.EXACTLY_ONCE,
        play: Callable[[Bench], None] | None = None,
    ) -> Explored:
        """Play the scenario (or ``play`` under its name) to its end."""
        steps: list[str] = []
        claims = engine(guarantee).routes[0].model_copy(update={"sink": self.sink})
        cell = planned(scenario, strategy, rows=120)
        cell = cell.model_copy(update={"key": cell.key.model_copy(update={"sink": self.sink})})
        files = self.folder / "sink"
        files.mkdir(exist_ok=True)
        wired = self.sink == "postgres"
        name = f"c_{next(_NUMBERS):012x}"
        (self.folder / "fault").write_text(fault)
        bench = Bench(
            Station(
                planned=cell,
                engine=engine(guarantee),
                claims=claims,
                claim=claims.strategies[strategy],
                types=dict(self.catalog.types[self.sink]),
                source_dsn=self.cluster.source().dsn,
                sink_dsn=self.cluster.sink().dsn if wired else str(files),
                namespace=name,
                work_dir=self.folder / name,
                oracle=self.oracle,
                session=self.session,
                mask=self.redactor.register,
                on_step=steps.append,
                services={side: self.cluster for side in Side if wired or side is Side.SOURCE},
                disturbable=WIRES if wired else {Side.SINK: (Disturbable.FILES,)},
            )
        )
        reason = None
        try:
            (play or SCENARIOS[scenario])(bench)
        except Halt as halt:
            reason = halt.reason
        finally:
            bench.close()
        return Explored(bench, reason, steps)


@pytest.fixture(scope="session")
def lab(  # noqa: PLR0917 - fixtures are given by name
    catalog: Catalog,
    cluster: PostgresCluster,
    oracle: Oracle,
    redactor: Redactor,
    guardian: Guardian,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Lab]:
    made = Lab(
        catalog, cluster, oracle, redactor, guardian, tmp_path_factory.mktemp("lab"), "ledger_engine.py"
    )
    yield made
    for session in made.sessions:
        session.close()


@pytest.fixture
def files_lab(lab: Lab, tmp_path: Path) -> Iterator[Lab]:
    """The same for the engine of files."""
    made = replace(lab, folder=tmp_path, script="files_engine.py", sink="parquet", sessions=[])
    yield made
    for session in made.sessions:
        session.close()
