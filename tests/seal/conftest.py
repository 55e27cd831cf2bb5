"""One signed release, made once; a test that changes it gets a copy."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.evidence.builders import ENGINE, RELEASE
from tests.gates.releases import decided_release
from tests.seal.canary import SIGNER


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> SubjectDir:
    """To be left as it is."""
    return decided_release(tmp_path_factory.mktemp("sealed"), signer=SIGNER)


@pytest.fixture
def directory(sealed: SubjectDir, tmp_path: Path) -> SubjectDir:
    """To be changed."""
    root = tmp_path / "evidence"
    shutil.copytree(EvidenceStore.holding(sealed).root, root)
    return EvidenceStore(root).release(RELEASE, ENGINE)
