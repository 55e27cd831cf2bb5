"""A service that is killed and comes back: the cell's own, so that no other cell is hurt."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Disturbable, Outcome, ReasonCode, Side, Strategy
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.harness.bench import Bench
from certification_pipeline.harness.faults.fault import NothingToDisturb
from certification_pipeline.harness.faults.process import AtPhase
from certification_pipeline.harness.faults.services import Restart
from certification_pipeline.harness.runner import run_cells
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_wheel import PostgresCluster, PostgresWheelProvider
from certification_pipeline.harness.services.provider import ServiceError
from certification_pipeline.harness.shop import Workshop, solo
from certification_pipeline.harness.worker import CellResult
from certification_pipeline.redaction import Redactor
from tests.engines.conftest import Start, log_path, start
from tests.evidence import builders
from tests.faults.arenas import SLOW, Ring
from tests.harness.conftest import Scenarios, Shop, catalog, oracle, planned, scenarios, shop
from tests.services.waiting import wait_absent, wait_gone

__all__ = ["catalog", "log_path", "oracle", "scenarios", "shop", "start"]

pytestmark = pytest.mark.integration

BOTH = frozenset({Side.SOURCE, Side.SINK})
GOOD = "serve(result)"


@pytest.fixture(scope="module")
def own(redactor: Redactor, guardian: Guardian) -> Iterator[PostgresCluster]:
    instance = PostgresWheelProvider(redactor=redactor, guardian=guardian).start("restarted")
    yield instance
    instance.stop()


def test_it_is_killed_and_comes_back_with_its_data(own: PostgresCluster) -> None:
    with psycopg.connect(own.source().dsn, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS kept (i int); INSERT INTO kept VALUES (1)")
    ring = Ring(services={Side.SOURCE: own, Side.SINK: own}, own=BOTH)
    seen: list[object] = []
    before = own.pid
    with ring.disrupt(Restart(Side.SINK), seen):  # type: ignore[arg-type]
        pass
    [facts] = seen
    assert isinstance(facts, dict)
    assert (facts["pid_before"], facts["pid_after"]) == (before, own.pid)
    assert facts["started_before"] != facts["started_after"]
    assert own.alive()
    with psycopg.connect(own.source().dsn) as connection:
        assert connection.execute("SELECT i FROM kept").fetchall() == [(1,)]


def test_at_a_moment_of_the_load(own: PostgresCluster, start: Start) -> None:
    session = start(SLOW)
    session.describe()
    ring = Ring(session, services={Side.SOURCE: own}, own=BOTH)
    before = own.pid
    facts = ring.play(Restart(Side.SOURCE, AtPhase("load")), selector="0.01")
    assert facts is not None
    assert (facts["phase"], facts["pid_before"]) == ("load", before)
    assert ring.play(Restart(Side.SOURCE, AtPhase("nothing")), selector="0.01") is None


def test_a_server_that_did_not_restart_is_no_witness(
    own: PostgresCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    ring = Ring(services={Side.SINK: own}, own=BOTH)
    monkeypatch.setattr(own, "kill", lambda: None)
    monkeypatch.setattr(own, "restart", lambda: None)
    seen: list[object] = []
    with ring.disrupt(Restart(Side.SINK), seen):  # type: ignore[arg-type]
        pass
    assert seen == [None]


def test_healing_starts_what_stayed_down(own: PostgresCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses() -> None:
        raise ServiceError("the port was taken", "try again")

    ring = Ring(services={Side.SINK: own}, own=BOTH)
    seen: list[object] = []
    with ring.disrupt(Restart(Side.SINK), seen):  # type: ignore[arg-type]
        assert own.alive()
    fault = Restart(Side.SINK)
    with monkeypatch.context() as patch:
        patch.setattr(own, "restart", refuses)
        fault.arm(ring.arena())
    assert fault.witness() is None
    assert not own.alive()
    fault.heal()
    assert own.alive()


def test_a_shared_service_is_never_killed(own: PostgresCluster) -> None:
    pid = own.pid
    with pytest.raises(RuntimeError, match=r"disturbs: \{sink: \[restart\]\}"):
        Restart(Side.SINK).arm(Ring(services={Side.SINK: own}, own=frozenset({Side.SOURCE})).arena())
    assert own.pid == pid
    with pytest.raises(NothingToDisturb):
        Restart(Side.SINK).arm(Ring().arena())


# --- the cell's own instance ----------------------------------------------------------------------------


def restarting(known: Catalog, *sides: Side) -> Catalog:
    """With scenarios of the test that restart these sides."""
    like = next(iter(known.scenarios.values()))
    made = like.model_copy(
        update={"id": "restarts", "disturbs": dict.fromkeys(sides, (Disturbable.RESTART,))}
    )
    return known.model_copy(update={"scenarios": {**known.scenarios, "restarts": made}})


Open = Callable[..., Workshop]


@pytest.fixture
def opened(shop: Shop) -> Open:
    def make(body: str = GOOD, *sides: Side) -> Workshop:
        made = shop.open({"fake": body})
        return replace(made, catalog=restarting(made.catalog, *(sides or (Side.SINK,))))

    return make


def cell(name: str = "restarts") -> PlannedCell:
    return planned(name, Strategy.FULL_REFRESH)


def only(shop: Workshop, *cells: PlannedCell) -> list[CellResult]:
    return list(run_cells(cells, shop, 1))


def judged(result: CellResult) -> Outcome:
    from certification_pipeline.families.matrix import cell_evidence

    return cell_evidence(builders.plan((result.planned,)), result, "run").recompute()


def test_the_cell_gets_a_server_of_its_own_and_both_its_sides_are_it(
    opened: Open, scenarios: Scenarios, cluster: PostgresCluster
) -> None:
    shared, seen = cluster.pid, []

    def restarts(bench: Bench) -> None:
        services = bench.station.services
        assert services[Side.SOURCE] is services[Side.SINK]
        assert services[Side.SINK] is not cluster
        assert bench.station.own == BOTH
        bench.seed("narrow")
        with bench.nemesis.disrupt(Restart(Side.SINK)):
            bench.load()
        seen.append(services[Side.SINK])

    scenarios(restarts=restarts)
    [result] = only(opened(), cell())
    assert judged(result) is Outcome.PASSED, result.detail
    assert result.faults[0].witness is not None
    assert cluster.pid == shared
    assert cluster.alive()
    [private] = seen
    assert private.pid is None
    assert not private._home.exists()


def test_without_a_witness_nothing_is_judged(
    opened: Open, scenarios: Scenarios, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restarts(bench: Bench) -> None:
        bench.seed("narrow")
        with bench.nemesis.disrupt(Restart(Side.SINK)):
            bench.load()

    monkeypatch.setattr(PostgresCluster, "kill", lambda self: None)
    monkeypatch.setattr(PostgresCluster, "restart", lambda self: None)
    scenarios(restarts=restarts)
    [result] = only(opened(), cell())
    assert result.reason is ReasonCode.NO_WITNESS
    assert judged(result) is Outcome.CANT_TELL


def test_a_private_server_that_dies_excuses_the_engine_and_hurts_no_other_cell(
    opened: Open, scenarios: Scenarios, cluster: PostgresCluster
) -> None:
    def restarts(bench: Bench) -> None:
        bench.seed("narrow")
        bench.station.services[Side.SINK].kill()  # type: ignore[attr-defined]
        bench.load()
        bench.check("s", "wrong", 1, 2)

    def other(bench: Bench) -> None:
        assert bench.station.services[Side.SINK] is cluster
        bench.seed("narrow")
        bench.load()

    scenarios(restarts=restarts, other=other)
    results = {r.planned.key.scenario: r for r in only(opened(), cell(), cell("other"))}
    assert results["restarts"].reason is ReasonCode.SERVICE_DIED
    assert judged(results["other"]) is Outcome.PASSED


def test_a_server_of_somebody_else_is_not_killed(
    opened: Open, scenarios: Scenarios, cluster: PostgresCluster
) -> None:
    class Theirs:
        """A server on a DSN: it has no process of ours."""

        def __getattr__(self, name: str) -> object:
            if name in ("kill", "restart", "pid"):
                raise AttributeError(name)
            return getattr(cluster, name)

    scenarios(restarts=lambda _: None)
    [result] = only(replace(opened(), services={"postgres": Theirs()}), cell())  # type: ignore[dict-item]
    assert result.reason is ReasonCode.SERVICE_UNAVAILABLE
    assert "unset CERTIFY_POSTGRES_DSN" in str(result.remedy)
    assert judged(result) is Outcome.UNTESTED


def test_a_solo_bench_has_one_too(opened: Open, cluster: PostgresCluster) -> None:
    with solo(opened(), cell()) as bench:
        private = bench.station.services[Side.SOURCE]
        assert private is not cluster
        bench.seed("narrow")
        assert bench.load().ended == "result"
    assert not private.alive()
    with solo(opened(), cell("n00")) as bench:
        assert bench.station.services[Side.SOURCE] is cluster


@pytest.mark.nightly
def test_kill_9_of_the_harness_takes_the_private_server_with_it(tmp_path: Path) -> None:
    script = tmp_path / "harness.py"
    script.write_text(
        textwrap.dedent(
            """
            import os, signal, threading
            from pathlib import Path
            from certification_pipeline.catalog.loading import load_catalog
            from certification_pipeline.catalog.vocabulary import Side
            from certification_pipeline.harness.workshop import open_workshop
            from tests.faults.test_services import cell, restarting
            from dataclasses import replace
            opened = open_workshop(load_catalog(), run_id="r", systems=["postgres"], engines={},
                                   on_event=lambda _: None, cancel=threading.Event())
            with opened as shop:
                with replace(shop, catalog=restarting(shop.catalog, Side.SINK)).apart(cell().key) as own:
                    for one in (shop, own):
                        print(one.services["postgres"].pid, one.services["postgres"]._home, flush=True)
                    os.kill(os.getpid(), signal.SIGKILL)
            """
        )
    )
    root = Path(__file__).parents[2]
    env = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, str(script)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        cwd=root,
        env=env,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    places = [line.split() for line in done.stdout.splitlines()]
    assert len({pid for pid, _ in places}) == 2
    for pid, home in places:
        assert wait_gone(int(pid), 40)
        assert wait_absent(Path(home), 40)
