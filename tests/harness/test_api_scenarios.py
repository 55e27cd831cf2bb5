"""Every ``api.*`` scenario: green for the reference engine, red for wrong clients, silent without a fault."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import CellKey
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench, Halt
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.faults.http import PATIENCE, HttpFault, TokenExpired
from certification_pipeline.harness.oracle.oracle import Oracle
from certification_pipeline.harness.scenarios import api
from certification_pipeline.harness.scenarios.registry import SCENARIOS
from certification_pipeline.harness.services.api import ApiProvider
from certification_pipeline.harness.services.embedded import EmbeddedProvider
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.workshop import DEFECT_VARIABLE
from certification_pipeline.redaction import Redactor

pytestmark = pytest.mark.integration

WRONG: dict[str, tuple[str, str | Anomaly]] = {
    "api.429": ("ignore_retry_after", "waited_seconds"),
    "api.5xx": ("retry_without_end", "tries"),
    "api.reset": ("keep_half_page", Anomaly.LOST),
    "api.slow": ("keep_half_page", Anomaly.LOST),
    "api.malformed": ("skip_poison_page", Anomaly.LOST),
    "api.token_expiry": ("refresh_every_request", "token_refreshes"),
    "api.pages.shift": ("page_by_number", Anomaly.DUPLICATE),
    "api.pages.short": ("stop_at_short_page", Anomaly.LOST),
    "api.pages.empty": ("stop_at_empty_page", Anomaly.LOST),
    "api.pages.loop": ("follow_loop", "tries"),
}
"""Scenario -> planted defect of the reference engine, and what must be said about it."""

BY_DAY = {"api.pages.loop"}
"""`certify calibrate` plays every one of them; by day one does."""


def every(day: set[str]) -> list[Any]:
    return [pytest.param(name, marks=[] if name in day else [pytest.mark.nightly], id=name) for name in WRONG]


Play = Callable[..., tuple[Bench, ReasonCode | None]]


@pytest.fixture(scope="module")
def shop(
    catalog: Catalog,
    oracle: Oracle,
    redactor: Redactor,
    guardian: Guardian,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Workshop]:
    folder = tmp_path_factory.mktemp("api-scenarios")
    served = ApiProvider(redactor=redactor).start("tests")
    sink = EmbeddedProvider("duckdb", work_dir=folder / "sinks", guardian=guardian).start("tests")
    yield Workshop(
        catalog=catalog,
        services={"api": served, "duckdb": sink},
        engines={
            "reference": PreparedEngine(
                (sys.executable, "-m", "certification_pipeline.reference"), dict(os.environ), ""
            )
        },
        work_dir=folder,
        oracle=oracle,
        redactor=redactor,
        guardian=guardian,
        on_event=lambda _: None,
        cancel=threading.Event(),
    )
    sink.stop()
    served.stop()


@pytest.fixture
def play(shop: Workshop, tmp_path: Path) -> Iterator[Play]:
    sessions: list[EngineSession] = []

    def played(scenario: str, defect: str = "") -> tuple[Bench, ReasonCode | None]:
        engine = shop.engines["reference"]
        planted = replace(engine, env={**engine.env, DEFECT_VARIABLE: defect})
        sessions.append(replace(shop, engines={"reference": planted}).session("reference", tmp_path))
        sessions[-1].describe()
        key = CellKey(
            engine="reference",
            source="api",
            sink="duckdb",
            strategy=Strategy.FULL_REFRESH,
            scenario=scenario,
        )
        cell = PlannedCell(key=key, scenario_version=1, rows=90, seed=1, required=True, disposition="run")
        bench = Bench(shop.station(cell, tmp_path / "cell", lambda: sessions[-1]))
        reason = None
        try:
            SCENARIOS[scenario](bench)
        except Halt as halt:
            reason = halt.reason
        finally:
            bench.close()
            shop.clean(key)
        return bench, reason

    yield played
    for session in sessions:
        session.close()


def test_figures_of_the_criterion_are_the_catalogues(catalog: Catalog) -> None:
    limits = {name: catalog.scenarios[name].limits for name in WRONG}
    assert {one["tries"] for one in limits.values()} == {api.UNDOCUMENTED_TRIES}
    assert limits["api.slow"]["slow_page_seconds"] == api.SLOW_SECONDS
    assert {catalog.scenarios[name].sources for name in WRONG} == {("api",)}
    documented = [c.tries for e in catalog.engines.values() for c in e.routes if c.tries]
    assert documented
    assert max(documented) < api.UNDOCUMENTED_TRIES < PATIENCE


def outcomes(bench: Bench) -> set[Outcome]:
    return {judgement.outcome for judgement in bench.judgements}


@pytest.mark.parametrize("scenario", every(BY_DAY))
def test_a_wrong_client_is_caught(play: Play, scenario: str) -> None:
    defect, says = WRONG[scenario]
    bench, reason = play(scenario, defect)
    assert reason is None, bench.loads
    told = {j.name for j in bench.judgements if j.kind == "check" and j.outcome is Outcome.FAILED}
    told |= {anomaly for j in bench.judgements if j.kind == "rows" for anomaly in j.anomalies}
    assert says in told
    assert all(fault.witness for fault in bench.faults)


@pytest.mark.parametrize("scenario", every({"api.token_expiry"}))
def test_the_reference_engine_is_right_and_every_fault_fired(
    play: Play, scenario: str, catalog: Catalog
) -> None:
    bench, reason = play(scenario)
    assert (outcomes(bench), reason) == ({Outcome.PASSED}, None)
    assert bench.faults
    assert all(fault.witness for fault in bench.faults)
    assert {fault.fault for fault in bench.faults} == set(catalog.scenarios[scenario].faults)


@pytest.mark.parametrize("scenario", every({"api.reset"}))
def test_a_fault_that_did_not_fire_proves_nothing(
    play: Play, scenario: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (HttpFault, TokenExpired):
        monkeypatch.setattr(kind, "arm", lambda self, arena: None)
    bench, reason = play(scenario)
    assert reason is ReasonCode.NO_WITNESS
    assert [fault.witness for fault in bench.faults] == [None]
    assert [judgement.step for judgement in bench.judgements] == [
        "load 1",
        "after load 1",
    ]
