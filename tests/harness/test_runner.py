"""The runner with engines and services that misbehave: every cell comes back once, and nobody is wronged."""

from __future__ import annotations

import signal
import threading
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from certification_pipeline.catalog.vocabulary import Fidelity, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.matrix import cell_evidence, run_matrix
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.harness.services.provider import Endpoint, Instance
from certification_pipeline.harness.shop import Workshop
from certification_pipeline.harness.worker import HARNESS_LOG, CellResult
from tests.evidence import builders
from tests.harness.conftest import Scenarios, Shop, planned
from tests.services.waiting import wait_gone

pytestmark = pytest.mark.integration

GOOD = "serve(result)"
SECRET = "canary-in-a-traceback-51e0"


def one_load(bench: Bench) -> None:
    bench.seed("narrow")
    bench.load()


def numbered(count: int, engine: str = "fake") -> list[object]:
    return [planned(f"n{number:02}", rows=60 + number, engine=engine) for number in range(count)]


def run(shop: Workshop, cells: list[object], workers: int = 1) -> dict[str, CellResult]:
    """All results by scenario; each cell exactly once."""
    results = list(run_cells(cells, shop, workers))  # type: ignore[arg-type]
    assert sorted(r.planned.key.cell_id for r in results) == sorted(c.key.cell_id for c in cells)  # type: ignore[attr-defined]
    return {result.planned.key.scenario: result for result in results}


def judged(result: CellResult) -> Outcome:
    """The outcome as evidence recomputes it."""
    return cell_evidence(builders.plan((result.planned,)), result, "run").recompute()


@pytest.mark.parametrize("workers", [1, 3, 16])
def test_every_cell_comes_back_once(shop: Shop, scenarios: Scenarios, workers: int) -> None:
    cells = numbered(9)
    scenarios(**{f"n{n:02}": one_load for n in range(9)})
    results = run(shop.open({"fake": GOOD}), cells, workers)
    assert {judged(result) for result in results.values()} == {Outcome.PASSED}
    assert all(result.services and result.loads and result.seconds > 0 for result in results.values())


def test_no_cell_no_result(shop: Shop) -> None:
    assert run(shop.open({}), [], 4) == {}


@pytest.mark.parametrize(
    ("bad", "ended"),
    [
        ("os._exit(7)", "exit"),
        ("os.kill(os.getpid(), 9)", "exit"),
        ("time.sleep(600)", "timeout"),
        ("print('oops', flush=True)", "protocol_error"),
        ("result(ask | {'run_id': 'mine'})", "protocol_error"),
    ],
    ids=["exits", "is killed", "hangs", "answers garbage", "answers another run"],
)
def test_a_broken_engine_fails_its_cell_and_only_that(
    shop: Shop, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch, bad: str, ended: str
) -> None:
    monkeypatch.setattr("certification_pipeline.harness.bench._LOAD_TIMEOUT_SECONDS", 1.0)
    pids: list[int] = []

    def load_and_note(bench: Bench) -> None:
        bench.seed("narrow")
        session = bench.station.session()
        pids.append(session.pid)
        bench.load()

    scenarios(bad=load_and_note, good=load_and_note)
    body = f"serve(lambda ask: {bad} if ask['selector'].endswith('bad') else result(ask))"
    # The costly cell goes first: what comes after it meets a new process.
    results = run(shop.open({"fake": body}), [planned("bad", rows=200), planned("good", rows=60)])
    assert judged(results["bad"]) is Outcome.FAILED
    assert results["bad"].reason is None, "it is the engine that is to blame"
    [check] = results["bad"].judgements
    assert check.kind == "check"
    assert (check.name, check.observed) == ("load_ended", ended)
    assert results["bad"].loads[0].ended == ended
    assert judged(results["good"]) is Outcome.PASSED
    assert len(set(pids)) == 2
    assert all(wait_gone(pid) for pid in pids)


