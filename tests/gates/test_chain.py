"""The evidence chain: every single edit is found and named, and what must not be chained is refused."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.chain import (
    GENESIS,
    ChainedArtifact,
)
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import create_atomically
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.chain import append, verify
from certification_pipeline.gates.chain_links import Tampering
from certification_pipeline.gates.decide import decide
from tests.evidence.builders import ENGINE
from tests.gates.chains import UNSIGNED, chain, entries, found, undecided


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
