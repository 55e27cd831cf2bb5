"""A store that somebody touched, and one that is old: nothing of it is put in place."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.evidence.anchor import CheckpointAnchor
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.gates.transfer.remote_chain import blob_key
from tests.evidence.builders import ENGINE
from tests.ledger.chains import Pen
from tests.ledger.pushing import PEN, pulled, pushed
from tests.ledger.releases import problems, release

Damage = Callable[[Path], object]


def _blob_of(root: Path, shared: Path) -> Path:
    entry = ChainDir(root, ENGINE).entry(ChainDir(root, ENGINE).listing()[0][-1])
    return shared / blob_key(entry.artifacts[0].sha256)


def _write(relative: str, data: bytes) -> Callable[[Path, Path], object]:
    def damage(_: Path, shared: Path) -> None:
        path = shared / relative
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)

    return damage


def _replace(relative: str, old: bytes, new: bytes) -> Callable[[Path, Path], object]:
    def damage(_: Path, shared: Path) -> None:
        path = shared / relative
        data = path.read_bytes()
        assert old in data
        path.write_bytes(data.replace(old, new, 1))

    return damage


CHAIN = f"chain/{ENGINE}"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda root, shared: _blob_of(root, shared).unlink(), "is gone"),
        (lambda root, shared: _blob_of(root, shared).write_bytes(b"x"), "is not what its digest says"),
        (lambda root, shared: _blob_of(root, shared).write_bytes(b"x" * (1 << 20)), "more than the"),
        (
            lambda _, shared: (shared / CHAIN / "entries/000002.json").unlink(),
            "has no entry 2, but later ones",
        ),
        (lambda _, shared: (shared / CHAIN / "entries/000003.json").unlink(), "some were removed"),
        (_replace(f"{CHAIN}/entries/000002.json", b'"passed"', b'"failed"'), "was edited"),
        (_replace(f"{CHAIN}/entries/000003.json", b'"r1"', b'"r/1"'), "no safe release id"),
        (_replace(f"{CHAIN}/entries/000003.json", b'"path": "', b'"path": "../'), "no path inside"),
        (_write(f"{CHAIN}/entries/4.json", b"{}"), "which is no entry"),
        (_write(f"{CHAIN}/entries/000004.json", b"{}"), "schema_version"),
        (_write(f"{CHAIN}/checkpoint", b"x\n"), "is no checkpoint"),
        (
            _write(f"{CHAIN}/checkpoint", make_checkpoint(ENGINE, [bytes(32)], None).render()),
            "has a checkpoint of another chain",
        ),
        (_write(f"decisions/{ENGINE}.json", b"{}"), "Field required"),
        (
            _replace(f"decisions/{ENGINE}.json", b'"release_summary.json"', b'"artifact_index.json"'),
            "as a decision",
        ),
        (_replace(f"decisions/{ENGINE}.json", b'"release_id": "r1"', b'"release_id": "../r1"'), "no safe"),
    ],
)
def test_a_store_that_was_touched_puts_nothing_in_place(
    root: Path, remote: DirectoryStore, tmp_path: Path, damage: Callable[[Path, Path], object], told: str
) -> None:
    pushed(root, remote)
    damage(root, tmp_path / "shared")
    away = tmp_path / "away"
    with pytest.raises(EvidenceError, match=told):
        pulled(remote, away)
    assert not (away / "chain" / ENGINE / "head.json").exists()
    assert not (away / "releases").exists()


def test_an_old_copy_of_a_store_is_found_by_who_has_more_an_anchor_or_the_checkpoint(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    pushed(root, remote)
    old = Path(shutil.copytree(tmp_path / "shared", tmp_path / "old-store"))
    release(root, "r3", pen=PEN)
    pushed(root, remote)
    checkpoint = ChainDir(root, ENGINE).checkpoint()[0]
    with pytest.raises(EvidenceError, match="cut off, or an old copy was put back"):
        pulled(DirectoryStore(old), tmp_path / "away", anchor=CheckpointAnchor(checkpoint))
    back = pulled(DirectoryStore(old), root)
    assert "1 entries here are not in the store yet" in back.notes[-1]
    last = sorted((tmp_path / "shared" / CHAIN / "entries").iterdir())[-1]
    last.unlink()
    with pytest.raises(EvidenceError, match="over 4 entries, but 3 entries: some were removed"):
        pushed(root, remote)


def test_a_key_that_did_not_sign_gets_nothing(root: Path, remote: DirectoryStore, tmp_path: Path) -> None:
    pushed(root, remote)
    with pytest.raises(EvidenceError, match="did not sign"):
        pulled(remote, tmp_path / "away", keys=[Pen(2).public_key])
    assert not (tmp_path / "away/releases").exists()


def test_entries_beyond_a_signed_checkpoint_are_left_to_who_asks_for_no_key(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    pushed(root, remote)
    before = (tmp_path / "shared" / CHAIN / "checkpoint").read_bytes()
    release(root, "r3", pen=PEN)
    pushed(root, remote)
    (tmp_path / "shared" / CHAIN / "checkpoint").write_bytes(before)  # as if stopped before it
    signed = pulled(remote, tmp_path / "signed", keys=[PEN.public_key])
    assert signed.size == 3
    assert "lags by 1 entries" in signed.notes[0]
    whole = pulled(remote, tmp_path / "whole")
    assert whole.size == 4
    assert problems(tmp_path / "signed") == problems(tmp_path / "whole") == []
    pushed(root, remote)
    assert pulled(remote, tmp_path / "signed", keys=[PEN.public_key]).entries == 1
