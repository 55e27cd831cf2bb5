"""Anchors: a chain that is not the anchored one grown is told, with the entry at which it departs."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from certification_pipeline.evidence.anchor import (
    Anchor,
    CheckpointAnchor,
    HashAnchor,
    anchor_of,
    parse_anchor,
)
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.git_tags import read_tag, read_tags, write_tag
from certification_pipeline.evidence.merkle import leaf_hash
from certification_pipeline.gates.chain_anchor import departure, read_anchor
from certification_pipeline.gates.chain_links import Tampering, read_links
from tests.evidence.builders import ENGINE
from tests.ledger.chains import Pen, grow

FOUR = ("r1", "r2", "r3", "r4")
SHOWN = f"chain/{ENGINE}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    grow(tmp_path / "evidence", *FOUR)
    return tmp_path / "evidence"


def kept(root: Path) -> dict[str, Anchor]:
    """What somebody may have kept of the chain as it is: each kind of anchor."""
    chain = ChainDir(root, ENGINE)
    links = read_links(chain)
    checkpoint = chain.checkpoint()[0]
    last = links.entries[-1]
    return {
        "hash": HashAnchor(last.chain_hash),
        "head": read_anchor(str(chain.path / "head.json")),
        "entry": read_anchor(str(chain.path / str(links.names[-1]))),
        "checkpoint": read_anchor(str(chain.path / "checkpoint")),
        "entries": parse_anchor(anchor_of(checkpoint, links.leaves).render(), "anchor"),
    }


def told(anchor: Anchor, root: Path) -> tuple[str, str] | None:
    chain = ChainDir(root, ENGINE)
    found = departure(anchor, chain, read_links(chain))
    assert found is None or found.kind is Tampering.UNANCHORED
    return (found.path, found.message) if found else None


def test_the_same_chain_and_one_that_grew_are_the_anchored_one(root: Path) -> None:
    anchors = kept(root)
    assert {type(each) for each in anchors.values()} == {HashAnchor, CheckpointAnchor}
    for name, anchor in anchors.items():
        assert told(anchor, root) is None, name
    grow(root, "r5", "r6", "r7")
    for name, anchor in anchors.items():
        assert told(anchor, root) is None, name


@pytest.mark.parametrize("left", [1, 2, 3])
def test_an_old_copy_or_a_tail_cut_off_says_which_entries_are_gone(
    root: Path, tmp_path: Path, left: int
) -> None:
    old = tmp_path / "old"
    grow(old, *FOUR[:left])
    anchors = kept(root)
    gone = "entry 4" if left == 3 else f"entries {left + 1} to 4"
    message = f"the anchor saw 4 entries, {gone} of them are gone: cut off, or an old copy was put back"
    for name in ("head", "entry", "checkpoint", "entries"):
        assert told(anchors[name], old) == (SHOWN, message), name
    found = told(anchors["hash"], old)
    assert found is not None
    assert "the tail was cut off" in found[1]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
@pytest.mark.parametrize("more", [0, 2])
def test_a_chain_written_anew_departs_at_the_first_entry_that_was(
    root: Path, tmp_path: Path, at: int, more: int
) -> None:
    forged = tmp_path / "forged"
    if at > 1:
        grow(forged, *FOUR[: at - 1])
    grow(forged, *FOUR[at - 1 :], *[f"more{n}" for n in range(more)], mark="forged")
    anchors = kept(root)
    where = f"{SHOWN}/{at:06d}__r{at}.json"
    assert told(anchors["entries"], forged) == (where, f"the chain departs from the anchor at entry {at}")
    assert told(anchors["checkpoint"], forged) == (
        SHOWN,
        "the first 4 entries are not those the anchor saw: one of them was written anew",
    )
    path, message = told(anchors["entry"], forged) or ("", "")
    assert path == f"{SHOWN}/000004__r4.json"
    assert message.endswith("at entry 4" if at == 4 else "at entry 4 or before")
    assert told(anchors["hash"], forged) is not None
    assert told(anchors["head"], forged) is not None


def test_a_fork_shorter_than_the_anchor_departs_where_it_forked(root: Path, tmp_path: Path) -> None:
    fork = tmp_path / "fork"
    grow(fork, "r1")
    grow(fork, "r2", mark="other")
    anchors = kept(root)
    found = told(anchors["entries"], fork)
    assert found == (f"{SHOWN}/000002__r2.json", "the chain departs from the anchor at entry 2")


def test_a_damaged_entry_is_where_it_departs(root: Path) -> None:
    anchors = kept(root)
    (root / SHOWN / "000003__r3.json").write_text("{}")
    at_three = f"{SHOWN}/000003__r3.json"
    assert told(anchors["entries"], root) == (at_three, "the chain departs from the anchor at entry 3")
    found = told(anchors["checkpoint"], root)
    assert found == (at_three, "the chain departs from the anchor at entry 3 or before")


def test_an_anchor_of_another_engine_is_told(root: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    grow(other, *FOUR, engine="dlt")
    anchor = CheckpointAnchor(ChainDir(other, "dlt").checkpoint()[0])
    message = "the anchor is of another chain: 'certification_pipeline/dlt'"
    assert told(anchor, root) == (SHOWN, message)


def test_an_anchor_is_refused_when_its_entries_are_not_its_checkpoints(root: Path) -> None:
    anchor = kept(root)["entries"]
    assert isinstance(anchor, CheckpointAnchor)
    forged = CheckpointAnchor(anchor.checkpoint, (leaf_hash(b"x"), *anchor.leaves[1:]))
    for leaves in (forged.leaves, anchor.leaves[1:]):
        with pytest.raises(ValueError, match="not the entries"):
            anchor_of(anchor.checkpoint, leaves)
        with pytest.raises(EvidenceError, match="entries: lists entries that are not"):
            parse_anchor(CheckpointAnchor(anchor.checkpoint, leaves).render(), "anchor")
    with pytest.raises(EvidenceError, match="no base64 of 32 bytes"):
        parse_anchor(anchor.render() + b"x\n", "anchor")


def test_signatures_are_kept_in_an_anchor(tmp_path: Path) -> None:
    pen = Pen()
    links = grow(tmp_path, *FOUR, pen=pen)
    anchor = anchor_of(ChainDir(tmp_path, ENGINE).checkpoint()[0], links.leaves)
    read = parse_anchor(anchor.render(), "anchor")
    assert read == anchor
    assert anchor.checkpoint.signed_by(pen.public_key)


# --- git ---------------------------------------------------------------------------------------------------

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    where = tmp_path / "repository"
    for key, value in {
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@example.org",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@example.org",
    }.items():
        monkeypatch.setenv(key, value)
    subprocess.run(["git", "init", "--quiet", where], check=True)
    subprocess.run(["git", "-C", where, "commit", "--quiet", "--allow-empty", "-m", "first"], check=True)
    return where


def test_a_tag_holds_an_anchor_byte_for_byte(root: Path, repository: Path) -> None:
    anchor = kept(root)["entries"]
    assert isinstance(anchor, CheckpointAnchor)
    write_tag(repository, "evidence/1", anchor.render())
    write_tag(repository, "other", b"certification_pipeline/reference2\nsomething else\n")
    assert read_tag(repository, "evidence/1") == anchor.render()
    assert read_anchor(f"git:{repository}#evidence/1") == anchor
    assert [name for name, _ in read_tags(repository, anchor.checkpoint.origin)] == ["evidence/1"]
    with pytest.raises(EvidenceError, match="already exists"):
        write_tag(repository, "evidence/1", b"x")


def test_what_is_no_annotated_tag_is_told(root: Path, repository: Path, tmp_path: Path) -> None:
    subprocess.run(["git", "-C", repository, "tag", "light"], check=True)
    for given in (f"git:{repository}#light", f"git:{repository}#none", f"git:{tmp_path}/none#x"):
        with pytest.raises(EvidenceError, match="no annotated tag"):
            read_anchor(given)
    for given in ("git:x", "git:#x", f"git:{repository}#"):
        with pytest.raises(EvidenceError, match="names no repository and tag"):
            read_anchor(given)
    with pytest.raises(EvidenceError, match="git refused"):
        write_tag(repository, "--delete", b"x")


def test_the_repository_named_counts_and_not_a_surrounding_one(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_tag(repository, "there", b"message\n")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    assert read_tag(repository, "there") == b"message\n"
