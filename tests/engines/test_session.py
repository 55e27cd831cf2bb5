"""Whatever a driver does, the session ends in bounded time and memory and says what happened."""

from __future__ import annotations

import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import FailureCategory
from certification_pipeline.harness.engines import session as session_module
from certification_pipeline.harness.engines.protocol import Event
from certification_pipeline.harness.engines.session import EngineError, EngineSession, LoadOutcome
from certification_pipeline.harness.engines.streams import Inbox, Line
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.redaction import Redactor
from tests.engines.conftest import CANARY, Start, request
from tests.services.waiting import wait_gone

POLITE = """
import signal
for line in sys.stdin:
    ask = json.loads(line)
    if ask["type"] == "describe":
        out(type="described", protocol="1", engine="e", version="1", details={"pid": os.getpid()})
    elif ask["type"] == "load":
        out(type="phase", run_id=ask["run_id"], phase="extract")
        for n in range(3): out(type="progress", run_id=ask["run_id"], rows=n)
        if ask["selector"] == "fail":
            out(type="error", run_id=ask["run_id"], category="data", message="no", retryable=True)
        else:
            result(ask["run_id"], loaded_rows=3)
    else:
        print("bye", file=sys.stderr)
        break
"""


def _load(session: EngineSession, timeout: float = 30, run_id: str = "run-1") -> LoadOutcome:
    outcome = session.load(request(run_id), timeout=timeout)
    if outcome.ended not in ("result", "error"):
        assert not session.alive
        with pytest.raises(EngineError, match="the session is dead"):
            session.load(request(run_id), timeout=timeout)
        assert wait_gone(session.pid)
    return outcome


def test_a_well_behaved_driver_serves_many_loads(start: Start, log_path: Path) -> None:
    session = start(POLITE)
    described = session.describe()
    assert (described.engine, described.details) == ("e", {"pid": session.pid})
    heard: list[Event] = []
    for number in range(3):
        heard.clear()
        outcome = session.load(request(f"run-{number}"), timeout=30, on_event=heard.append)
        assert outcome.ended == "result"
        assert outcome.record is not None
        assert (outcome.record.run_id, outcome.record.loaded_rows) == (f"run-{number}", 3)
        assert [event.type for event in heard] == ["phase", "progress", "progress", "progress"]
        assert [event.type for event in outcome.events] == ["phase", "progress"]
        assert outcome.seconds > 0
    failed = session.load(request(selector="fail"), timeout=30)
    assert (failed.ended, failed.category, failed.message) == ("error", FailureCategory.DATA, "no")
    assert session.alive
    session.close()
    session.close()
    assert not session.alive
    assert log_path.read_text() == "bye\n"
    assert session.log_tail() == "bye"


@pytest.mark.parametrize(
    "line",
    [
        "Loading…",
        "",
        "[]",
        "{}",
        '{"type": "load"}',
        '{"type": "phase", "run_id": "run-1"}',
        "\\x00\\xff",
        "NaN",
    ],
)
def test_garbage_on_stdout_breaks_the_protocol(start: Start, line: str) -> None:
    outcome = _load(start(f"asked()\nsys.stdout.write('{line}\\n'); sys.stdout.flush(); time.sleep(600)"))
    assert outcome.ended == "protocol_error"
    assert outcome.message is not None
    assert "not an event" in outcome.message
    assert outcome.record is None


