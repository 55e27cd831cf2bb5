"""The engine's process is killed or stands still at the moment that was planned, or there is no witness."""

from __future__ import annotations

import sys
import textwrap

import pytest

from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.faults.process import AfterSeconds, AtPhase, AtRows, Kill, Moment, Pause
from certification_pipeline.harness.services import watchdog
from tests.engines.conftest import Start, log_path, start
from tests.engines.test_killing import FORKING
from tests.faults.arenas import SLOW, Ring

__all__ = ["log_path", "start"]

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


@pytest.fixture
def ring(start: Start) -> Ring:
    session = start(SLOW)
    session.describe()
    return Ring(session)


def at_work(ring: Ring) -> EngineSession:
    assert ring.session is not None
    return ring.session


@pytest.mark.parametrize(
    ("moment", "phase"),
    [
        (AtPhase("extract"), "extract"),
        (AtPhase("load"), "load"),
        (AtRows(15), "load"),
        (AfterSeconds(0.3), "load"),
    ],
)
def test_a_kill_at_the_moment(ring: Ring, moment: Moment, phase: str) -> None:
    seen = ring.play(Kill(moment))
    assert ring.outcome is not None
    assert ring.outcome.ended == "killed"
    assert seen is not None
    assert (seen["signal"], seen["phase"]) == ("SIGKILL", phase)
    assert at_work(ring).pid in seen["pids"]  # type: ignore[operator]
    assert watchdog.state(at_work(ring).pid) in ("", "Z")
    if isinstance(moment, AfterSeconds):
        assert seen["seconds"] >= 0.3  # type: ignore[operator]


def test_a_forked_load_is_killed_again_and_again(start: Start) -> None:
    session = start(command=[sys.executable, "-S", "-c", textwrap.dedent(FORKING)])
    session.describe()
    ring = Ring(session)
    for _ in range(3):
        seen = ring.play(Kill(AtPhase("extract")))
        assert seen is not None
        assert session.pid not in seen["pids"]  # type: ignore[operator]
        assert session.alive


@pytest.mark.parametrize("moment", [AtPhase("nothing"), AtPhase("load", nth=2), AtRows(21), AfterSeconds(60)])
def test_a_moment_that_does_not_come_leaves_no_witness(ring: Ring, moment: Moment) -> None:
    for fault in (Kill(moment), Pause(moment, 0.1)):
        assert ring.play(fault, selector="0.01") is None
        assert ring.outcome is not None
        assert ring.outcome.ended == "result"
        assert at_work(ring).alive


def test_a_kill_after_the_answer_leaves_no_witness(start: Start) -> None:
    ring = Ring(
        start(
            """
            ask = asked()
            out(type="phase", run_id=ask["run_id"], phase="load")
            result(ask["run_id"])
            print("said", file=sys.stderr, flush=True)
            time.sleep(600)
            """
        )
    )

    class Late(Kill):
        def hear(self, session: EngineSession, event: object) -> None:
            while session.log_tail() != "said":
                pass
            super().hear(session, event)  # type: ignore[arg-type]

    assert ring.play(Late(AtPhase("load"))) is None
    assert ring.outcome is not None
    assert ring.outcome.ended == "result"


@pytest.mark.parametrize("moment", [AtPhase("load"), AfterSeconds(0.1)])
def test_a_pause_stops_everybody_and_not_the_timeout(ring: Ring, moment: Moment) -> None:
    seen = ring.play(Pause(moment, 1.2), selector="0.3", timeout=1)
    assert ring.outcome is not None
    assert ring.outcome.ended == "result"
    assert seen is not None
    assert seen["states"] == {str(at_work(ring).pid): "T"}
    assert seen["lasted_seconds"] >= 1.2  # type: ignore[operator]
    assert at_work(ring).alive


def test_healing_ends_a_pause(ring: Ring) -> None:
    session = at_work(ring)
    fault = Pause(AfterSeconds(0), 600)
    fault.arm(ring.arena())
    session._take_in_hand()
    session._talk._open = True
    fault._pause(session)
    assert watchdog.state(session.pid) == "T"
    fault.heal()
    assert watchdog.state(session.pid) != "T"
    assert fault.witness() is None, "it was planned to last longer"