def test_an_engine_that_no_longer_says_who_it_is_fails(shop: Shop, scenarios: Scenarios) -> None:
    scenarios(bad=one_load)
    results = run(shop.open({"fake": "sys.exit(3)"}), [planned("bad")])
    assert judged(results["bad"]) is Outcome.FAILED
    assert "code 3" in str(results["bad"].loads[0].message)


def test_an_engine_that_cannot_be_started_is_not_judged(shop: Shop, scenarios: Scenarios) -> None:
    """There is no process to blame: the machine lacks something."""
    scenarios(bad=one_load)
    workshop = shop.open({"fake": GOOD})
    engines = {"fake": SimpleNamespace(command=("/no/such/program",), env={})}
    object.__setattr__(workshop, "engines", engines)
    results = run(workshop, [planned("bad")])
    assert results["bad"].reason is ReasonCode.HARNESS_ERROR
    assert judged(results["bad"]) is Outcome.CANT_TELL


def test_our_own_defect_is_cant_tell_with_a_log_and_without_secrets(shop: Shop, scenarios: Scenarios) -> None:
    def broken(bench: Bench) -> None:
        one_load(bench)
        raise ZeroDivisionError(f"while connected with {bench.station.source_dsn} and {SECRET}")

    shop.redactor.register(SECRET)
    scenarios(bad=broken, good=one_load)
    results = run(shop.open({"fake": GOOD}), [planned("bad", rows=200), planned("good", rows=60)])
    bad = results["bad"]
    assert bad.reason is ReasonCode.HARNESS_ERROR
    assert judged(bad) is Outcome.CANT_TELL, "a passed check before the accident is no pass"
    assert "ZeroDivisionError" in str(bad.detail)
    assert bad.remedy
    log = (shop.folder / HARNESS_LOG).read_text()
    assert "fake postgres_to_postgres__full_refresh__bad" in log
    assert "test_runner.py" in log, "the traceback leads to the line"
    password = shop.services["postgres"].source().dsn.split(":")[2].split("@")[0]
    for text in (str(bad.detail), log):
        assert SECRET not in text
        assert password not in text
    assert judged(results["good"]) is Outcome.PASSED


def test_a_failure_seen_before_our_accident_stays_a_failure(shop: Shop, scenarios: Scenarios) -> None:
    def broken(bench: Bench) -> None:
        bench.check("load 1", "something", 1, 2)
        raise ZeroDivisionError

    scenarios(bad=broken)
    assert judged(run(shop.open({"fake": GOOD}), [planned("bad")])["bad"]) is Outcome.FAILED


@pytest.mark.parametrize("accident", [SystemExit(1), MemoryError()])
def test_nothing_a_scenario_raises_loses_a_cell(
    shop: Shop, scenarios: Scenarios, accident: BaseException
) -> None:
    def broken(bench: Bench) -> None:
        raise accident

    scenarios(bad=broken, good=one_load)
    results = run(shop.open({"fake": GOOD}), [planned("bad", rows=200), planned("good", rows=60)])
    assert results["bad"].reason is ReasonCode.HARNESS_ERROR
    assert judged(results["good"]) is Outcome.PASSED


def test_an_unknown_scenario_and_a_listener_that_fails_lose_no_cell(shop: Shop, scenarios: Scenarios) -> None:
    scenarios(good=one_load)
    results = run(shop.open({"fake": GOOD}), [planned("unheard-of"), planned("good")])
    assert results["unheard-of"].reason is ReasonCode.HARNESS_ERROR
    workshop = shop.open({"fake": GOOD})
    object.__setattr__(workshop, "on_event", lambda event: 1 / 0)
    assert run(workshop, [planned("good")])["good"].reason is ReasonCode.HARNESS_ERROR


def test_a_log_that_cannot_be_written_loses_no_cell(shop: Shop, scenarios: Scenarios) -> None:
    (shop.folder / HARNESS_LOG).mkdir()
    results = run(shop.open({"fake": GOOD}), [planned("unheard-of")])
    assert results["unheard-of"].reason is ReasonCode.HARNESS_ERROR


