"""Two machines at once, and ones that are killed on the way."""

from __future__ import annotations

import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.gates.transfer.remote_chain import RemoteChain
from tests.at_once import at_once
from tests.evidence.builders import ENGINE
from tests.ledger.pushing import PEN, pulled, pushed
from tests.ledger.releases import problems, release

CHECKOUT = Path(__file__).parents[2]


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
    said = at_once(children)
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
