"""The kit: what it writes to stdout and stderr, whatever the driver on it does."""

from __future__ import annotations

import json
import os
import signal
import sys
import textwrap
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from certification_pipeline.harness.engines.environment import KIT
from tests.engines.conftest import CANARY
from tests.engines.driving import PATIENCE, Drive, Driver, drive, load

__all__ = ["drive"]

PRELUDE = """
import os, signal, subprocess, sys, time
from certify_driver import Failure, config, installed, program, serve
def describe(): return {"engine": "e", "version": "1"}
"""
JUST_LOADS = "def load(job): return {'loaded_rows': 3}\n"
SERVE = "serve(describe, load)"
FORKS = "serve(describe, load, fork=True)"

Write = Callable[..., Driver]


@pytest.fixture
def write(drive: Drive) -> Write:
    """A driver with these lines."""

    def start(body: str, **env: str) -> Driver:
        return drive("-c", PRELUDE + textwrap.dedent(body), **env)

    return start


@pytest.mark.parametrize("how", [SERVE, FORKS])
def test_whatever_is_printed_goes_to_stderr(write: Write, how: str) -> None:
    driver = write(f"""
        print("at import")
        def load(job):
            print("by Python", flush=True)
            os.write(1, b"by a library\\n")
            subprocess.run(["echo", "by a child"])
            return {{"loaded_rows": 3}}
        {how}
    """)
    answer = driver.ask(load())
    assert (answer["type"], answer["run_id"], answer["record"]["loaded_rows"]) == ("result", "run-1", 3)
    logged = driver.stop()
    assert all(f"{words}\n" in logged for words in ("by Python", "by a library", "by a child"))


def test_what_is_no_request_is_answered_and_the_driver_goes_on(write: Write) -> None:
    driver = write(JUST_LOADS + SERVE)
    asked = (
        b"no json",
        b"[]",
        b"7",
        b"{}",
        b'{"type": "dance"}',
        b'{"type": "load", "run_id": "r", "sink": 1}',
    )
    answers = [driver.ask(line) for line in asked]
    assert {(one["type"], one["category"]) for one in answers} == {("error", "configuration")}
    assert [one["run_id"] for one in answers] == ["", "", "", "", "", "r"]
    assert "unknown request type 'dance'" in answers[4]["message"]
    assert answers[5]["message"] == "the load request lacks source, columns, primary_key, strategy, state_dir"
    driver.send(b"", b"  ")
    assert driver.ask(b'{"type": "describe", "protocol": "1"}')["engine"] == "e"
    assert driver.ask(load())["type"] == "result"
    assert driver.stop() == ""


def test_the_end_of_input_ends_it(write: Write) -> None:
    driver = write(JUST_LOADS + SERVE)
    driver.process.communicate(b"", PATIENCE)
    assert driver.process.returncode == 0


@pytest.mark.parametrize("how", [SERVE, FORKS])
def test_a_failure_keeps_its_category_and_its_record(write: Write, how: str) -> None:
    driver = write(f"""
        def load(job):
            raise Failure("conflict", "held by another", retryable=True, record={{"retries": 2}})
        {how}
    """)
    answer = driver.ask(load())
    assert (answer["category"], answer["message"], answer["retryable"]) == (
        "conflict",
        "held by another",
        True,
    )
    assert (answer["record"]["failure_category"], answer["record"]["retries"]) == ("conflict", 2)
    assert driver.stop() == ""


@pytest.mark.parametrize("how", [SERVE, FORKS])
def test_the_unexpected_is_internal_without_the_dsn(write: Write, how: str) -> None:
    driver = write(f"""
        class Terminal(BaseException): pass
        def load(job):
            kind = Terminal if job.run_id == "terminal" else ValueError
            raise kind(f"cannot use {{job.source.dsn}} nor {{job.sink.dsn}}")
        {how}
    """)
    answer = driver.ask(load())
    assert (answer["category"], answer["retryable"]) == ("internal", False)
    assert answer["message"] == "ValueError: cannot use <postgres> nor <sqlite>"
    assert answer["record"]["failure_category"] == "internal"
    assert driver.ask(load("terminal"))["message"].startswith("Terminal: ")
    logged = driver.stop()
    assert "run run-1: ValueError at\n" in logged, "where it was raised is told"
    assert CANARY not in logged + json.dumps(answer)


def test_a_long_message_is_cut(write: Write) -> None:
    driver = write("def load(job): raise Failure('data', 'x' * 3000000)\n" + SERVE)
    assert len(driver.ask(load())["message"]) == 2000


def test_the_record_says_what_only_the_driver_knows(write: Write) -> None:
    driver = write(f"""
        def load(job):
            job.phase("extract"); time.sleep(0.03)
            job.phase("load"); time.sleep(0.01); job.progress(5)
            job.phase("extract"); time.sleep(0.03)
            return {{"source_id": "as the engine says"}}
        {SERVE}
    """)
    driver.send(load(manifest_path="m.yaml", selector="orders"))
    events = [driver.event() for _ in range(5)]
    assert [one.get("phase") or one.get("rows") for one in events[:4]] == ["extract", "load", 5, "extract"]
    record = events[4]["record"]
    assert (record["engine"], record["engine_version"]) == ("e", "1")
    assert (record["manifest_path"], record["selector"]) == ("m.yaml", "orders")
    assert (record["source_id"], record["sink_id"]) == ("as the engine says", "sqlite:t")
    assert record["started_at"] < record["finished_at"]
    timings = record["timings_seconds"]
    assert set(timings) == {"extract", "load"}
    assert timings["extract"] >= 0.06, "a phase entered twice counts twice"
    assert timings["load"] >= 0.01
    assert record["peak_memory_bytes"] > 1 << 20


