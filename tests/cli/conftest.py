"""The command line as a user meets it: exit code, standard output, standard error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from certification_pipeline.cli.errors import run_app
from tests.report.on_disk import few, write_release


@dataclass(frozen=True)
class Answer:
    """What one command left behind."""

    code: int
    out: str
    err: str


Certify = Callable[..., Answer]


@pytest.fixture
def certify(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Certify:
    """Run ``certify`` in an empty directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: object) -> Answer:
        capsys.readouterr()
        code = run_app([str(word) for word in words])
        captured = capsys.readouterr()
        return Answer(code, captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A red release (dlt) and, as the latest, a green one (reference). Commands that write get a copy."""
    root = tmp_path_factory.mktemp("evidence")
    write_release(root, "dlt", release_id="red", takes=few)
    write_release(root, "reference", release_id="green", takes=few)
    return root
