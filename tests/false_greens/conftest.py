"""A green release that a forger may spoil, and the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Certify, certify, evidence

__all__ = ["Certify", "certify", "evidence"]


@pytest.fixture
def root(evidence: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


@pytest.fixture
def place(root: Path) -> Path:
    """The green subject's directory."""
    return root / "releases/green/reference"