def test_a_replay_is_refused_unless_it_is_served(write: Write) -> None:
    again = load(options={"replay": {"kind": "window", "run_id": "run-0", "column": "id"}})
    answer = write(JUST_LOADS + SERVE).ask(again)
    assert (answer["type"], answer["category"]) == ("error", "unsupported")
    served = write(
        "def load(job): return {'selector': job.options.replay['kind']}\nserve(describe, load, replays=True)"
    )
    assert served.ask(again)["record"]["selector"] == "window"


def test_what_is_warmed_is_warm_in_every_child(write: Write) -> None:
    driver = write("""
        warmed = []
        def warm(request):
            warmed.append(os.getpid())
            if request["run_id"] == "bad": raise ImportError("no such module")
        def load(job): return {"retries": len(warmed), "loaded_rows": warmed[-1]}
        serve(describe, load, fork=True, warm=warm)
    """)
    for number, run in enumerate(("one", "bad", "two"), 1):
        record = driver.ask(load(run))["record"]
        assert (record["retries"], record["loaded_rows"]) == (number, driver.process.pid)
    driver.stop()


@pytest.mark.parametrize(("how", "forks"), [(SERVE, False), (FORKS, True)])
def test_it_says_whether_a_load_has_a_process_of_its_own(write: Write, how: str, forks: bool) -> None:
    driver = write(JUST_LOADS + how)
    assert driver.ask(b'{"type": "describe", "protocol": "1"}')["details"] == {"forks": forks}
    driver.stop()


def test_a_killed_child_is_an_error_and_the_next_load_works(write: Write) -> None:
    driver = write(f"""
        IMPORTED = os.getpid()
        def load(job):
            assert os.getpid() != IMPORTED
            if job.run_id == "killed": os.kill(os.getpid(), signal.SIGKILL)
            if job.run_id == "left": os._exit(7)
            if job.run_id == "exits": sys.exit("no")
            return {{"retries": IMPORTED}}
        {FORKS}
    """)
    messages = {name: driver.ask(load(name))["message"] for name in ("killed", "left", "exits")}
    assert messages["killed"] == "the load's process died: killed by SIGKILL"
    assert messages["left"] == "the load's process died: exit status 7"
    assert messages["exits"] == "the load's process died: exit status 1"
    assert driver.ask(load())["record"]["retries"] == driver.process.pid, "nothing is imported again"
    driver.stop()


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="uses prctl")
def test_the_child_dies_with_its_parent(write: Write) -> None:
    driver = write(f"""
        def load(job):
            job.phase(str(os.getpid())); time.sleep(60)
        {FORKS}
    """)
    driver.send(load())
    child = int(driver.event()["phase"])
    driver.process.kill()
    deadline = time.monotonic() + PATIENCE
    while (alive := _alive(child)) and time.monotonic() < deadline:
        time.sleep(0.01)
    if alive:
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    assert not alive


def _alive(pid: int) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] != b"Z"
    return False


def test_what_the_harness_says_of_itself(write: Write) -> None:
    asks = """
        def describe():
            told = {"config": config(), "copy": program("my-tools", "copy")}
            told |= {"here": installed("pytest"), "not": installed("no-such-thing")}
            return {"engine": "e", "version": "1", "details": {k: str(v) for k, v in told.items()}}
    """
    packages = str(Path(pytest.__file__).parents[1])
    env = {"CERTIFY_ENGINE_CONFIG": '{"mode": "fast"}', "CERTIFY_ENV_MY_TOOLS": "/envs/tools"}
    driver = write(textwrap.dedent(asks) + JUST_LOADS + SERVE, **env, PYTHONPATH=f"{KIT}:{packages}")
    details = driver.ask(b'{"type": "describe", "protocol": "1"}')["details"]
    assert details["config"] == "{'mode': 'fast'}"
    assert details["copy"] == "/envs/tools/bin/copy"
    assert details["here"].startswith("sha256:")
    assert len(details["here"]) == len("sha256:") + 64
    assert details["not"] == ""


def test_without_a_configuration_it_is_empty(write: Write) -> None:
    driver = write("def load(job): return {'selector': repr(config())}\n" + SERVE)
    assert driver.ask(load())["record"]["selector"] == "{}"


@pytest.mark.parametrize(("own", "seen"), [("{}", "psql"), ('{"engine": "own"}', "own")])
def test_the_harness_names_an_engine_that_does_not_name_itself(write: Write, own: str, seen: str) -> None:
    body = f'def describe(): return {{"version": "1", **{own}}}\n' + JUST_LOADS + SERVE
    driver = write(body, CERTIFY_ENGINE_ID="psql")
    assert driver.ask(b'{"type": "describe", "protocol": "1"}')["engine"] == seen
    assert driver.ask(load())["record"]["engine"] == seen
