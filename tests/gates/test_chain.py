"""The evidence chain: every single edit is found and named, and no way to be killed breaks it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.anchor import HashAnchor
from certification_pipeline.evidence.chain import (
    GENESIS,
    ChainedArtifact,
    EvidenceChainEntry,
    EvidenceChainHead,
)
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import Checkpoint, make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import create_atomically
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.chain import Appended, append, sign, verify
from certification_pipeline.gates.chain_anchor import read_anchor
from certification_pipeline.gates.chain_links import Tampering
from certification_pipeline.gates.decide import decide, write_report, write_suite
from certification_pipeline.gates.release_summary import release_summary
from tests.evidence.builders import ENGINE, SMALL, cell, plan
from tests.ledger.chains import Pen

CHECKOUT = Path(__file__).parents[2]
UNSIGNED = "the checkpoint is not signed"


def undecided(root: Path, release_id: str = "r1", run_id: str = "run-1") -> None:
    """Everything up to the index: what an entry is to hold."""
    directory = EvidenceStore(root).release(release_id, ENGINE)
    sealed = directory.seal_plan(plan(SMALL).model_copy(update={"release_id": release_id}))
    for each in SMALL[:2]:
        directory.write(cell(sealed, each, run_id=run_id))
    write_report(directory, run_id)
    write_suite(directory, run_id)
    index = artifact_index(directory, stamp(run_id))
    directory.write(index, markdown(index))


def chain(root: Path, release_id: str = "r1") -> EvidenceChainEntry:
    """Append, and decide on what was appended."""
    store = EvidenceStore(root)
    directory = store.release(release_id, ENGINE)
    entry = append(store, directory, stamp("chain")).entry
    summary = release_summary(directory, stamp("chain"))
    directory.write(summary, markdown(summary))
    return entry


def decided(root: Path, release_id: str = "r1", run_id: str = "run-1") -> None:
    undecided(root, release_id, run_id)
    chain(root, release_id)


def found(root: Path, **options: Any) -> list[tuple[Tampering, str]]:
    return [(each.kind, each.path) for each in verify(EvidenceStore(root), ENGINE, **options).problems]


def entries(root: Path) -> list[Path]:
    return sorted((root / "chain" / ENGINE).glob("*__*.json"))


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


def test_an_honest_chain_verifies_from_anywhere_and_after_a_move(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = root.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    for each in (moved, Path("moved")):
        seen = verify(EvidenceStore(each), ENGINE)
        assert (seen.outcome, seen.problems, seen.notes) == (Outcome.PASSED, (), (UNSIGNED,))
    assert [entry.sequence for entry in seen.entries] == [1, 2, 3, 4]
    assert [str(name) for name in seen.superseded] == ["000001__r1.json"]
    everything = [path for path in (moved / "releases").rglob("*") if path.is_file()]
    assert seen.files_checked == len(everything)
    chained = {artifact.path for artifact in seen.entries[-1].artifacts}
    assert {"artifact_index.json", "artifact_index.md", "certification_suite.json"} <= chained
    assert not any(path.startswith("release_summary") for path in chained), "it rests on this entry"


def test_the_hash_can_be_checked_without_this_package(root: Path) -> None:
    import hashlib

    previous = GENESIS
    for path in entries(root):
        content = json.loads(path.read_text())
        stated = content.pop("chain_hash")
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        assert stated == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        assert content["previous_chain_hash"] == previous
        previous = stated


def test_the_same_release_twice_is_one_entry(root: Path) -> None:
    before = [path.read_bytes() for path in entries(root)]
    store = EvidenceStore(root)
    for release_id, sequence in (("r3", 4), ("r2", 2), ("r1", 3)):
        again = append(store, store.release(release_id, ENGINE), stamp("again"))
        assert (again.new, again.entry.sequence) == (False, sequence)
    assert [path.read_bytes() for path in entries(root)] == before
    assert found(root) == []


def test_a_release_run_again_is_red_until_it_is_chained_again(root: Path) -> None:
    undecided(root, "r2", "later")
    assert {kind for kind, _ in found(root)} == {Tampering.EDITED}
    assert chain(root, "r2").sequence == 5
    assert found(root) == []


# --- every single edit -------------------------------------------------------------------------------------


def checked_files(root: Path) -> list[Path]:
    chain_dir = root / "chain" / ENGINE
    links = [path for path in chain_dir.iterdir() if path.name != ".lock"]
    return sorted([*links, *(path for path in (root / "releases").rglob("*") if path.is_file())])


def _in_a_copy(pristine: Path, edit: Callable[[Path], None]) -> list[tuple[Tampering, str]]:
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(shutil.copytree(pristine, Path(scratch) / "evidence"))
        edit(copy)
        return found(copy)


many = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], database=None
)


@many
@given(data=st.data())
def test_a_flipped_bit_anywhere_is_found_and_named(pristine: Path, data: st.DataObject) -> None:
    paths = [str(path.relative_to(pristine)) for path in checked_files(pristine)]
    path = data.draw(st.sampled_from(paths))
    content = bytearray((pristine / path).read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    problems = _in_a_copy(pristine, lambda copy: (copy / path).write_bytes(content) and None)
    where = {named for _, named in problems}
    # A head that was edited may name an entry that is not there: then the chain as a whole is short.
    assert where == {path} or (path.endswith("head.json") and where == {f"chain/{ENGINE}"}), problems


@many
@given(data=st.data())
def test_a_deleted_a_shortened_or_an_inserted_file_is_found(pristine: Path, data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([str(p.relative_to(pristine)) for p in checked_files(pristine)]))
    how = data.draw(st.sampled_from(["delete", "shorten", "insert", "lengthen", "link"]))
    new = str(Path(path).with_name("inserted-" + Path(path).name))

    def edit(copy: Path) -> None:
        victim = copy / path
        if how == "delete":
            victim.unlink()
        elif how == "insert":
            shutil.copy(victim, copy / new)
        elif how == "link":
            victim.rename(copy.parent / "elsewhere")
            victim.symlink_to(copy.parent / "elsewhere")
        else:
            size = victim.stat().st_size
            keep = data.draw(st.integers(0, size - 1)) if how == "shorten" else size
            victim.write_bytes(victim.read_bytes()[:keep] + (b"\n" if how == "lengthen" else b""))

    problems = _in_a_copy(pristine, edit)
    assert problems
    if how == "insert":
        assert (Tampering.ADDED, new) in problems
    elif how == "delete" and path.startswith("releases"):
        assert problems == [(Tampering.DELETED, path)]
    elif how != "delete":
        assert problems == [(Tampering.EDITED, path)]


@many
@given(data=st.data())
def test_two_files_that_change_places_are_found(pristine: Path, data: st.DataObject) -> None:
    files = [path for path in checked_files(pristine) if path.suffix == ".json"]
    names = st.sampled_from([str(path.relative_to(pristine)) for path in files])
    one, other = data.draw(st.lists(names, min_size=2, max_size=2, unique=True))
    if (pristine / one).read_bytes() == (pristine / other).read_bytes():
        return

    def swap(copy: Path) -> None:
        first, second = (copy / one).read_bytes(), (copy / other).read_bytes()
        (copy / one).write_bytes(second)
        (copy / other).write_bytes(first)

    where = {named for _, named in _in_a_copy(pristine, swap)}
    # Without a sound entry there is nothing to hold an artifact against.
    named = {path for path in (one, other) if path.startswith("chain/")} or {one, other}
    assert named & where if any(path.endswith("head.json") for path in named) else named <= where


@pytest.mark.parametrize("cut", [1, 2, 3, 4])
def test_a_tail_cut_off_is_truncation(root: Path, cut: int) -> None:
    for path in entries(root)[-cut:]:
        path.unlink()
    assert (Tampering.TRUNCATED, f"chain/{ENGINE}") in found(root)
    with pytest.raises(EvidenceError, match="truncated"):
        chain(root, "r3")


def test_an_entry_taken_out_of_the_middle_is_named(root: Path) -> None:
    entries(root)[1].unlink()
    assert found(root) == [(Tampering.DELETED, f"chain/{ENGINE}/000002__*.json")]


def test_renamed_entries_are_reordered(root: Path) -> None:
    one, two = entries(root)[1], entries(root)[3]
    one.rename(one.with_name("000004__r2.json"))
    two.rename(two.with_name("000002__r3.json"))
    assert {kind for kind, _ in found(root)} == {Tampering.REORDERED}


def test_an_entry_edited_with_its_hash_made_right_breaks_the_next_link(root: Path) -> None:
    directory = ChainDir(root, ENGINE)
    name = directory.listing()[0][1]
    forged = directory.entry(name).model_copy(update={"run_id": "forged"}).sealed()
    (directory.path / str(name)).unlink()
    directory.add(forged)
    assert found(root) == [
        (Tampering.REORDERED, f"chain/{ENGINE}/000003__r1.json"),
        (Tampering.EDITED, f"releases/r2/{ENGINE}/release_summary.json"),
    ]


def test_files_that_a_damaged_entry_vouched_for_are_said_to_be_unchecked(root: Path) -> None:
    entries(root)[1].write_text("{}")
    seen = verify(EvidenceStore(root), ENGINE)
    assert [each.path for each in seen.problems] == [f"chain/{ENGINE}/000002__r2.json"]
    assert seen.notes == (UNSIGNED, "the files of r2 were not checked: its entry is not sound")


def test_swapped_cells_say_whose_content_they_hold(root: Path) -> None:
    first, second = sorted((root / "releases/r2" / ENGINE / "cells").iterdir())
    a, b = first.read_bytes(), second.read_bytes()
    first.write_bytes(b)
    second.write_bytes(a)
    told = [each.message for each in verify(EvidenceStore(root), ENGINE).problems]
    assert told == [f"it holds what cells/{second.name} held", f"it holds what cells/{first.name} held"]


def test_a_whole_release_that_is_gone_is_one_line(root: Path) -> None:
    shutil.rmtree(root / "releases" / "r2")
    assert found(root) == [(Tampering.DELETED, f"releases/r2/{ENGINE}")]
    assert found(root, release_id="r3") == []


def test_a_release_that_was_never_chained_is_red_when_asked_for_and_noted_otherwise(root: Path) -> None:
    undecided(root, "r4")
    assert found(root) == []
    assert verify(EvidenceStore(root), ENGINE).notes == ("not in the chain: r4", UNSIGNED)
    assert found(root, release_id="r4") == [(Tampering.DELETED, f"chain/{ENGINE}")]


@pytest.mark.parametrize("name", [b"caf\xe9.json", b"\xff"])
def test_a_name_that_is_no_text_is_found_too(root: Path, name: bytes) -> None:
    place = root / "releases/r2" / ENGINE
    Path(os.fsdecode(os.fsencode(place) + b"/" + name)).write_bytes(b"{}")
    assert [kind for kind, _ in found(root)] == [Tampering.ADDED]
    with pytest.raises(EvidenceError, match="no text"):
        chain(root, "r2")


def test_a_decision_that_is_gone_stale_or_retouched_is_found(root: Path) -> None:
    place = root / "releases/r2" / ENGINE
    shown = f"releases/r2/{ENGINE}/release_summary"
    honest = (place / "release_summary.json").read_bytes()
    page = (place / "release_summary.md").read_bytes()
    (place / "release_summary.md").write_text("# PASS\n")
    assert found(root) == [(Tampering.EDITED, f"{shown}.md")]
    (place / "release_summary.md").write_bytes(page)
    (place / "release_summary.json").unlink()
    assert found(root) == [(Tampering.DELETED, f"{shown}.json")]
    undecided(root, "r2", "later")
    (place / "release_summary.json").write_bytes(honest)
    store = EvidenceStore(root)
    append(store, store.release("r2", ENGINE), stamp("later"))
    [problem] = verify(store, ENGINE).problems
    assert problem.message == "it rests on entry 2, the newest is entry 5"
    chain(root, "r2")
    assert found(root) == []


def test_deciding_chains_and_rests_on_its_entry(root: Path) -> None:
    directory = EvidenceStore(root).release("r3", ENGINE)
    summary = decide(directory, "again").summary
    head = ChainDir(root, ENGINE).head()
    assert summary.chain is not None
    assert (summary.chain.sequence, summary.chain.chain_hash) == (5, head.chain_hash)
    entry = verify(EvidenceStore(root), ENGINE).entries[-1]
    assert (entry.release_id, entry.outcome, entry.passed) == ("r3", Outcome.PASSED, True)
    assert found(root) == []


def test_an_entry_says_what_the_suite_is_worth_not_what_it_says(tmp_path: Path) -> None:
    undecided(tmp_path)
    directory = EvidenceStore(tmp_path).release("r1", ENGINE)
    next((directory.path / "cells").iterdir()).unlink()
    index = artifact_index(directory, stamp("index"))
    directory.write(index, markdown(index))
    assert '"outcome": "passed"' in directory.suite_path.read_text()
    assert chain(tmp_path).outcome is Outcome.FAILED


def put_back(chain: ChainDir) -> None:
    """Checkpoint and head as a forger makes them: right for the entries that are there."""
    names = chain.listing()[0]
    leaves = [chain.entry_with_leaf(name)[1] for name in names]
    digest = chain.set_checkpoint(make_checkpoint(ENGINE, leaves, None))
    chain.set_head(EvidenceChainHead.of(ENGINE, chain.entry(names[-1]), digest))


# --- the checkpoint ----------------------------------------------------------------------------------------


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


# --- what may not be chained -------------------------------------------------------------------------------


def test_a_release_without_a_suite_is_refused(tmp_path: Path) -> None:
    undecided(tmp_path)
    (tmp_path / "releases/r1" / ENGINE / "certification_suite.json").unlink()
    with pytest.raises(EvidenceError, match=r"certification_suite\.json") as caught:
        chain(tmp_path)
    assert caught.value.kind is ProblemKind.MISSING
    assert entries(tmp_path) == []


def test_a_release_whose_index_does_not_verify_is_refused(tmp_path: Path) -> None:
    undecided(tmp_path)
    place = tmp_path / "releases/r1" / ENGINE
    (place / "surprise.txt").write_text("x")
    with pytest.raises(EvidenceError, match=r"surprise\.txt is there and not listed"):
        chain(tmp_path)


def test_links_are_refused_wherever_they_lie(root: Path, tmp_path: Path) -> None:
    place = root / "releases/r2" / ENGINE
    cells = (place / "cells").rename(tmp_path / "cells")
    (place / "cells").symlink_to(cells)
    assert (Tampering.ADDED, f"releases/r2/{ENGINE}/cells") in found(root)
    with pytest.raises(EvidenceError, match="cells"):
        chain(root, "r2")
    moved = (root / "chain").rename(tmp_path / "chain")
    (root / "chain").symlink_to(moved)
    for ask in (found, chain):
        with pytest.raises(EvidenceError, match="symbolic link"):
            ask(root)


@pytest.mark.parametrize("path", ["../x", "a/../x", "/etc/passwd", "", "a//b", "./a", "a/", "a\0b"])
def test_a_path_that_leads_out_is_no_artifact(path: str) -> None:
    with pytest.raises(ValidationError):
        ChainedArtifact(path=path, sha256=GENESIS, size_bytes=0)


@pytest.mark.parametrize("engine", ["..", "a/b", "", ".hidden"])
def test_an_engine_name_that_leads_out_is_refused(tmp_path: Path, engine: str) -> None:
    with pytest.raises(EvidenceError, match="no safe"):
        verify(EvidenceStore(tmp_path), engine)


def test_absence_is_never_a_pass(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="is no chain") as caught:
        found(tmp_path)
    assert caught.value.kind is ProblemKind.MISSING


def test_only_one_can_create_a_file(tmp_path: Path) -> None:
    create_atomically(tmp_path / "a", b"first")
    with pytest.raises(EvidenceError, match="is there already"):
        create_atomically(tmp_path / "a", b"second")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"first")]


# --- many writers, and dead ones ---------------------------------------------------------------------------

PREAMBLE = """
import os, sys, time
from pathlib import Path
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.gates.chain import append
import certification_pipeline.evidence.files as files
import certification_pipeline.evidence.chain_dir as chain_dir
store = EvidenceStore(Path(sys.argv[1]))
def go():
    return append(store, store.release(sys.argv[2], "reference"), stamp("child"))
