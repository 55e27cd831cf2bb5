"""Publication: only a release that is green now, verified from disk, and never half."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.evidence.canonical import parse
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.publish import publish
from tests.report.on_disk import few, write_release


def released(root: Path, **options: object) -> EvidenceStore:
    write_release(root, "reference", release_id="r1", takes=few, **options)  # type: ignore[arg-type]
    return EvidenceStore(root)


def test_a_green_release_is_published_as_a_readable_summary(tmp_path: Path) -> None:
    store = released(tmp_path)
    path = publish(store, store.release("r1", "reference"), "run")
    assert path == tmp_path / "published" / "reference.json"
    summary = parse(path.read_bytes(), ReleaseSummary, "published")
    assert summary.passed
    assert summary.release_id == "r1"


def test_a_release_with_a_missing_cell_is_refused_and_the_old_one_stays(tmp_path: Path) -> None:
    store = released(tmp_path)
    directory = store.release("r1", "reference")
    before = publish(store, directory, "run").read_bytes()
    next((directory.path / "cells").glob("*.json")).unlink()
    with pytest.raises(EvidenceError, match="is not green"):
        publish(store, directory, "run")
    assert (tmp_path / "published" / "reference.json").read_bytes() == before


def test_a_red_release_is_refused(tmp_path: Path) -> None:
    store = released(tmp_path, keep=lambda cell: False)
    with pytest.raises(EvidenceError, match="is not green"):
        publish(store, store.release("r1", "reference"), "run")
    assert not (tmp_path / "published").exists()