def test_a_scenario_that_judges_nothing_is_never_passed(shop: Shop, scenarios: Scenarios) -> None:
    scenarios(silent=lambda bench: bench.seed("narrow"), nothing=lambda bench: None)
    results = run(shop.open({"fake": GOOD}), [planned("silent"), planned("nothing")])
    assert {judged(result) for result in results.values()} == {Outcome.UNTESTED}


# --- services ------------------------------------------------------------------------------------------


@pytest.fixture
def mortal(shop: Shop) -> PostgresCluster:
    """A cluster that a test may kill."""
    cluster = PostgresWheelProvider(redactor=shop.redactor, guardian=shop.guardian).start("mortal")
    yield cluster  # type: ignore[misc]
    cluster.stop()


def test_a_service_that_dies_is_not_the_engines_fault(
    shop: Shop, scenarios: Scenarios, mortal: PostgresCluster
) -> None:
    def killed(bench: Bench) -> None:
        bench.seed("narrow")
        mortal.kill()
        bench.load()
        bench.judge()

    body = """
    def refuse(ask): out(type="error", run_id=ask["run_id"], category="connectivity", message="it is gone")
    serve(refuse)
    """
    scenarios(first=killed, second=one_load, third=one_load)
    cells: list[object] = [planned("first", rows=200), planned("second", rows=70), planned("third", rows=60)]
    results = run(shop.open({"fake": body}, {"postgres": mortal}), cells)
    assert {result.reason for result in results.values()} == {ReasonCode.SERVICE_DIED}
    assert {judged(result) for result in results.values()} == {Outcome.CANT_TELL}
    assert results["first"].judgements, "what was seen is kept, though it decides nothing"
    assert not results["second"].loads, "nobody waits for a dead server"
    assert all("postgres stopped answering" in str(result.detail) for result in results.values())
    assert all(result.remedy for result in results.values())


def test_a_service_that_is_alive_excuses_nobody(shop: Shop, scenarios: Scenarios) -> None:
    body = """
    def refuse(ask): out(type="error", run_id=ask["run_id"], category="connectivity", message="it is gone")
    serve(refuse)
    """
    scenarios(bad=one_load)
    assert judged(run(shop.open({"fake": body}), [planned("bad")])["bad"]) is Outcome.FAILED


def test_a_service_that_never_came_up_leaves_its_cells_untested(shop: Shop, scenarios: Scenarios) -> None:
    scenarios(bad=one_load)
    result = run(shop.open({"fake": GOOD}, {}), [planned("bad")])["bad"]
    assert result.reason is ReasonCode.SERVICE_UNAVAILABLE
    assert judged(result) is Outcome.UNTESTED
    assert "postgres" in str(result.detail)


