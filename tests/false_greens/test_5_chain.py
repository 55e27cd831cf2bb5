"""False green 5: dpone's chain hashed an index only: an edited artifact was missed, verifying failed from
another directory, and appending the same release twice broke the chain.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Certify


def test_an_edited_artifact_is_found(certify: Certify, root: Path, place: Path) -> None:
    for path in (next((place / "cells").iterdir()), place / "certification_report.md"):
        honest = path.read_bytes()
        path.write_bytes(honest + b" ")
        answer = certify("chain", "verify", "--evidence-dir", root)
        assert answer.code == 1
        assert path.name in answer.out
        path.write_bytes(honest)
    assert certify("chain", "verify", "--evidence-dir", root).code == 0


def test_it_verifies_from_anywhere(certify: Certify, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    moved = root.rename(root.parent / "elsewhere")
    monkeypatch.chdir("/")
    assert certify("chain", "verify", "--evidence-dir", moved).code == 0


def test_twice_is_once_and_the_next_release_follows(certify: Certify, root: Path) -> None:
    for _ in range(2):
        assert "unchanged since entry 1" in certify("chain", "append", "--evidence-dir", root).out
    assert certify("release-summary", "--evidence-dir", root).code == 0
    assert certify("chain", "verify", "--evidence-dir", root).code == 0
