"""A chain of four entries, and a copy of it to damage."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.gates.chains import decided


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """r1, r2, r1 run again (so that entry 1 is superseded), r3."""
    root = tmp_path_factory.mktemp("chain")
    for release_id, run_id in (("r1", "a"), ("r2", "a"), ("r1", "b"), ("r3", "a")):
        decided(root, release_id, run_id)
    return root


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "evidence"))