def test_a_service_that_lacks_what_a_claim_needs_leaves_the_cell_untested(
    shop: Shop, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And one that has it, measured, does not."""
    scenarios(log=one_load)
    opened = shop.open({"fake": GOOD})
    fake = opened.catalog.engines["fake"]
    claim = fake.routes[0].strategies[Strategy.CDC].model_copy(update={"needs": ("wal2json",)})
    route = fake.routes[0].model_copy(update={"strategies": {Strategy.CDC: claim}})
    opened.catalog.engines["fake"] = fake.model_copy(update={"routes": (route,)})
    cells = [planned("log", Strategy.CDC)]
    [result] = run_cells(cells, opened, 1)
    assert (judged(result), result.reason) == (Outcome.UNTESTED, ReasonCode.SERVICE_UNAVAILABLE)
    assert result.detail == "this postgres has no wal2json, which the strategy needs"
    assert "postgresql-15-wal2json" in str(result.remedy)
    assert not result.loads
    monkeypatch.setattr(PostgresCluster, "capabilities", {"wal2json": True})
    [result] = run_cells(cells, opened, 1)
    assert judged(result) is Outcome.PASSED


class Unstable:
    """A service whose very question for life fails."""

    system, provider, version = "postgres", "test", "0"
    fidelity = Fidelity.SIMULATOR
    capabilities: Mapping[str, bool] = {}

    def source(self) -> Endpoint:
        return Endpoint("postgres", "postgresql://nobody@127.0.0.1:1/none")

    sink = source

    def alive(self) -> bool:
        raise OSError("no file descriptors left")

    def log_tail(self) -> str:
        return ""

    def stop(self) -> None: ...


def test_a_service_whose_probe_breaks_loses_no_cell(shop: Shop, scenarios: Scenarios) -> None:
    scenarios(bad=one_load)
    services = {"postgres": cast("Instance", Unstable())}
    result = run(shop.open({"fake": GOOD}, services), [planned("bad")])["bad"]
    assert result.reason is ReasonCode.HARNESS_ERROR


def test_a_load_that_waits_for_open_transactions_does_not_wait_for_another_cells(
    shop: Shop, scenarios: Scenarios
) -> None:
    """A replication slot begins when all transactions of the server have ended: cells share the server."""
    opened, closing_now = threading.Event(), threading.Event()

    def in_flight(bench: Bench) -> None:
        bench.seed("narrow")
        with bench.change_in_flight():
            opened.set()
            bench.load()
            closing_now.set()

    def follows_the_log(bench: Bench) -> None:
        bench.seed("narrow")
        assert opened.wait(30)
        bench.load()
        bench.check("load 1", "the other cell's transaction is at its end", True, closing_now.is_set())

    scenarios(first=in_flight, second=follows_the_log)
    cells: list[object] = [
        planned("first", Strategy.XMIN, rows=200),
        planned("second", Strategy.CDC, rows=60),
    ]
    body = "serve(lambda ask: (time.sleep('first' in ask['selector'] and 0.5), result(ask)))"
    results = run(shop.open({"fake": body}), cells, workers=2)
    assert {judged(result) for result in results.values()} == {Outcome.PASSED}


# --- the end ---------------------------------------------------------------------------------------------


@pytest.fixture
def sessions(monkeypatch: pytest.MonkeyPatch) -> list[EngineSession]:
    """Every session the runner starts."""
    started: list[EngineSession] = []

    class Noted(EngineSession):
        def __init__(self, *words: object, **named: object) -> None:
            super().__init__(*words, **named)  # type: ignore[arg-type]
            started.append(self)

    monkeypatch.setattr("certification_pipeline.harness.shop.EngineSession", Noted)
    return started


def test_engines_end_with_the_run(shop: Shop, scenarios: Scenarios, sessions: list[EngineSession]) -> None:
    scenarios(**{f"n{n:02}": one_load for n in range(4)})
    run(shop.open({"fake": GOOD}), numbered(4), 2)
    assert sessions
    assert not any(session.alive for session in sessions)
    assert not [t for t in threading.enumerate() if t.name.startswith("cell-worker")]


def test_cancel_kills_engines_and_gives_every_cell_back(
    shop: Shop, scenarios: Scenarios, sessions: list[EngineSession]
) -> None:
    """Loads that would take minutes do not: nothing waits for them."""

    def endless(bench: Bench) -> None:
        bench.seed("narrow")
        bench.station.on_step("about to hang")
        bench.load()
        bench.load()

    cells = numbered(6)
    scenarios(**{f"n{n:02}": endless for n in range(6)})
    workshop = shop.open({"fake": "serve(lambda ask: time.sleep(600))"})

    def stop_when_both_hang(event: object) -> None:
        shop.events.append(event)  # type: ignore[arg-type]
        if sum(getattr(e, "text", "").startswith("load") for e in shop.events) == 2:
            threading.Timer(0.05, shop.cancel.set).start()

    object.__setattr__(workshop, "on_event", stop_when_both_hang)
    results = run(workshop, cells, 2)
    assert {result.reason for result in results.values()} == {ReasonCode.INTERRUPTED}
    assert {judged(result) for result in results.values()} == {Outcome.UNTESTED}
    assert all(wait_gone(session.pid) for session in sessions)
    assert not [t for t in threading.enumerate() if t.name.startswith("cell-worker")]


def test_a_cell_finished_before_the_cancel_keeps_its_verdict(shop: Shop, scenarios: Scenarios) -> None:
    scenarios(first=one_load, second=one_load)
    results = run_cells(
        [planned("first", rows=200), planned("second", rows=60)], shop.open({"fake": GOOD}), 1
    )
    first = next(results)
    shop.cancel.set()
    rest = list(results)
    assert judged(first) is Outcome.PASSED
    assert len(rest) == 1


def test_a_consumer_that_stops_early_leaves_nothing_running(
    shop: Shop, scenarios: Scenarios, sessions: list[EngineSession]
) -> None:
    scenarios(**{f"n{n:02}": one_load for n in range(6)})
    body = "serve(lambda ask: time.sleep(600) if ask['selector'].endswith('n00') else result(ask))"
    with closing(run_cells(numbered(6), shop.open({"fake": body}), 2)) as results:  # type: ignore[arg-type]
        next(results)
    assert all(wait_gone(session.pid) for session in sessions)
    assert not [t for t in threading.enumerate() if t.name.startswith("cell-worker")]


def _sealed(store: EvidenceStore, names: list[str]) -> CertificationPlan:
    cells = tuple(planned(name, rows=60 + n) for n, name in enumerate(names))
    subject = Subject(engine="fake", version="1", artifact_digest="sha256:" + "0" * 64)
    plan = builders.plan(cells).model_copy(update={"subject": subject})
    plan = plan.model_copy(update={"plan_digest": plan.recompute_digest()})
    return store.release(plan.release_id, "fake").seal_plan(plan)


def test_evidence_that_cannot_be_written_ends_the_engines(
    shop: Shop,
    scenarios: Scenarios,
    sessions: list[EngineSession],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scenarios(**{f"n{n:02}": one_load for n in range(5)})
    store = EvidenceStore(tmp_path / "evidence")
    plan = _sealed(store, [f"n{n:02}" for n in range(5)])
    (store.release(plan.release_id, "fake").path / "cells").write_text("a file where a directory must be")
    with pytest.raises(EvidenceError, match="cells"):
        run_matrix([plan], store, shop.open({"fake": GOOD}), run_id="r", workers=2)
    assert sessions
    assert all(wait_gone(session.pid) for session in sessions)


def test_an_interrupted_cell_leaves_what_was_there(shop: Shop, scenarios: Scenarios, tmp_path: Path) -> None:
    scenarios(only=one_load)
    store = EvidenceStore(tmp_path / "evidence")
    plan = _sealed(store, ["only"])
    run_matrix([plan], store, shop.open({"fake": GOOD}), run_id="first", workers=1)
    directory = store.release(plan.release_id, "fake")
    before = directory.cell_path(plan.cells[0].key.cell_id).read_bytes()
    shop.cancel.set()
    run_matrix([plan], store, shop.open({"fake": GOOD}), run_id="second", workers=1)
    assert directory.cell_path(plan.cells[0].key.cell_id).read_bytes() == before
    [(_, cell)] = directory.cells(plan)
    assert isinstance(cell, CellEvidence)
    assert (cell.outcome, cell.run_id) == (Outcome.PASSED, "first")


def test_the_watchdog_ends_engines_when_nobody_else_can(
    shop: Shop, scenarios: Scenarios, sessions: list[EngineSession]
) -> None:
    scenarios(only=one_load)
    with Guardian() as guardian:
        object.__setattr__(shop, "guardian", guardian)
        results = run_cells([planned("only")], shop.open({"fake": GOOD}), 1)
        next(results)
        assert sessions[0].alive
    assert wait_gone(sessions[0].pid)
    results.close()


def test_signals_are_not_ours_to_take(shop: Shop, scenarios: Scenarios) -> None:
    before = signal.getsignal(signal.SIGINT)
    scenarios(only=one_load)
    run(shop.open({"fake": GOOD}), [planned("only", Strategy.CDC)])
    assert signal.getsignal(signal.SIGINT) is before
