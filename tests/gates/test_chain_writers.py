"""Many who append at once, and who is killed on the way: the chain verifies."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain import verify
from tests.at_once import at_once
from tests.evidence.builders import ENGINE
from tests.gates.chains import chain, entries, found, undecided

CHECKOUT = Path(__file__).parents[2]


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
    said = [each.split() for each in at_once(children)]
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
