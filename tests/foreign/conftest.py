"""A copy of the real artifacts that a test may spoil."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.foreign.claims import ForeignArtifact, ForeignClaim, ForeignReport
from certification_pipeline.evidence.foreign.folder import Folder
from certification_pipeline.gates.foreign.dpone.examine import Examination, dpone_claims
from tests.cli.conftest import Certify, certify

__all__ = ["Certify", "certify"]

REAL = Path(__file__).parent / "golden/dpone-0.88.0"

Edit = Callable[[dict[str, Any]], None]


class Spoilt:
    """A folder of real artifacts."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def edit(self, path: str, change: Edit) -> None:
        """Change one file's object in place."""
        value = json.loads((self.root / path).read_text())
        change(value)
        self.write(path, value)

    def write(self, path: str, value: object) -> None:
        """Put a file there, as dpone would spell it."""
        self.write_text(path, json.dumps(value, indent=2, sort_keys=True) + "\n")

    def write_text(self, path: str, text: str) -> None:
        """Put any text there; the file is a link to the real one, which stays as it is."""
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).unlink(missing_ok=True)
        (self.root / path).write_text(text)

    def report(self) -> ForeignReport:
        """What is made of it."""
        return dpone_claims(self.root)

    def artifact(self, path: str) -> ForeignArtifact:
        """What is made of one file."""
        examined = Examination(Folder(self.root)).examined(path)
        assert examined is not None
        return examined.artifact

    def claims(self, path: str) -> dict[str, ForeignClaim]:
        """Its claims by name."""
        return {claim.claim: claim for claim in self.artifact(path).claims}

    def contradicted(self, path: str) -> set[str]:
        """Names of its claims that are contradicted."""
        return {name for name, claim in self.claims(path).items() if claim.outcome is Outcome.FAILED}


def link(source: str, target: str) -> None:
    """Cheaper than a copy, where the file system can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@pytest.fixture
def real(tmp_path: Path) -> Spoilt:
    return Spoilt(Path(shutil.copytree(REAL, tmp_path / "dpone", copy_function=link)))


@pytest.fixture
def empty(tmp_path: Path) -> Spoilt:
    root = tmp_path / "dpone"
    root.mkdir()
    return Spoilt(root)
