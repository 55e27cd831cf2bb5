"""What checkpoints and anchors show of a chain that its own entries do not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from certification_pipeline.evidence.anchor import HashAnchor
from certification_pipeline.evidence.chain import (
    EvidenceChainHead,
)
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import Checkpoint
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain import Appended, append, sign, verify
from certification_pipeline.gates.chain_anchor import read_anchor
from certification_pipeline.gates.chain_links import Tampering
from tests.evidence.builders import ENGINE
from tests.gates.chains import UNSIGNED, found, put_back
from tests.ledger.chains import Pen


def append_again(root: Path) -> Appended:
    store = EvidenceStore(root)
    return append(store, store.release("r3", ENGINE), stamp("again"))


def signed_by(root: Path, pen: Pen) -> Checkpoint:
    """On purpose: nobody's key vouched for these entries, or its signature is no more."""
    return sign(EvidenceStore(root), ENGINE, pen).checkpoint


def test_a_chain_from_before_there_were_checkpoints_gets_one_at_the_next_append(root: Path) -> None:
    chain = ChainDir(root, ENGINE)
    (chain.path / "checkpoint").unlink()
    chain.set_head(chain.head().model_copy(update={"checkpoint": None}))
    assert b"checkpoint" not in (chain.path / "head.json").read_bytes(), "as it was spelled then"
    assert verify(EvidenceStore(root), ENGINE).notes == (
        "there is no checkpoint yet, the next append writes one",
    )
    assert found(root) == []
    assert found(root, keys=[Pen().public_key]) == [(Tampering.UNSIGNED, f"chain/{ENGINE}/checkpoint")]
    assert not append_again(root).new
    assert chain.checkpoint()[0].size == 4
    assert verify(EvidenceStore(root), ENGINE).notes == (UNSIGNED,)


def test_who_holds_a_key_is_told_of_a_checkpoint_it_did_not_sign(root: Path) -> None:
    mine, other = Pen(), Pen(2)
    unsigned = [(Tampering.UNSIGNED, f"chain/{ENGINE}/checkpoint")]
    assert found(root, keys=[mine.public_key]) == unsigned
    assert signed_by(root, mine).signed_by(mine.public_key)
    assert found(root, keys=[other.public_key, mine.public_key]) == []
    assert found(root, keys=[other.public_key]) == unsigned
    [note] = verify(EvidenceStore(root), ENGINE).notes
    assert "no key was given" in note
    append_again(root)
    assert found(root, keys=[mine.public_key]) == [], "appending without a key takes no signature off"


@pytest.mark.parametrize("at", ["size", "root", "signature", "line more", "stripped", "another's"])
def test_a_checkpoint_that_was_touched_is_named_without_a_key_too(root: Path, at: str) -> None:
    signed_by(root, Pen())
    chain = ChainDir(root, ENGINE)
    path = chain.path / "checkpoint"
    whole = path.read_text()
    lines = whole.split("\n")
    match at:
        case "size":
            lines[1] = "3"
        case "root":
            lines[2] = lines[2].replace(lines[2][0], "B" if lines[2][0] == "A" else "A", 1)
        case "signature":
            lines[4] = lines[4][:-10] + ("A" if lines[4][-10] != "A" else "B") + lines[4][-9:]
        case "line more":
            lines.insert(3, "released by nobody")
        case "stripped":
            lines = [*lines[:3], ""]
        case _:
            lines[0] = "certification_pipeline/dlt"
    path.write_text("\n".join(lines))
    # Of a signature that was taken off whole and a head that was edited, the same is left.
    file = "head.json" if at == "stripped" else "checkpoint"
    assert found(root) == [(Tampering.EDITED, f"chain/{ENGINE}/{file}")]
    if at in {"signature", "stripped"}:
        signed_by(root, Pen())  # what it says of the entries is right: nothing is hidden by writing it anew
        assert path.read_text() == whole
        assert found(root) == []
    else:
        with pytest.raises(EvidenceError, match="does not verify"):
            signed_by(root, Pen())


def test_a_tail_cut_off_with_its_head_is_still_counted_by_the_checkpoint(root: Path) -> None:
    chain = ChainDir(root, ENGINE)
    names = chain.listing()[0]
    (chain.path / str(names[-1])).unlink()
    chain.set_head(EvidenceChainHead.of(ENGINE, chain.entry(names[-2])))
    assert found(root) == [(Tampering.TRUNCATED, f"chain/{ENGINE}")]
    with pytest.raises(EvidenceError, match="counts 4 entries, the last one there is 3"):
        append_again(root)


# --- the anchor --------------------------------------------------------------------------------------------


def test_only_an_anchor_shows_a_tail_cut_off_with_its_head(root: Path, tmp_path: Path) -> None:
    directory = ChainDir(root, ENGINE)
    kept = tmp_path / "kept.json"
    shutil.copy(directory.path / "head.json", kept)
    anchor = read_anchor(str(kept))
    head = directory.head()
    assert anchor == HashAnchor(head.chain_hash, head.sequence)
    assert read_anchor(head.chain_hash) == read_anchor(head.chain_hash[7:]) == HashAnchor(head.chain_hash)
    last = directory.listing()[0][-1]
    (directory.path / str(last)).unlink()
    before = directory.entry(directory.listing()[0][-1])
    directory.set_head(head.of(ENGINE, before, head.checkpoint))
    assert found(root) == [(Tampering.TRUNCATED, f"chain/{ENGINE}")], "the checkpoint counts it"
    put_back(directory)
    assert found(root) == [], "this is what a chain cannot show by itself"
    assert found(root, anchor=anchor) == [(Tampering.UNANCHORED, f"chain/{ENGINE}")]
    assert found(root, anchor=read_anchor(before.chain_hash)) == []


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"chain_hash": 1}', "sha256:abc", "\udcff", "{"])
def test_what_is_no_anchor_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "anchor"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(EvidenceError, match=r"hash|JSON"):
        read_anchor(str(path))
    with pytest.raises(EvidenceError, match="No such file"):
        read_anchor("no-such-file")
