"""An old green release does not stand in for a newer red one, nor a part for a whole."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import pytest

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.published import read_published
from certification_pipeline.report.published_order import (
    newer_releases,
    refuse_going_back,
    refuse_superseded,
)
from tests.evidence.builders import provenance
from tests.verify.builders import decided

ENGINE = "reference"
PATH = Path("docs/published/reference.json")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> EvidenceStore:
    """A green release, then one that lost three rows, then a green one of another part."""
    root = tmp_path_factory.mktemp("order") / "evidence"
    decided(root, "r1")
    decided(root, "r2", lost=3, minutes=60)
    decided(root, "r3", minutes=120, scenarios=("batch.empty",))
    return EvidenceStore(root)


@pytest.fixture(scope="module")
def record(store: EvidenceStore) -> PublishedRecord:
    return read_published(store, "r1", ENGINE, provenance(80))


def test_the_newest_release_of_as_much_is_published_and_no_other(store: EvidenceStore) -> None:
    assert list(newer_releases(store, "r1", ENGINE)) == ["r2"]
    with pytest.raises(EvidenceError, match="is not reference's newest release: r2 was sealed after it"):
        refuse_superseded(store, "r1", ENGINE)
    refuse_superseded(store, "r2", ENGINE)  # r3 covers less, and takes nobody's place
    refuse_superseded(store, "r3", ENGINE)


def test_a_red_release_that_was_removed_is_still_newer(store: EvidenceStore, tmp_path: Path) -> None:
    root = Path(shutil.copytree(store.root, tmp_path / "evidence"))
    shutil.rmtree(root / "releases" / "r2")
    assert list(newer_releases(EvidenceStore(root), "r1", ENGINE)) == ["r2"], "the chain remembers it"


def test_a_release_that_was_never_decided_is_newer_too(store: EvidenceStore, tmp_path: Path) -> None:
    root = Path(shutil.copytree(store.root, tmp_path / "evidence"))
    shutil.rmtree(root / "chain")
    assert list(newer_releases(EvidenceStore(root), "r1", ENGINE)) == ["r2"]


def test_nothing_older_and_no_part_takes_the_place_of_what_is_published(record: PublishedRecord) -> None:
    part, record = record, record.model_copy(update={"selection": Selection()})
    assert record.evidence_until is not None
    older = record.model_copy(update={"evidence_until": record.evidence_until - timedelta(minutes=1)})
    refuse_going_back(None, older, PATH)
    refuse_going_back(older, record, PATH)
    refuse_going_back(record, record, PATH)
    with pytest.raises(EvidenceError, match=r"evidence_until: rests on evidence of .*remove reference\.json"):
        refuse_going_back(record, older, PATH)
    with pytest.raises(EvidenceError, match="no evidence"):
        refuse_going_back(record, record.model_copy(update={"evidence_until": None}), PATH)
    with pytest.raises(EvidenceError, match=r"selection: holds a whole release \(r1\); r1 is a part"):
        refuse_going_back(record, part, PATH)
    refuse_going_back(part, record, PATH)