"""


def start(root: Path, release_id: str, program: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(program), str(root), release_id]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)


@pytest.mark.parametrize("releases", [("r1", "r1"), ("r1", "r2"), ("r1", "r2", "r1", "r2")])
def test_processes_that_append_at_once_take_turns(tmp_path: Path, releases: tuple[str, ...]) -> None:
    for release_id in set(releases):
        undecided(tmp_path, release_id)
    program = """
    print("ready", flush=True)
    sys.stdin.readline()
    done = go()
    print(done.entry.sequence, done.new, flush=True)
    """
    children = [start(tmp_path, release_id, program) for release_id in releases]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.communicate()[0].split() for child in children]
    new = sorted(int(sequence) for sequence, is_new in said if is_new == "True")
    assert new == list(range(1, len(set(releases)) + 1))
    for release_id in set(releases):
        chain(tmp_path, release_id)  # nothing new: the decision that rests on it
    assert found(tmp_path) == []
    assert len(entries(tmp_path)) == len(set(releases))


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize(
    ("hang", "written"),
    [
        ("files.os.fsync = hang", False),
        ("Path.hardlink_to = hang", False),
        ("Path.unlink = hang", True),  # the entry is in place under two names
        ("chain_dir.ChainDir.set_checkpoint = hang", True),  # entry there, checkpoint and head behind
        ("chain_dir.ChainDir.set_head = hang_later", True),  # entry and checkpoint there, head behind
        ("Path.replace = hang_later", True),
    ],
)
def test_kill_9_in_the_middle_leaves_a_chain_that_verifies(
    tmp_path: Path, first: bool, hang: str, written: bool
) -> None:
    undecided(tmp_path, "r1")
    undecided(tmp_path, "r2")
    if not first:
        chain(tmp_path, "r1")
    program = f"""
    real = {{"set_head": chain_dir.ChainDir.set_head, "replace": Path.replace}}
    def hang(*_):
        print("now", flush=True)
        time.sleep(600)
    def hang_later(*arguments):
        if {first} and not list(store.root.glob("chain/*/*__*")):
            return real["set_head" if "set_head" in {hang!r} else "replace"](*arguments)
        hang()
    {hang}
    go()
    """
    child = start(tmp_path, "r2", program)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "now\n"
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    there = (not first) + written
    assert len(entries(tmp_path)) == there
    if there:
        seen = verify(EvidenceStore(tmp_path), ENGINE, decisions=False)
        assert seen.problems == ()
        assert any("stopped" in note for note in seen.notes) is written
    entry = chain(tmp_path, "r2")
    assert entry.sequence == (not first) + 1
    assert found(tmp_path) == []
    assert not any("stopped" in note for note in verify(EvidenceStore(tmp_path), ENGINE).notes)
    assert [path.name for path in (tmp_path / "chain" / ENGINE).iterdir() if path.suffix == ".tmp"] == []
