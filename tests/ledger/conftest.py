"""A chain that is pushed, and a store to push it to."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from certification_pipeline.evidence.stores.directory import DirectoryStore
from tests.ledger.pushing import PEN
from tests.ledger.releases import release


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """r1, r2, r1 run again: entry 1 is superseded. Signed."""
    root = tmp_path_factory.mktemp("ledger")
    for release_id, run_id in (("r1", "a"), ("r2", "a"), ("r1", "b")):
        release(root, release_id, run_id, PEN)
    return root


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "here"))


@pytest.fixture
def remote(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "shared")
