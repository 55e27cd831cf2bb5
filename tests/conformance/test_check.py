"""Law 1 for `certify engine check`: the sound driver is green, and each check is turned red by a fault."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import Claim, RouteClaims
from certification_pipeline.catalog.engines import DriverSpec, Engine
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome, Strategy, Support
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.conformance import check as check_module
from certification_pipeline.harness.conformance.check import check_engine, choose, elsewhere
from certification_pipeline.harness.conformance.checks import CHECKS, Report
from certification_pipeline.harness.engines.environment import KIT, PreparedEngine
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from tests.engines.conftest import request
from tests.harness.conftest import cluster, guardian, redactor

__all__ = ["cluster", "guardian", "redactor"]

pytestmark = pytest.mark.integration

DRIVER = Path(__file__).with_name("faulty.py")


@pytest.fixture
def catalog() -> Catalog:
    claims = {Strategy.FULL_REFRESH: Claim(support=Support.FULL)}
    faulty = Engine(
        id="faulty",
        title="Faulty",
        description="for tests",
        driver=DriverSpec(command=("true",)),
        routes=(RouteClaims(source="postgres", sink="postgres", strategies=claims),),
    )
    whole = load_catalog()
    return whole.model_copy(update={"engines": {**whole.engines, "faulty": faulty}})


@pytest.fixture
def fast(cluster: PostgresCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """One PostgreSQL for all, and less patience."""

    def start(self: PostgresWheelProvider, run_id: str) -> Any:
        known = self._redactor if hasattr(self, "_redactor") else self.redactor  # type: ignore[attr-defined]
        for end in (cluster.source(), cluster.sink()):
            known.register_dsn(end.dsn)
        kept = {name: getattr(cluster, name) for name in dir(cluster) if not name.startswith("_")}
        return SimpleNamespace(**{**kept, "stop": lambda: None})

    monkeypatch.setattr(PostgresWheelProvider, "start", start)
    monkeypatch.setattr(check_module, "DESCRIBE_SECONDS", 1.5)
    monkeypatch.setattr(check_module, "STOP_SECONDS", 0.5)
    monkeypatch.setattr(check_module, "GONE_SECONDS", 0.1)


def play(catalog: Catalog, fault: str) -> Report:
    env = {"PATH": "/usr/bin:/bin", "FAULT": fault, "PYTHONPATH": str(KIT)}
    prepared = PreparedEngine((sys.executable, str(DRIVER)), env, "sha256:" + "0" * 64)
    return check_engine(catalog, "faulty", lambda _: None, prepared)


def red(report: Report) -> set[str]:
    return {one.check.id for one in report if one.outcome is Outcome.FAILED}


def test_a_sound_driver_is_green(catalog: Catalog, fast: None) -> None:
    report = play(catalog, "")
    assert {one.check.id: one.seen for one in report if one.outcome is not Outcome.PASSED} == {}
    assert report.outcome is Outcome.PASSED


FAULTS = {
    "hangs_at_describe": "describe.answers",
    "another_name": "describe.name",
    "no_digest": "describe.digest",
    "fails": "load.result",
    "another_run": "load.run_id",
    "loses_a_row": "load.rows",
    "miscounts": "load.counts",
    "one_load_only": "load.again",
    "any_strategy": "refuses.strategy",
    "replays": "refuses.option",
    "nothing_missing": "fails.not_found",
    "blames_the_data": "fails.connectivity",
    "confuses_logins": "fails.authentication",
    "refuses_the_future": "survives.unknown_field",
    "gives_up_on_garbage": "survives.garbage",
    "tires": "load.after_failures",
    "never_stops": "stop.ends",
    "orphans": "kill.leaves_nothing",
    "needs_its_state": "state.lost",
    "prints": "stdout.protocol",
    "tells_the_dsn": "secrets.kept",
}
QUICK = ("tells_the_dsn",)


@pytest.mark.parametrize(
    ("fault", "turned"),
    [
        pytest.param(fault, turned, marks=() if fault in QUICK else pytest.mark.nightly)
        for fault, turned in FAULTS.items()
    ],
)
def test_each_fault_turns_its_check_red(catalog: Catalog, fast: None, fault: str, turned: str) -> None:
    report = play(catalog, fault)
    assert turned in red(report), [(one.check.id, one.seen) for one in report]
    assert report.outcome is Outcome.FAILED
    assert all(one.seen for one in report)


def test_there_is_a_fault_for_every_check() -> None:
    assert {check.id for check in CHECKS} == set(FAULTS.values())


def test_what_was_not_reached_is_not_green(catalog: Catalog) -> None:
    report = Report("x", not_reached="because")
    assert report.outcome is Outcome.UNTESTED
    report.add("load.result", False, "no")
    report.add("load.result", True, "yes")
    assert [one.seen for one in report if one.outcome is Outcome.FAILED] == ["no"]


def test_an_engine_without_a_route_here_is_inconclusive(catalog: Catalog, fast: None) -> None:
    faulty = catalog.engines["faulty"]
    nowhere = RouteClaims(source="bigquery", sink="mssql", strategies=faulty.routes[0].strategies)
    moved = faulty.model_copy(update={"routes": (nowhere,)})
    catalog = catalog.model_copy(update={"engines": {"faulty": moved}})
    assert choose(catalog, "faulty") is None
    report = play(catalog, "")
    assert report.outcome is Outcome.UNTESTED
    assert any("claims no route" in one.seen for one in report)


def test_inside_one_database_both_ends_are_elsewhere() -> None:
    bench: Any = SimpleNamespace(with_source=lambda *asked, **more: Bench.with_source(bench, *asked, **more))
    two = request()
    one = two.model_copy(update={"sink": two.source.model_copy(update={"namespace": "beside"})})
    there = elsewhere(bench, one, "postgresql://nowhere")
    assert (there.source.dsn, there.sink.dsn) == ("postgresql://nowhere",) * 2
    assert there.sink.namespace == "beside"
    assert there.run_id != one.run_id
    assert elsewhere(bench, two, "postgresql://nowhere").sink == two.sink
