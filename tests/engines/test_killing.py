"""Loads that are killed or stand still: only the load dies where the driver forks, and nothing is left."""

from __future__ import annotations

import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines.environment import KIT
from certification_pipeline.harness.engines.protocol import Event
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.services import watchdog
from tests.engines.conftest import Start, request
from tests.services.waiting import wait_gone

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")

FORKING = f"""
import sys
sys.path.append({str(KIT)!r})
import os, subprocess, time
from certify_driver import Failure, serve
def describe(): return {{"engine": "e", "version": "1", "details": {{"pid": os.getpid()}}}}
def load(job):
    job.phase("extract")
    how = job.request["selector"]
    if how == "fail": raise Failure("internal", "its own")
    if how != "quick":
        program = subprocess.Popen(["sleep", "600"], start_new_session=True)
        job.progress(program.pid)
        program.wait()
    return {{"loaded_rows": 1}}
serve(describe, load, fork=True)
"""

ALONE = """
for line in sys.stdin:
    ask = json.loads(line)
    if ask["type"] == "describe":
        out(type="described", protocol="1", engine="e", version="1")
    elif ask["selector"] == "quick":
        result(ask["run_id"])
    else:
        program = subprocess.Popen(["sleep", "600"], start_new_session=True)
        out(type="progress", run_id=ask["run_id"], rows=program.pid)
        program.wait()
"""


@pytest.fixture
def forking(start: Start) -> EngineSession:
    session = start(command=[sys.executable, "-S", "-c", textwrap.dedent(FORKING)])
    assert session.describe().details["forks"] is True
    return session


@pytest.fixture
def alone(start: Start) -> EngineSession:
    session = start(ALONE)
    session.describe()
    return session


class Interrupter:
    """Calls something, once, when the load's own program runs; from the conversation's thread or another."""

    def __init__(self, session: EngineSession, *, other_thread: bool = False) -> None:
        self.session = session
        self.other = other_thread
        self.program = 0
        self.killed: tuple[int, ...] = ()

    def __call__(self, event: Event) -> None:
        if event.type != "progress" or self.program:
            return
        self.program = event.rows
        if self.other:
            threading.Thread(target=self._kill).start()
        else:
            self._kill()

    def _kill(self) -> None:
        self.killed = self.session.kill_load()


@pytest.mark.parametrize("other", [False, True])
def test_only_the_load_dies_where_the_driver_forks(forking: EngineSession, other: bool) -> None:
    for _ in range(2):
        kill = Interrupter(forking, other_thread=other)
        outcome = forking.load(request(), timeout=30, on_event=kill)
        assert (outcome.ended, forking.last_end) == ("killed", "killed")
        assert forking.alive
        assert kill.program in kill.killed
        assert forking.pid not in kill.killed
        assert all(watchdog.state(pid) in ("", "Z") for pid in kill.killed)
        assert forking.load(request(selector="quick"), timeout=30).ended == "result"


@pytest.mark.parametrize("other", [False, True])
def test_a_driver_that_does_not_fork_dies_with_its_load(alone: EngineSession, other: bool) -> None:
    kill = Interrupter(alone, other_thread=other)
    assert alone.load(request(), timeout=30, on_event=kill).ended == "killed"
    assert not alone.alive
    assert {alone.pid, kill.program} <= set(kill.killed)
    assert wait_gone(kill.program)


def test_without_a_load_nobody_is_killed(forking: EngineSession, alone: EngineSession) -> None:
    for session in (forking, alone):
        assert session.kill_load() == ()
        assert session.load(request(selector="quick"), timeout=30).ended == "result"
        assert session.kill_load() == ()
        assert session.alive


def test_what_the_load_answered_before_stands(start: Start) -> None:
    """The answer may be in the pipe, or in the inbox, when the kill comes."""
    session = start(
        """
        ask = asked()
        for rows in range(300): out(type="progress", run_id=ask["run_id"], rows=rows)
        result(ask["run_id"])
        print("said", file=sys.stderr, flush=True)
        time.sleep(600)
        """
    )

    def kill(_: Event) -> None:
        while session.log_tail() != "said":
            time.sleep(0.01)
        session.kill_load()

    assert session.load(request(), timeout=30, on_event=kill).ended == "result"
    assert not session.alive


def test_a_load_that_was_faster_costs_no_warm_driver(forking: EngineSession) -> None:
    def kill(_: Event) -> None:
        while forking._talk.waits():
            time.sleep(0.01)
        assert forking.kill_load() == ()

    assert forking.load(request(selector="quick"), timeout=30, on_event=kill).ended == "result"
    assert forking.alive


