"""``certify ui`` as a process: Dagster's pages and the evidence on one port, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from certification_pipeline.cli.app import app
from certification_pipeline.cli.ui import SERVER
from certification_pipeline.orchestration import web
from tests.report.on_disk import few, write_release

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def ui(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[object, str]]:
    """`certify ui` with the process it becomes called in this one: exit code, and what it said."""

    def run(*words: str) -> tuple[object, str]:
        become: list[list[str]] = []
        monkeypatch.setenv("CERTIFY_EVIDENCE_DIR", "evidence")  # it sets it itself: undone with this
        monkeypatch.setattr(os, "execv", lambda program, argv: become.append([program, *argv]))
        done = CliRunner().invoke(app, ["ui", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        ((program, *argv),) = become
        assert [program, *argv[:3]] == [sys.executable, sys.executable, "-m", SERVER]
        return web.main(argv[3:]), capsys.readouterr().err

    return run


def test_a_port_that_is_taken_is_told_before_anything_starts(ui: Callable[..., tuple[object, str]]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = ui("--port", str(port))
    assert code == 2
    assert f"--port {port}: Address already in use" in said
    assert f"--port {port % 65535 + 1}" in said


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--workspace", "none.yaml"), "--workspace none.yaml is no file"),
        (("--host", "192.0.2.1"), "--host 192.0.2.1 --port 3000: "),
    ],
)
def test_what_cannot_be_served_is_told(
    ui: Callable[..., tuple[object, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: tuple[str, ...],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    code, said = ui(*words)
    assert code == 2
    assert told in said
    assert "Stop what listens there" not in said


@pytest.mark.nightly
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_serves_both_and_leaves_nothing_running(tmp_path: Path, end: signal.Signals) -> None:
    write_release(tmp_path / "evidence", "reference", release_id="r1", takes=few)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "certification_pipeline.cli", "ui", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "CERTIFY_EVIDENCE_DIR": str(tmp_path / "evidence"), "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stderr is not None
    try:
        said = next(line for line in server.stderr if "evidence: http" in line)
        assert f"http://127.0.0.1:{port}/evidence/" in said
        base = f"http://127.0.0.1:{port}"
        assert json.loads(_get(f"{base}/server_info"))["dagster_version"]
        assert b'<div id="root">' in _get(f"{base}/assets/publish/reference")
        summary = _get(f"{base}/evidence/releases/r1/reference/release_summary.json")
        assert json.loads(summary)["outcome"] == "passed"
    finally:
        server.send_signal(end)
        code = server.wait(60)
    # Whoever still lives holds the other end of its standard error.
    server.stderr.read()
    assert code == (-end if end is signal.SIGKILL else 0)


def _get(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=60) as answer:
        return bytes(answer.read())
