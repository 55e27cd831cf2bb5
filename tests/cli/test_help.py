from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.conftest import Certify

HEAVY = ("pandas", "pydantic", "duckdb", "pyarrow", "dagster", "psycopg", "jinja2", "rich.live", "numpy")


def test_help_loads_nothing_heavy() -> None:
    """The budget of 200 ms holds because of this; a clock would only be flaky."""
    code = (
        "import sys\nfrom certification_pipeline.cli.errors import run_app\n"
        f"run_app(['--help'])\nprint('loaded:', [m for m in {HEAVY!r} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "loaded: []" in done.stdout


def test_the_module_runs_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "certification_pipeline.cli", "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert done.stdout.startswith("certify 0.")


@pytest.mark.parametrize(
    "command",
    [
        "run",
        "plan",
        "benchmark",
        "lineage",
        "strategy-bundle",
        "evidence-bundle",
        "replay",
        "suite",
        "release-summary",
        "attest",
        "chain",
        "report",
        "matrix",
        "show",
        "scenario",
        "engine",
        "catalog",
        "doctor",
        "guarantees",
        "levels",
        "notify",
        "keys",
    ],
)
def test_every_command_explains_itself(certify: Certify, command: str) -> None:
    answer = certify(command, "--help")
    assert answer.code == 0
    assert f"certify {command}" in answer.out


@pytest.mark.parametrize(
    "words", [("nonsense",), ("run", "--nonsense"), ("run", "--rows", "many"), ("show", "--by", "x")]
)
def test_wrong_usage_is_two_and_no_traceback(certify: Certify, words: tuple[str, ...]) -> None:
    answer = certify(*words)
    assert answer.code == 2
    assert "Traceback" not in answer.err
    assert answer.out == ""
