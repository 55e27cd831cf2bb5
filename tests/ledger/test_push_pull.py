"""Evidence that is pushed from one machine and pulled on another: what arrives, and who may not."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.evidence.stores.remote import Conditions, measure
from certification_pipeline.gates.levels.attestations import Deployment, attest, read_attestations
from certification_pipeline.gates.transfer.push import push
from certification_pipeline.gates.transfer.remote_chain import remote_engines
from certification_pipeline.gates.transfer.status import Standing
from tests.evidence.builders import ENGINE, SUBJECT
from tests.ledger.pushing import BOTH, PEN, pulled, pushed, standing
from tests.ledger.releases import files, problems, release


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
