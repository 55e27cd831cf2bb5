"""The engine as a process: protocol in and out, logs beside, killed without harm."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import Described, Error, Phase, Result, parse_event
from certification_pipeline.reference.defects import VARIABLE
from tests.reference.conftest import Pipeline

COMMAND = [sys.executable, "-m", "certification_pipeline.reference"]


@contextmanager
def process(**environment: str) -> Iterator[subprocess.Popen[bytes]]:
    engine = subprocess.Popen(
        COMMAND,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **environment},
        start_new_session=True,
    )
    try:
        yield engine
    finally:
        engine.kill()
        engine.communicate()


def ask(engine: subprocess.Popen[bytes], line: str) -> list[Any]:
    assert engine.stdin and engine.stdout  # noqa: PT018
    engine.stdin.write(line.encode() + b"\n")
    engine.stdin.flush()
    events: list[Any] = []
    while not events or isinstance(events[-1], Phase):
        events.append(parse_event(engine.stdout.readline()))
    return events


@pytest.mark.parametrize("last", [b'{"type":"stop"}\n', b""])
def test_describe_then_end(last: bytes) -> None:
    answer = subprocess.run(
        COMMAND, input=b'{"type":"describe"}\n\n' + last, capture_output=True, check=True, timeout=60
    )
    described = parse_event(answer.stdout)
    assert isinstance(described, Described)
    assert described.engine == "reference"
    assert described.artifact_digest.startswith("sha256:")
    assert described.details == {"planted_defect": None}


def test_a_line_that_is_no_request_is_answered_and_the_next_one_served() -> None:
    line = b'{"type":"load","run_id":"r","source":{"dsn":"postgresql://u:c4nary@h/d"}}\n'
    lines = line + b"garbage\n" + b'{"type":"describe"}\n'
    answer = subprocess.run(COMMAND, input=lines, capture_output=True, check=True, timeout=60)
    named, unnamed, described = map(parse_event, answer.stdout.splitlines())
    assert isinstance(named, Error)
    assert isinstance(unnamed, Error)
    assert isinstance(described, Described)
    assert (named.run_id, named.category, unnamed.run_id) == ("r", "configuration", "")
    assert "load.sink" in named.message
    assert b"c4nary" not in answer.stderr + answer.stdout
    assert b"Traceback" not in answer.stderr


def test_an_unknown_defect_is_no_defect() -> None:
    answer = subprocess.run(
        COMMAND, input=b"", env={**os.environ, VARIABLE: "x"}, capture_output=True, check=False, timeout=60
    )
    assert answer.returncode == 2
    assert b"choose one of" in answer.stderr


@pytest.mark.integration
def test_forget_from_the_command_line(to_postgres: Pipeline) -> None:
    to_postgres.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)")
    to_postgres.load(Strategy.CDC)
    count = "SELECT count(*) FROM pg_replication_slots"
    assert to_postgres.databases.at_source.execute(count).fetchone() == (1,)
    line = to_postgres.request(Strategy.CDC).model_dump_json().encode()
    answer = subprocess.run([*COMMAND, "forget"], input=line, capture_output=True, check=True, timeout=60)
    assert answer.stdout == answer.stderr == b""
    assert to_postgres.databases.at_source.execute(count).fetchone() == (0,)
    wrong = subprocess.run([*COMMAND, "forgot"], input=line, capture_output=True, check=False, timeout=60)
    assert wrong.returncode == 2


@pytest.mark.integration
def test_many_loads_structured_logs_no_secret(to_postgres: Pipeline) -> None:
    to_postgres.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)", "INSERT INTO {t} VALUES (1)")
    missing = to_postgres.request(Strategy.FULL_REFRESH)
    missing = missing.model_copy(update={"source": missing.source.model_copy(update={"name": "no_such"})})
    with process() as engine:
        for _ in range(2):
            events = ask(engine, to_postgres.request(Strategy.FULL_REFRESH).model_dump_json())
            assert isinstance(events[-1], Result)
            assert [event.phase for event in events[:-1]] == [
                "connect",
                "extract",
                "stage",
                "finalize",
                "state",
            ]
        failed = ask(engine, missing.model_dump_json())[-1]
        assert failed.type == "error"
        out, err = engine.communicate(b'{"type":"stop"}\n', timeout=30)
    assert engine.returncode == 0
    assert out == b""
    lines = [json.loads(line) for line in err.splitlines()]
    assert [line["event"] for line in lines] == ["load done", "load done", "load failed"]
    password = urlsplit(to_postgres.databases.source).password
    assert password
    assert password not in err.decode()
    assert password not in failed.model_dump_json()


@pytest.mark.integration
@pytest.mark.parametrize("sink_system", ["postgres", "sqlite", "duckdb", "parquet"])
def test_killed_in_the_middle(databases: Any, tmp_path: Any, sink_system: str) -> None:
    """SIGKILL while it waits for the source, staging under way: the sink is as before, the next load runs."""
    pipeline = Pipeline(databases, sink_system, tmp_path)
    pipeline.sql("CREATE TABLE {t} (id bigint PRIMARY KEY)", "INSERT INTO {t} VALUES (1), (2)")
    pipeline.load(Strategy.FULL_REFRESH)
    pipeline.sql("INSERT INTO {t} VALUES (3)")
    with psycopg.connect(databases.source) as blocker, process() as engine:
        assert engine.stdin and engine.stdout  # noqa: PT018
        blocker.execute(f"LOCK TABLE {pipeline.name} IN ACCESS EXCLUSIVE MODE".encode())
        engine.stdin.write(pipeline.request(Strategy.FULL_REFRESH).model_dump_json().encode() + b"\n")
        engine.stdin.flush()
        while (event := parse_event(engine.stdout.readline())).type == "phase" and event.phase != "stage":
            pass
        os.killpg(engine.pid, signal.SIGKILL)
        engine.wait(30)
    assert pipeline.rows("id", "1") == [(1,), (2,)]
    # The server may need a moment to notice that the lock's holder is gone: a conflict is an honest answer.
    for _ in range(200):
        answer = pipeline.attempt(Strategy.FULL_REFRESH)
        if isinstance(answer, Result):
            break
        assert answer.category.value == "conflict", answer
    assert pipeline.rows("id", "1") == [(1,), (2,), (3,)]
    if sink_system == "parquet":
        assert len(list((tmp_path / "lake" / "out" / ".versions" / pipeline.name).glob("[0-9]*"))) == 2