def test_an_endless_line_costs_no_memory(start: Start) -> None:
    session = start(
        "asked()\nfor _ in range(100): sys.stdout.write('x' * (1 << 20))\nsys.stdout.flush()\ntime.sleep(600)"
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcome = _load(session)
    assert outcome.ended == "protocol_error"
    assert "more than 1048576 bytes" in str(outcome.message)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # kB


@pytest.mark.nightly
def test_a_flood_of_events_costs_no_memory_and_nobody_hangs(start: Start) -> None:
    session = start(
        """
        out(type="described", protocol="1", engine="e", version="1")
        while True: sys.stdout.write('{"type": "phase", "run_id": "x", "phase": "' + 'y' * 500000 + '"}\\n')
        """
    )
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    session.describe()
    session.close()  # the driver floods on, nobody listens, and it ignores the request to stop
    assert wait_gone(session.pid)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 48 << 10


@pytest.mark.parametrize("size", [1, 1 << 19])
def test_a_full_inbox_makes_the_reader_wait(size: int) -> None:
    inbox = Inbox()

    def flood() -> None:
        for _ in range(1000):
            inbox.put(Line(b"x" * size))

    reader = threading.Thread(target=flood, daemon=True)
    reader.start()
    reader.join(0.3)
    assert reader.is_alive()
    assert len(inbox._lines) <= 256
    inbox.discard()
    reader.join(30)
    assert not reader.is_alive()


def test_kept_events_are_bounded(start: Start) -> None:
    session = start(
        """
        ask = asked()
        for n in range(3000): out(type="phase", run_id=ask["run_id"], phase=f"{n} " + "p" * 2000)
        result(ask["run_id"])
        """
    )
    outcome = _load(session)
    assert outcome.ended == "result"
    assert sum(len(event.model_dump_json()) for event in outcome.events) <= 1 << 20
    assert getattr(outcome.events[-1], "phase", "").startswith("2999 ")


def test_a_hang_ends_at_the_timeout_with_what_was_said_last(start: Start) -> None:
    outcome = _load(
        start("asked()\nprint('waiting for a lock', file=sys.stderr, flush=True)\ntime.sleep(600)"), 0.5
    )
    assert outcome.ended == "timeout"
    assert "no answer within 0.5 s" in str(outcome.message)


def test_a_driver_that_never_reads_cannot_block_us(start: Start) -> None:
    columns = [{"name": f"column_{n}", "type": "text"} for n in range(20_000)]  # more than a pipe holds
    outcome = start("time.sleep(600)").load(request(columns=columns), timeout=0.5)
    assert outcome.ended == "timeout"
    assert "does not read" in str(outcome.message)


def test_closed_stdin(start: Start) -> None:
    session = start(
        "os.close(0)\nprint('closed', file=sys.stderr, flush=True)\nsys.stdout.flush()\ntime.sleep(600)"
    )
    columns = [{"name": f"column_{n}", "type": "text"} for n in range(20_000)]
    outcome = session.load(request(columns=columns), timeout=30)
    assert outcome.ended == "protocol_error"
    assert "closed its stdin" in str(outcome.message)
    assert not session.alive


def test_closed_stdout_without_an_end(start: Start) -> None:
    outcome = _load(start("asked()\nos.close(1)\ntime.sleep(600)"))
    assert outcome.ended == "protocol_error"
    assert "closed its stdout" in str(outcome.message)


@pytest.mark.parametrize(
    ("death", "says"),
    [
        ("sys.exit(3)", "exited with code 3"),
        ("os._exit(0)", "code 0"),
        ("os.kill(os.getpid(), 9)", "SIGKILL"),
    ],
)
def test_an_exit_in_the_middle_says_how(start: Start, death: str, says: str) -> None:
    outcome = _load(
        start(
            f"""
            ask = asked()
            out(type="phase", run_id=ask["run_id"], phase="load")
            print("Traceback: boom", file=sys.stderr, flush=True)
            sys.stdout.write('{{"type": "resu'); sys.stdout.flush()
            {death}
            """
        )
    )
    assert outcome.ended == "exit"
    assert says in str(outcome.message)
    assert "Traceback: boom" in str(outcome.message)
    assert [event.type for event in outcome.events] == ["phase"]


def test_a_child_that_holds_the_pipe_does_not_hide_its_parents_death(start: Start, tmp_path: Path) -> None:
    session = start(
        """
        asked()
        child = subprocess.Popen(["sleep", "600"])
        escaped = subprocess.Popen(["sleep", "600"], start_new_session=True)
        open("pids", "w").write(f"{child.pid} {escaped.pid}")
        os._exit(1)
        """
    )
    assert _load(session).ended == "exit"
    assert all(wait_gone(int(pid)) for pid in (tmp_path / "pids").read_text().split())


def test_children_die_with_a_killed_driver(start: Start, tmp_path: Path) -> None:
    session = start(
        """
        # A child that has not reached its program yet shows no environment: each says that it has.
        here = "echo here; exec sleep 600"
        family = subprocess.Popen(
            ["sh", "-c", 'sh -c "$1" & setsid sh -c "$1" & wait', "sh", here], stdout=subprocess.PIPE
        )
        for _ in range(2):
            family.stdout.readline()
        out(type="described", protocol="1", engine="e", version="1")
        time.sleep(600)
        """
    )
    session.describe()
    mark = f"CERTIFY_PROCESS_MARK={session._process.mark}".encode()
    family = [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and mark in _environ(p)]
    assert len(family) == 4  # the driver, its shell, and a child on either side of the session
    session.kill()
    assert all(wait_gone(pid) for pid in family)


def _environ(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.parametrize(
    "answer",
    [
        'out(type="phase", run_id="other", phase="load")',
        'result("other")',
        'out(type="error", run_id="other", category="data", message="x")',
        'out(type="result", run_id="run-1", record=dict(run_id="other", engine="e", engine_version="1"))',
    ],
)
def test_another_runs_id_breaks_the_protocol(start: Start, answer: str) -> None:
    outcome = _load(start(f"asked()\n{answer}\ntime.sleep(600)"))
    assert outcome.ended == "protocol_error"
    assert "'other'" in str(outcome.message)
    assert outcome.record is None


def test_an_answer_to_something_else_breaks_the_protocol(start: Start) -> None:
    outcome = _load(
        start('asked()\nout(type="described", protocol="1", engine="e", version="1")\ntime.sleep(600)')
    )
    assert outcome.ended == "protocol_error"
    with pytest.raises(EngineError, match="'result' event came in answer to 'describe'"):
        start('asked()\nresult("x")\ntime.sleep(600)').describe()


def test_events_after_the_result_break_the_protocol(start: Start) -> None:
    session = start(
        """
        ask = asked()
        result(ask["run_id"])
        out(type="progress", run_id=ask["run_id"], rows=1)
        print("done", file=sys.stderr, flush=True)
        time.sleep(600)
        """
    )
    assert session.load(request(), timeout=30).ended == "result"
    outcome = _load(session, run_id="run-2")
    assert outcome.ended == "protocol_error"


def test_a_second_result_is_not_taken_for_the_next_loads(start: Start) -> None:
    session = start('ask = asked()\nresult(ask["run_id"]); result(ask["run_id"])\ntime.sleep(600)')
    assert session.load(request(), timeout=30).ended == "result"
    inbox = session._process.inbox
    with inbox._changed:
        assert inbox._changed.wait_for(lambda: inbox._lines, timeout=30)
    outcome = session.load(request(), timeout=30)  # the same run id: only the order tells them apart
    assert outcome.ended == "protocol_error"
    assert "after it had answered run-1" in str(outcome.message)


def test_another_protocol_version_is_refused(start: Start) -> None:
    with pytest.raises(EngineError, match="speaks protocol '2', we speak '1'"):
        start('asked()\nout(type="described", protocol="2", engine="e", version="1")').describe()


def test_a_driver_that_dies_at_once_says_why(start: Start) -> None:
    session = start("import no_such_module")
    with pytest.raises(EngineError, match=r"exited with code 1 .*No module named 'no_such_module'"):
        session.describe()


def test_a_command_that_is_not_there(start: Start) -> None:
    with pytest.raises(EngineError, match="cannot start /no/such/engine"):
        start(command=["/no/such/engine"])


def test_a_credential_is_masked_wherever_the_driver_prints_it(start: Start, log_path: Path) -> None:
    session = start(
        """
        ask = asked()
        dsn = ask["source"]["dsn"]
        print("connecting to", dsn, file=sys.stderr, flush=True)
        print("x" * 20000 + dsn, file=sys.stderr, flush=True)
        out(type="phase", run_id=ask["run_id"], phase="extract " + dsn)
        claims = record(ask["run_id"], state_after={"dsn": dsn, dsn: 1})
        message = "no route to " + dsn
        out(type="error", run_id=ask["run_id"], category="connectivity", message=message, record=claims)
        asked()
        print(dsn, flush=True)
        """
    )
    outcome = session.load(request(), timeout=30)
    assert outcome.ended == "error"
    second = session.load(request(), timeout=30)
    assert second.ended == "protocol_error"
    session.close()
    seen = f"{outcome} {second} {session.log_tail()} {log_path.read_text()}"
    assert CANARY not in seen
    assert "postgresql://u:***@127.0.0.1/db" in seen


def test_a_secret_cannot_hide_across_the_cut_of_a_long_log_line(start: Start, log_path: Path) -> None:
    session = start(
        f"""
        for n in range(16300, 16400): print("x" * n + "{CANARY}", file=sys.stderr)
        sys.stderr.flush()
        """
    )
    with pytest.raises(EngineError):
        session.describe()
    assert "canary" not in log_path.read_text()


def test_the_log_is_capped(start: Start, log_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session = start(
        "for _ in range(8000): print('y' * 1000, file=sys.stderr)\nprint('last', file=sys.stderr)"
    )
    with pytest.raises(EngineError, match="last on stderr: last"):
        session.describe()
    assert log_path.stat().st_size <= (4 << 20) + 100
    assert log_path.read_text().endswith("[log cut: it reached its limit]\n")


def test_a_log_that_cannot_be_written_does_not_stop_the_driver(start: Start, log_path: Path) -> None:
    log_path.parent.write_text("in the way")
    session = start("for _ in range(1000): print('y' * 1000, file=sys.stderr)\n" + POLITE)
    assert session.load(request(), timeout=30).ended == "result"


def test_killed_from_another_thread(start: Start) -> None:
    session = start('ask = asked()\nout(type="phase", run_id=ask["run_id"], phase="load")\ntime.sleep(600)')
    outcome = session.load(
        request(), timeout=60, on_event=lambda _: threading.Thread(target=session.kill).start()
    )
    assert outcome.ended == "killed"
    session.kill()
    session.close()


def test_an_interruption_kills_the_driver_and_passes_on(start: Start) -> None:
    session = start('ask = asked()\nout(type="phase", run_id=ask["run_id"], phase="load")\ntime.sleep(600)')

    def interrupt(_: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        session.load(request(), timeout=60, on_event=interrupt)
    assert not session.alive
    assert wait_gone(session.pid)


def test_a_driver_that_will_not_stop_is_killed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "STOP_GRACE", 0.2)
    session = start(
        """
        import signal
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        asked(); out(type="described", protocol="1", engine="e", version="1")
        time.sleep(600)
        """
    )
    session.describe()
    session.close()
    assert wait_gone(session.pid)


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_no_descriptors_or_threads_are_left(start: Start) -> None:
    start(POLITE).close()
    descriptors, threads = _descriptors(), threading.active_count()
    for _ in range(5):
        session = start(POLITE)
        session.describe()
        session.close()
        start("sys.exit(1)").kill()
    assert _descriptors() <= descriptors
    assert threading.active_count() <= threads


def test_the_driver_sees_only_the_environment_it_was_given(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    session = start(
        """
        asked()
        out(type="described", protocol="1", engine="e", version="1", details={"env": sorted(os.environ)})
        """
    )
    names = session.describe().details["env"]
    assert isinstance(names, list)
    assert set(map(str, names)) <= {"PATH", "CERTIFY_PROCESS_MARK", "LC_CTYPE"}


def test_a_driver_dies_with_its_killed_harness(tmp_path: Path) -> None:
    code = f"""
import sys, time
from pathlib import Path
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.engines.streams import Inbox, Line
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.redaction import Redactor
driver = "import os, time; child = os.fork(); os.setsid() if not child else None; time.sleep(600)"
session = EngineSession([sys.executable, "-c", driver], env={{}}, cwd=Path({str(tmp_path)!r}),
                        log_path=Path({str(tmp_path / "log")!r}), redactor=Redactor(), guardian=Guardian())
print(session.pid, flush=True)
time.sleep(600)
"""
    root = Path(__file__).parents[2]
    harness = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, cwd=root)
    assert harness.stdout is not None
    driver = int(harness.stdout.readline())
    harness.kill()
    harness.wait()
    harness.stdout.close()
    assert wait_gone(driver)


def test_a_closed_session_is_no_longer_guarded(start: Start) -> None:
    with Guardian() as guardian:
        session = start(POLITE, guardian=guardian)
        session.describe()
        assert len(guardian._entries) == 1
        session.close()
        assert guardian._entries == {}


def test_a_shell_script_is_an_engine_too(tmp_path: Path) -> None:
    script = tmp_path / "engine.sh"
    script.write_text(
        "#!/bin/sh\nread line\n"
        'echo \'{"type": "described", "protocol": "1", "engine": "shell", "version": "1"}\'\nread line\n'
    )
    script.chmod(0o755)
    session = EngineSession(
        [str(script)], env={}, cwd=tmp_path, log_path=tmp_path / "log", redactor=Redactor(), guardian=None
    )
    assert session.describe().engine == "shell"
    session.close()
