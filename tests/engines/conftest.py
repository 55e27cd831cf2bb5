"""A session with a driver written in a few lines, hostile or not."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Strategy
from certification_pipeline.harness.engines.protocol import DataObject, Load
from certification_pipeline.harness.engines.session import EngineSession
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.redaction import Redactor

CANARY = "canary-password-7f3a"

PRELUDE = """
import json, os, subprocess, sys, time
def out(**event): print(json.dumps(event), flush=True)
def asked(): return json.loads(sys.stdin.readline())
def record(run_id, **more): return dict(run_id=run_id, engine="e", engine_version="1", **more)
def result(run_id, **more): out(type="result", run_id=run_id, record=record(run_id, **more))
"""

Start = Callable[..., EngineSession]


def request(run_id: str = "run-1", **more: object) -> Load:
    dsn = f"postgresql://u:{CANARY}@127.0.0.1/db"
    return Load.model_validate(
        {
            "run_id": run_id,
            "source": DataObject(system="postgres", dsn=dsn, namespace="s", name="t"),
            "sink": DataObject(system="sqlite", dsn="/nowhere", name="t"),
            "columns": (),
            "primary_key": ("id",),
            "strategy": Strategy.FULL_REFRESH,
            "state_dir": "/nowhere",
            **more,
        }
    )


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "driver.log"


@pytest.fixture
def start(tmp_path: Path, log_path: Path) -> Iterator[Start]:
    sessions: list[EngineSession] = []

    def make(
        body: str = "", *, command: list[str] | None = None, guardian: Guardian | None = None
    ) -> EngineSession:
        code = PRELUDE + textwrap.dedent(body)
        session = EngineSession(
            command or [sys.executable, "-I", "-S", "-c", code],
            env={"PATH": "/usr/bin:/bin"},
            cwd=tmp_path,
            log_path=log_path,
            redactor=Redactor([CANARY]),
            guardian=guardian,
        )
        sessions.append(session)
        return session

    yield make
    for session in sessions:
        session.kill()
