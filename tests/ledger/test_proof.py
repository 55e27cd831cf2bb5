"""A release is proved to be in a chain, to somebody who has nothing but the proof and a key."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.evidence.anchor import Anchor, CheckpointAnchor, HashAnchor, anchor_of
from certification_pipeline.evidence.canonical import parse, render
from certification_pipeline.evidence.chain import GENESIS
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.chain_proof import ChainProof
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_keeping import keep_in_file
from certification_pipeline.gates.chain_links import read_links
from certification_pipeline.gates.chain_proof import check_proof, prove, read_proof
from tests.evidence.builders import ENGINE
from tests.ledger.chains import Pen, grow

SIX = tuple(f"r{number}" for number in range(1, 7))
PEN = Pen()


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    grow(tmp_path / "evidence", *SIX, pen=PEN)
    return EvidenceStore(tmp_path / "evidence")


def anchor(store: EvidenceStore, entries: bool = False) -> CheckpointAnchor:
    checkpoint = ChainDir(store.root, ENGINE).checkpoint()[0]
    if not entries:
        return CheckpointAnchor(checkpoint)
    return anchor_of(checkpoint, read_links(ChainDir(store.root, ENGINE)).leaves)


def test_every_release_is_proved_from_a_file_alone(store: EvidenceStore, tmp_path: Path) -> None:
    path = tmp_path / "proof.json"
    for release_id in SIX:
        path.write_bytes(render(prove(store, ENGINE, release_id)))
        checked = check_proof(read_proof(path), [Pen(9).public_key, PEN.public_key])
        assert (checked.problems, checked.notes) == ((), ())
        assert checked.proof.entry.release_id == release_id


def test_without_a_key_it_says_that_nobody_vouches_for_the_checkpoint(
    store: EvidenceStore, tmp_path: Path
) -> None:
    [note] = check_proof(prove(store, ENGINE, "r2")).notes
    assert "no key was given" in note
    grow(tmp_path / "unsigned", "r1")
    proof = prove(EvidenceStore(tmp_path / "unsigned"), ENGINE, "r1")
    [note] = check_proof(proof).notes
    assert "not signed" in note
    assert check_proof(proof, [PEN.public_key]).problems == ("the key given did not sign the checkpoint",)


Change = Callable[[dict[str, Any]], None]


def _set(*path: Any, to: Any) -> Change:
    def change(value: Any) -> None:
        for step in path[:-1]:
            value = value[step]
        value[path[-1]] = to

    return change


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_set("entry", "outcome", to="failed"), "not what its own hash says"),
        (_set("leaf_index", to=3), "is not leaf 3"),
        (_set("path", 0, to=GENESIS), "does not lead"),
        (_set("path", to=[]), "does not lead"),
        (_set("checkpoint", to=make_checkpoint("dlt", [], PEN).render().decode()), "is of 'certification"),
        (_set("checkpoint", to=make_checkpoint(ENGINE, [], PEN).render().decode()), "does not lead"),
        (_set("checkpoint", to=make_checkpoint(ENGINE, [bytes(32)], PEN).render().decode()), "does not lead"),
    ],
)
def test_an_altered_proof_proves_nothing(store: EvidenceStore, change: Change, told: str) -> None:
    value = json.loads(render(prove(store, ENGINE, "r3")))
    change(value)
    altered = parse(json.dumps(value).encode(), ChainProof, "proof")
    assert any(told in problem for problem in check_proof(altered, [PEN.public_key]).problems)


def test_an_entry_forged_with_its_hash_made_right_does_not_lead_to_the_root(store: EvidenceStore) -> None:
    proof = prove(store, ENGINE, "r3")
    forged = proof.entry.model_copy(update={"run_id": "forged"}).sealed()
    [problem] = check_proof(proof.model_copy(update={"entry": forged}), [PEN.public_key]).problems
    assert "does not lead" in problem


def test_a_proof_since_an_anchor_shows_that_the_chain_grew_from_it(store: EvidenceStore) -> None:
    bare, full = anchor(store), anchor(store, entries=True)
    grow(store.root, "r7", "r8", "r9", pen=PEN)
    for kept in (bare, full):
        proof = prove(store, ENGINE, "r8", kept)
        assert check_proof(proof, [PEN.public_key], kept).problems == ()
        [problem] = check_proof(prove(store, ENGINE, "r8"), [], kept).problems
        assert "nothing in it leads from the anchor's 6 entries" in problem
    with pytest.raises(EvidenceError, match="is a hash"):
        prove(store, ENGINE, "r8", HashAnchor(GENESIS))


def test_an_older_proof_is_held_against_a_newer_anchor_that_lists_entries(store: EvidenceStore) -> None:
    proof = prove(store, ENGINE, "r2")
    assert check_proof(proof, [], anchor(store)).problems == ()
    grow(store.root, "r7")
    assert check_proof(proof, [], anchor(store, entries=True)).problems == ()
    [problem] = check_proof(proof, [], anchor(store)).problems
    assert "ask for a newer one" in problem


def test_a_proof_of_a_forged_chain_does_not_stand_beside_an_anchor(
    store: EvidenceStore, tmp_path: Path
) -> None:
    bare, full = anchor(store), anchor(store, entries=True)
    forged = EvidenceStore(tmp_path / "forged")
    grow(forged.root, "r1", "r2", mark="forged")
    short = prove(forged, ENGINE, "r2")
    assert check_proof(short, [], full).problems == ("the checkpoint is not one of the anchored chain",)
    grow(forged.root, *SIX[2:], mark="forged")
    assert check_proof(prove(forged, ENGINE, "r2"), [], bare).problems == ("the anchor saw other entries",)
    grow(forged.root, "r7", mark="forged")
    with pytest.raises(EvidenceError, match="not those the anchor saw"):
        prove(forged, ENGINE, "r2", bare)
    longer = prove(forged, ENGINE, "r2", CheckpointAnchor(make_checkpoint(ENGINE, first_six(forged), None)))
    [problem] = check_proof(longer, [], bare).problems
    assert "does not begin with the 6 entries" in problem
    other = HashAnchor(GENESIS)
    [problem] = check_proof(longer, [], other).problems
    assert "hash of another entry" in problem
    assert check_proof(longer, [], HashAnchor(longer.entry.chain_hash)).problems == ()


def first_six(store: EvidenceStore) -> tuple[bytes, ...]:
    return read_links(ChainDir(store.root, ENGINE)).leaves[:6]


def test_what_is_not_chained_or_not_sound_is_not_proved(store: EvidenceStore) -> None:
    with pytest.raises(EvidenceError, match="no entry of release 'r9'") as caught:
        prove(store, ENGINE, "r9")
    assert caught.value.kind is ProblemKind.MISSING
    path = store.root / "chain" / ENGINE / "000002__r2.json"
    path.write_bytes(path.read_bytes().replace(b"run-1", b"run-2"))
    with pytest.raises(EvidenceError, match="does not verify"):
        prove(store, ENGINE, "r1")


# --- keeping -----------------------------------------------------------------------------------------------


def test_an_anchor_file_follows_the_chain_and_never_goes_back(store: EvidenceStore, tmp_path: Path) -> None:
    kept = tmp_path / "away" / "kept"
    first = keep_in_file(store, ENGINE, kept)
    assert (first.new, first.anchor.checkpoint.size) == (True, 6)
    assert not keep_in_file(store, ENGINE, kept).new
    grow(store.root, "r7")
    assert keep_in_file(store, ENGINE, kept).anchor.checkpoint.size == 7
    assert [path.name for path in kept.parent.iterdir()] == ["kept"], "no lock or temporary is left"
    before = kept.read_bytes()
    old, fork = EvidenceStore(tmp_path / "old"), EvidenceStore(tmp_path / "fork")
    grow(old.root, *SIX, pen=PEN)
    grow(fork.root, *SIX, mark="fork")
    grow(fork.root, "r7", "r8")
    other: Anchor = anchor(store)
    assert isinstance(other, CheckpointAnchor)
    for backwards, told in ((old, "entry 7 of them"), (fork, "departs from the anchor at entry 1")):
        with pytest.raises(EvidenceError, match=told):
            keep_in_file(backwards, ENGINE, kept)
    assert kept.read_bytes() == before


def test_an_anchor_inside_the_evidence_or_over_something_else_is_refused(
    store: EvidenceStore, tmp_path: Path
) -> None:
    with pytest.raises(EvidenceError, match="lies in the evidence"):
        keep_in_file(store, ENGINE, store.root / "kept")
    notes = tmp_path / "notes.txt"
    notes.write_text("mine")
    with pytest.raises(EvidenceError, match="no hash and no checkpoint"):
        keep_in_file(store, ENGINE, notes)
    assert notes.read_text() == "mine"
    grow(store.root, "r1", engine="dlt")
    keep_in_file(store, "dlt", tmp_path / "dlt")
    with pytest.raises(EvidenceError, match="of another chain"):
        keep_in_file(store, ENGINE, tmp_path / "dlt")


def test_a_chain_without_a_checkpoint_is_not_anchored(store: EvidenceStore, tmp_path: Path) -> None:
    chain = ChainDir(store.root, ENGINE)
    (chain.path / "checkpoint").unlink()
    chain.set_head(chain.head().model_copy(update={"checkpoint": None}))
    with pytest.raises(EvidenceError, match="certify chain append"):
        keep_in_file(store, ENGINE, tmp_path / "kept")