def test_a_failure_of_the_loads_own_is_not_taken_for_the_kill(forking: EngineSession) -> None:
    outcome = forking.load(request(selector="fail"), timeout=30, on_event=lambda _: forking.kill_load())
    if outcome.ended != "killed":  # it had failed before it was killed
        assert outcome.category is FailureCategory.INTERNAL
        assert outcome.message == "its own"
    assert forking.load(request(selector="quick"), timeout=30).ended == "result"


def test_a_death_that_is_not_ours_is_the_drivers_failure(forking: EngineSession) -> None:
    def murder(event: Event) -> None:
        if event.type == "progress":
            for pid in watchdog.descendants(forking.pid):
                watchdog.send(pid, 9)

    outcome = forking.load(request(), timeout=30, on_event=murder)
    assert (outcome.ended, outcome.category) == ("error", FailureCategory.INTERNAL)


def test_the_timeout_stands_still_with_the_driver(start: Start) -> None:
    session = start(
        """
        ask = asked()
        out(type="phase", run_id=ask["run_id"], phase="load")
        time.sleep(0.3)
        result(ask["run_id"])
        """
    )
    stood: list[tuple[int, ...]] = []

    def pause(_: Event) -> None:
        stood.append(session.pause())
        assert {watchdog.state(pid) for pid in stood[0]} == {"T"}
        threading.Timer(1.5, session.resume).start()

    outcome = session.load(request(), timeout=1.0, on_event=pause)
    assert outcome.ended == "result"
    assert session.pid in stood[0]
    assert outcome.seconds > 1.5


def test_a_hang_after_a_pause_still_ends_at_the_timeout(start: Start) -> None:
    session = start('ask = asked()\nout(type="phase", run_id=ask["run_id"], phase="x")\ntime.sleep(600)')

    def pause(_: Event) -> None:
        session.pause()
        session.pause()
        session.resume()
        session.resume()

    assert session.load(request(), timeout=0.5, on_event=pause).ended == "timeout"


def test_who_stands_still_can_be_killed(forking: EngineSession, alone: EngineSession) -> None:
    for session in (forking, alone):
        kill = Interrupter(session)

        def stop_and_kill(event: Event, session: EngineSession = session, kill: Interrupter = kill) -> None:
            if event.type == "progress":
                session.pause()
            kill(event)

        assert session.load(request(), timeout=30, on_event=stop_and_kill).ended == "killed"
    assert forking.load(request(selector="quick"), timeout=30).ended == "result"


def test_the_whole_tree_stands_still_and_ends_with_the_session(alone: EngineSession) -> None:
    seen: list[int] = []

    def pause(event: Event) -> None:
        seen.append(event.rows)  # type: ignore[union-attr]
        assert seen[0] in alone.pause()
        alone.close()  # a stopped driver does not hear that it should stop

    assert alone.load(request(), timeout=30, on_event=pause).ended in ("exit", "killed")
    assert wait_gone(seen[0])
    assert wait_gone(alone.pid)


def test_a_stopped_driver_dies_with_its_killed_harness(tmp_path: Path) -> None:
    script = tmp_path / "harness.py"
    script.write_text(
        textwrap.dedent(
            f"""
            import os, signal, sys
            from pathlib import Path
            from certification_pipeline.harness.engines.session import EngineSession
            from certification_pipeline.harness.services.guardian import Guardian
            from certification_pipeline.redaction import Redactor
            session = EngineSession(
                [sys.executable, "-S", "-c", {FORKING!r}], env={{"PATH": "/usr/bin:/bin"}}, cwd=Path("/tmp"),
                log_path=Path({str(tmp_path / "log")!r}), redactor=Redactor(), guardian=Guardian())
            session.describe()
            print(*session.pause(), flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
            """
        )
    )
    import subprocess

    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == -9, done.stderr
    pids = [int(word) for word in done.stdout.split()]
    assert pids
    assert all(wait_gone(pid) for pid in pids)


def test_who_was_slow_to_stop_goes_on_as_well(alone: EngineSession, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that waits in vfork(2) for a stopped child stops only once the child goes on."""
    with monkeypatch.context() as patch:
        patch.setattr("certification_pipeline.harness.engines.process.STOP_SECONDS", 0.0)
        patch.setattr(watchdog, "state", lambda pid: "D")
        assert alone.pause() == ()
    alone.resume()
    assert alone.load(request(selector="quick"), timeout=10).ended == "result"
