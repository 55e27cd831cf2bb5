"""``certify ui`` as a process: Dagster's pages and the evidence on one port, and nothing left behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from typer.testing import CliRunner

from certification_pipeline.cli.app import app
from tests.report.on_disk import write_release

ROOT = Path(__file__).resolve().parents[2]


def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = CliRunner().invoke(app, ["ui", "--port", str(port)])
    assert done.exit_code == 2
    assert "--port" in done.output
    assert str(port % 65535 + 1) in done.output


def test_a_workspace_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["ui", "--workspace", str(tmp_path / "none.yaml")])
    assert done.exit_code == 2
    assert "is no file" in done.output


@pytest.mark.nightly
@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_it_serves_both_and_leaves_nothing_running(tmp_path: Path, end: signal.Signals) -> None:
    write_release(tmp_path / "evidence", "reference", release_id="r1")
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
