"""Evidence goes to a store and comes back whole, whoever pushes at once, wherever it is stopped."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certification_pipeline.evidence.anchor import CheckpointAnchor
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.evidence.stores.remote import Conditions, measure
from certification_pipeline.gates.levels.attestations import Deployment, attest, read_attestations
from certification_pipeline.gates.transfer.pull import Pulled, pull
from certification_pipeline.gates.transfer.push import Pushed, push
from certification_pipeline.gates.transfer.remote_chain import RemoteChain, blob_key, remote_engines
from certification_pipeline.gates.transfer.status import Standing, status
from tests.evidence.builders import ENGINE, SUBJECT
from tests.ledger.chains import Pen
from tests.ledger.releases import files, problems, release

CHECKOUT = Path(__file__).parents[2]
BOTH = Conditions(create=True, replace=True)
PEN = Pen()


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """r1, r2, r1 run again: entry 1 is superseded. Signed."""
    root = tmp_path_factory.mktemp("ledger")
    for release_id, run_id in (("r1", "a"), ("r2", "a"), ("r1", "b")):
        release(root, release_id, run_id, PEN)
    return root


@pytest.fixture
def root(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "here"))


@pytest.fixture
def remote(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "shared")


def pushed(root: Path, remote: DirectoryStore) -> Pushed:
    return push(EvidenceStore(root), remote, ENGINE, BOTH)


def pulled(remote: DirectoryStore, root: Path, **options: object) -> Pulled:
    return pull(remote, EvidenceStore(root), ENGINE, **options)  # type: ignore[arg-type]


def standing(root: Path, remote: DirectoryStore) -> Standing:
    return status(EvidenceStore(root), remote, ENGINE).standing


def test_what_was_pushed_comes_back_to_the_byte(root: Path, remote: DirectoryStore, tmp_path: Path) -> None:
    done = pushed(root, remote)
    assert (done.size, done.entries) == (3, 3)
    assert done.notes == ("superseded by a later run, and pushed without their files: 1",)
    assert remote_engines(remote) == (ENGINE,)
    away = tmp_path / "away"
    back = pulled(remote, away, keys=[PEN.public_key])
    assert (back.size, back.entries, sorted(back.releases), back.notes) == (3, 3, ["r1", "r2"], ())
    there = files(away)
    assert there.pop("latest") == b"r1\n"
    assert there == files(root)
    assert problems(away) == []
    assert standing(away, remote) is Standing.SAME


def test_pushing_and_pulling_again_do_nothing(root: Path, remote: DirectoryStore, tmp_path: Path) -> None:
    pushed(root, remote)
    before = files(tmp_path / "shared")
    again = pushed(root, remote)
    assert (again.entries, again.files) == (0, 0)
    assert files(tmp_path / "shared") == before
    pulled(remote, tmp_path / "away")
    mine = files(tmp_path / "away")
    again_back = pulled(remote, tmp_path / "away")
    assert (again_back.entries, again_back.releases) == (0, ())
    assert files(tmp_path / "away") == mine


def test_a_release_run_again_replaces_what_was_pulled(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    pushed(root, remote)
    pulled(remote, away)
    stale = root / "releases/r2" / ENGINE / "cells"
    next(stale.iterdir()).unlink()
    release(root, "r2", "c", PEN)
    release(root, "r3", "c", PEN)
    assert standing(root, remote) is Standing.AHEAD
    assert pushed(root, remote).entries == 2
    assert standing(away, remote) is Standing.BEHIND
    back = pulled(remote, away)
    assert (back.entries, sorted(back.releases)) == (2, ["r2", "r3"])
    assert problems(away) == []
    there = files(away)
    del there["latest"]
    assert there == files(root)


def test_local_changes_are_never_written_over(root: Path, remote: DirectoryStore, tmp_path: Path) -> None:
    away = tmp_path / "away"
    pushed(root, remote)
    pulled(remote, away)
    release(root, "r2", "c", PEN)
    pushed(root, remote)
    mine = away / "releases/r2" / ENGINE / "certification_report.md"
    mine.write_text("mine")
    before = files(away)
    with pytest.raises(EvidenceError, match=r"certification_report\.md: holds what is in no chain"):
        pulled(remote, away)
    assert files(away) == before


def test_a_decision_made_later_is_pushed_and_ones_own_is_kept(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    away = tmp_path / "away"
    pushed(root, remote)
    pulled(remote, away)
    levels = root / "releases/r2" / ENGINE / "connector_levels.md"
    levels.write_text("later")
    assert pushed(root, remote).files == 1
    pulled(remote, away)
    assert not (away / "releases/r2" / ENGINE / "connector_levels.md").exists(), "it has its own decision"
    pulled(remote, tmp_path / "fresh")
    assert (tmp_path / "fresh/releases/r2" / ENGINE / "connector_levels.md").read_text() == "later"


def test_production_attestations_travel_and_replace_nothing(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    signer = Signer.generate()
    since = datetime(2026, 1, 1, tzinfo=UTC)
    what = Deployment("postgres_to_duckdb", "shop", "owner@example.org", since, since + timedelta(days=90))
    path = attest(root, SUBJECT, what, signer)
    assert pushed(root, remote).files > 0
    assert pushed(root, remote).files == 0
    away = tmp_path / "away"
    pulled(remote, away)
    [believed] = read_attestations(away, ENGINE, [signer.public_key]).trusted
    assert believed.deployment == "shop"
    mine = away / path.relative_to(root)
    assert mine.read_bytes() == path.read_bytes()
    mine.write_bytes(b"mine")
    [note] = [note for note in pulled(remote, away).notes if "attestations" in note]
    assert "left as it is" in note
    [note] = [note for note in pushed(away, remote).notes if "attestations" in note]
    assert "was left as it is" in note
    assert mine.read_bytes() == b"mine"
    (tmp_path / "shared" / path.relative_to(root)).write_bytes(b"{}")
    [note] = [note for note in pulled(remote, tmp_path / "fresh").notes if "no attestation" in note]
    assert not (tmp_path / "fresh" / path.relative_to(root)).exists()


# --- who may not ------------------------------------------------------------------------------------------


def test_a_store_is_apart_from_evidence(root: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(root, tmp_path / "other"))
    before = files(tmp_path)
    for place, told in ((root, "apart"), (root / "store", "apart"), (tmp_path, "apart"), (other, "no store")):
        for ask in (pushed, lambda here, there: pulled(there, here)):
            with pytest.raises(EvidenceError, match=told):
                ask(root, DirectoryStore(place))
    assert files(tmp_path) == before


def test_evidence_that_was_touched_is_not_pushed(root: Path, remote: DirectoryStore, tmp_path: Path) -> None:
    cell = next((root / "releases/r2" / ENGINE / "cells").iterdir())
    cell.write_bytes(cell.read_bytes() + b" ")
    with pytest.raises(EvidenceError, match="was edited"):
        pushed(root, remote)
    assert files(tmp_path / "shared") == {}


def test_of_two_chains_the_second_is_told_to_pull_and_can_go_on(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    pushed(root, remote)
    other = Path(shutil.copytree(root, tmp_path / "other"))
    release(root, "r3", "mine")
    release(other, "r4", "theirs")
    release(other, "r5", "theirs")
    pushed(root, remote)
    assert standing(other, remote) is Standing.FORKED
    for ask in (lambda: pushed(other, remote), lambda: pulled(remote, other)):
        with pytest.raises(EvidenceError, match="another entry 4 than the chain here") as caught:
            ask()
        assert "--set-aside" in caught.value.remedy
    back = pulled(remote, other, set_aside=True)
    assert back.size == 4
    [where, four, five] = back.notes[1:] if "not signed" in back.notes[0] else back.notes[:3]
    assert "set-aside" in where
    assert "certify release-summary --engine reference --release-id r4" in four
    assert five.startswith("r5 is in no chain now")
    assert problems(other) == []
    release(other, "r4", "theirs")
    assert pushed(other, remote).entries == 1
    assert pulled(remote, root).releases == ("r4",)
    assert problems(root) == []


def test_a_store_that_has_more_is_pulled_first(root: Path, remote: DirectoryStore, tmp_path: Path) -> None:
    old = Path(shutil.copytree(root, tmp_path / "old"))
    release(root, "r3")
    pushed(root, remote)
    with pytest.raises(EvidenceError, match="has 4 entries, there are 3 here") as caught:
        pushed(old, remote)
    assert "certify pull" in caught.value.remedy


def test_without_conditional_writes_only_a_single_writer_may(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    neither = Conditions(create=False, replace=False)
    with pytest.raises(EvidenceError, match="does not refuse the second of two writers") as caught:
        push(EvidenceStore(root), remote, ENGINE, neither)
    assert caught.value.kind is ProblemKind.REFUSED
    assert files(tmp_path / "shared") == {}
    done = push(EvidenceStore(root), remote, ENGINE, neither, single_writer=True)
    assert "single writer" in done.notes[0]
    assert push(EvidenceStore(root), remote, ENGINE, Conditions(create=True, replace=False)).notes == (
        "the store compares no versions: after two pushes at once its checkpoint may lag",
    )
    pulled(remote, tmp_path / "away")
    assert problems(tmp_path / "away") == []


# --- what a store may do to it -----------------------------------------------------------------------------

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


# --- several at once, and dead ones ------------------------------------------------------------------------

PREAMBLE = """
import os, signal, sys
from pathlib import Path
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores import directory
from certification_pipeline.evidence.stores.remote import Conditions
from certification_pipeline.gates.transfer.pull import pull
from certification_pipeline.gates.transfer.push import push
import certification_pipeline.evidence.files as files
here, shared = EvidenceStore(Path(sys.argv[1])), directory.DirectoryStore(Path(sys.argv[2]))
at = int(sys.argv[3])
both = Conditions(create=True, replace=True)
"""


def start(program: str, here: Path, shared: Path, at: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(program), str(here), str(shared), str(at)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)


def test_of_two_machines_that_push_at_once_one_wins_the_number(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    pushed(root, remote)
    machines = [Path(shutil.copytree(root, tmp_path / f"machine{number}")) for number in range(2)]
    for number, machine in enumerate(machines):
        release(machine, f"of-{number}", pen=PEN)
    program = """
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        print(push(here, shared, "reference", both).entries)
    except EvidenceError as error:
        print(error.problem)
    """
    children = [start(program, machine, tmp_path / "shared") for machine in machines]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write("go\n")
        child.stdin.flush()
    said = [child.communicate()[0].strip() for child in children]
    assert said.count("1") == 1, said
    assert sum("another entry 4" in each for each in said) == 1, said
    winner = said.index("1")
    assert pulled(remote, tmp_path / "away", keys=[PEN.public_key]).size == 4
    assert (tmp_path / f"away/releases/of-{winner}").is_dir()
    assert problems(tmp_path / "away") == []


KILLED_AT = """
import itertools
counter = itertools.count()
def dying(write):
    def one(*words, **named):
        if next(counter) == at:
            print("dying", flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return write(*words, **named)
    return one
"""


def _writes(program: str, here: Path, shared: Path) -> int:
    child = start(KILLED_AT + program + "\nprint(next(counter))", here, shared, 1 << 30)
    return int(child.communicate()[0])


@pytest.mark.nightly
def test_a_push_killed_before_any_write_leaves_a_store_that_the_next_one_completes(
    root: Path, tmp_path: Path
) -> None:
    program = textwrap.dedent("""
    directory.create_atomically = dying(directory.create_atomically)
    directory.write_atomically = dying(directory.write_atomically)
    push(here, shared, "reference", both)
    """)
    _everywhere(root, tmp_path, program)


def _everywhere(root: Path, tmp_path: Path, program: str) -> None:
    writes = _writes(program, root, tmp_path / "counted")
    assert writes > 10
    for at in (*range(0, writes - 6, 7), *range(writes - 6, writes)):
        shared = tmp_path / f"shared{at}"
        child = start(KILLED_AT + program, root, shared, at)
        assert child.communicate()[0] == "dying\n"
        remote = DirectoryStore(shared)
        # What can be pulled in between verifies, or is said not to have come: of r1, run again, the store may
        # hold the first entry, whose files are no more.
        if RemoteChain(remote, ENGINE).count():
            between = pulled(remote, tmp_path / f"between{at}")
            never = any("never came" in note for note in between.notes)
            assert bool(problems(tmp_path / f"between{at}")) is never
        pushed(root, remote)
        pulled(remote, tmp_path / f"after{at}", keys=[PEN.public_key])
        assert problems(tmp_path / f"after{at}") == []


@pytest.mark.nightly
def test_a_pull_killed_before_any_write_is_completed_by_the_next_one(
    root: Path, remote: DirectoryStore, tmp_path: Path
) -> None:
    pushed(root, remote)
    program = textwrap.dedent("""
    import certification_pipeline.evidence.chain_dir as chain_dir
    import certification_pipeline.gates.transfer.placing as placing
    import certification_pipeline.gates.transfer.pull as pulling
    for room in (chain_dir, placing, pulling):
        room.write_atomically = dying(room.write_atomically)
    chain_dir.create_atomically = dying(chain_dir.create_atomically)
    pull(shared, here, "reference")
    """)
    shared = tmp_path / "shared"
    writes = _writes(program, tmp_path / "counted", shared)
    assert writes > 10
    for at in (*range(0, writes - 8, 9), *range(writes - 8, writes)):
        away = tmp_path / f"away{at}"
        child = start(KILLED_AT + program, away, shared, at)
        assert child.communicate()[0] == "dying\n"
        pulled(remote, away)
        assert problems(away) == []
        assert not away.with_name(f".{away.name}.pull").exists()


@pytest.mark.nightly
def test_a_push_killed_before_its_entry_and_one_before_its_checkpoint(root: Path, tmp_path: Path) -> None:
    """The two places that matter most, with nothing between that could hide what is left."""
    program = """
    def die(*_, **__):
        print("dying", flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
    import certification_pipeline.gates.transfer.push as pushing
    setattr(pushing, ["_append", "_push_checkpoint"][at], die)
    push(here, shared, "reference", both)
    """
    for at, there in ((0, 0), (1, 3)):
        shared = tmp_path / f"shared{at}"
        child = start(program, root, shared, at)
        assert child.communicate()[0] == "dying\n"
        remote = DirectoryStore(shared)
        assert RemoteChain(remote, ENGINE).count() == there
        assert pushed(root, remote).entries == 3 - there
        assert pulled(remote, tmp_path / f"away{at}", keys=[PEN.public_key]).size == 3
        assert problems(tmp_path / f"away{at}") == []


# --- measuring ---------------------------------------------------------------------------------------------


def test_a_directory_honours_both_conditions(remote: DirectoryStore, tmp_path: Path) -> None:
    assert measure(remote) == BOTH
    assert files(tmp_path / "shared") == {}, "the probe is gone again"


class Overwriting(DirectoryStore):
    """Says yes to every write, as stores do that pass over a header they do not know."""

    def create(self, key: str, data: bytes) -> bool:
        self.overwrite(key, data)
        return True


class NotComparing(DirectoryStore):
    """Honours creation alone."""

    def replace(self, key: str, data: bytes, version: object) -> bool:
        self.overwrite(key, data)
        return True


def test_a_store_that_only_says_yes_is_found_out(tmp_path: Path) -> None:
    assert measure(Overwriting(tmp_path / "a")) == Conditions(create=False, replace=False)
    assert measure(NotComparing(tmp_path / "b")) == Conditions(create=True, replace=False)
