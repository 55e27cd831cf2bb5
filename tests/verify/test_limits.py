"""What nobody can find from the directory alone, each with what closes it: a key, an anchor, or both.

These tests say that something is *not* found: docs/verify.md promises no more than that.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.anchor import HashAnchor
from certification_pipeline.evidence.canonical import parse, render, seal
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.chain import sign
from certification_pipeline.gates.decide import decide
from certification_pipeline.gates.seal import seal_decisions, seal_pages
from certification_pipeline.gates.verify.finding import Kind
from tests.evidence.builders import row_judgement
from tests.verify.builders import decided, publication, verified
from tests.verify.forging import cut_tail

ENGINE = "reference"
SIGNER = Signer.generate()
KEYS = (SIGNER.public_key,)
STRANGER = Signer.generate()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two releases, signed: the first green, the second red."""
    root = tmp_path_factory.mktemp("signed") / "evidence"
    decided(root, "r1", signer=SIGNER)
    decided(root, "r2", lost=3, minutes=60, signer=SIGNER)
    found = verified(root, keys=KEYS)
    assert (found.verified, found.outcome) == (Outcome.PASSED, Outcome.FAILED), found.findings
    assert found.not_proved[0].startswith("no anchor")
    return root


@pytest.fixture
def root(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "evidence"))


def subject(root: Path, release: str = "r2") -> SubjectDir:
    return EvidenceStore(root).release(release, ENGINE)


def anchor(root: Path) -> HashAnchor:
    head = ChainDir(root, ENGINE).head()
    return HashAnchor(head.chain_hash, head.sequence)


def rewrite(root: Path, signer: Signer | None) -> None:
    """Make every cell of the red release green, and everything that rests on them anew."""
    directory = subject(root)
    for path in sorted((directory.path / "cells").iterdir()):
        found = parse(path.read_bytes(), CellEvidence, path.name)
        judged = found.model_copy(update={"judgements": (row_judgement(), row_judgement("load 2"))})
        path.write_bytes(render(judged.model_copy(update={"outcome": Outcome.PASSED, "passed": True})))
    cut_tail(root, ENGINE, 1)
    for name in ("attestations.intoto.jsonl", "decisions.intoto.jsonl"):
        (directory.path / name).unlink()
    if signer is not None:  # nobody's tool signs over what is there by itself
        sign(EvidenceStore(root), ENGINE, signer)
    assert decide(directory, "forged", signer=signer).summary.passed


def test_everything_rewritten_is_not_found_without_a_key(root: Path) -> None:
    kept = anchor(root)
    rewrite(root, None)
    assert verified(root).outcome is Outcome.PASSED
    assert verified(root, anchors=(kept,)).verified is Outcome.FAILED, "an anchor finds it"
    found = verified(root, keys=KEYS)
    assert found.verified is Outcome.FAILED, "and so does a key"
    assert {one.kind for one in found.findings} == {Kind.UNSIGNED}
    assert {one.path for one in found.findings} == {
        f"chain/{ENGINE}/checkpoint",
        f"releases/r2/{ENGINE}/attestations.intoto.jsonl",
        f"releases/r2/{ENGINE}/decisions.intoto.jsonl",
    }


@pytest.mark.nightly
def test_nor_signed_with_another_key(root: Path) -> None:
    rewrite(root, STRANGER)
    assert verified(root).outcome is Outcome.PASSED
    found = verified(root, keys=KEYS)
    assert {one.kind for one in found.findings} == {Kind.UNSIGNED}
    assert "none of those given" in " ".join(one.message for one in found.findings)


@pytest.mark.nightly
def test_whoever_holds_the_key_writes_what_they_like(root: Path) -> None:
    kept = anchor(root)
    rewrite(root, SIGNER)
    assert verified(root, keys=KEYS).outcome is Outcome.PASSED
    found = verified(root, keys=KEYS, anchors=(kept,))
    assert (found.verified, {one.kind for one in found.findings}) == (Outcome.FAILED, {Kind.UNANCHORED})


@pytest.mark.nightly
def test_an_old_copy_put_back_is_not_found_without_an_anchor(root: Path, tmp_path: Path) -> None:
    """All of it is signed, and all of it was once so."""
    kept = anchor(root)
    old = tmp_path / "old"
    decided(old, "r1", signer=SIGNER)
    assert verified(old, keys=KEYS).outcome is Outcome.PASSED
    assert verified(old, keys=KEYS, anchors=(kept,)).verified is Outcome.FAILED


@pytest.mark.nightly
def test_who_made_a_summary_is_found_by_a_key_alone(root: Path) -> None:
    path = subject(root).summary_path
    typed = json.loads(path.read_text())
    typed |= {"content_digest": "", "run_id": "another"}
    typed["environment"]["cpu_count"] = 512
    path.write_bytes(seal((json.dumps(typed, indent=2, sort_keys=True) + "\n").encode())[0])
    assert verified(root).verified is Outcome.FAILED, "the unsigned statement beside it has its digest"
    seal_decisions(subject(root), STRANGER)
    assert verified(root).verified is Outcome.PASSED
    assert verified(root, keys=KEYS).verified is Outcome.FAILED


@pytest.mark.nightly
def test_a_page_and_its_statement_rewritten_are_found_by_a_key_alone(root: Path) -> None:
    place = EvidenceStore(root).release_path("r2")
    place.joinpath("report.html").write_text("<p>red")
    release = ReleaseDir.of(EvidenceStore(root), "r2")
    seal_pages(release, SIGNER)
    assert verified(root, keys=KEYS).verified is Outcome.PASSED
    place.joinpath("report.html").write_text("<p>green")
    assert verified(root).verified is Outcome.FAILED
    seal_pages(release, STRANGER)
    assert verified(root).verified is Outcome.PASSED
    assert verified(root, keys=KEYS).verified is Outcome.FAILED


@pytest.mark.nightly
def test_a_publication_taken_away_or_put_back_is_nobodys_loss(tmp_path: Path) -> None:
    """Nothing rests on it; and what is put back was, and is, a green decision of that release."""

    root = tmp_path / "evidence"
    directory, _ = decided(root, "r1")
    path = publication(EvidenceStore(root), directory)
    older = path.read_bytes()
    second, _ = decided(root, "r2", minutes=60)
    publication(EvidenceStore(root), second)
    assert verified(root).outcome is Outcome.PASSED
    path.write_bytes(older)
    assert verified(root).outcome is Outcome.PASSED
    path.unlink()
    assert verified(root).outcome is Outcome.PASSED


@pytest.mark.nightly
def test_a_wrong_key_vouches_for_nothing(root: Path) -> None:
    found = verified(root, keys=(STRANGER.public_key,))
    assert found.verified is Outcome.FAILED
    about = {one.path for one in found.findings if one.kind is Kind.UNSIGNED}
    assert len(about) == 5, "both bundles of both releases, and the checkpoint"


@pytest.mark.nightly
def test_one_of_several_keys_will_do(root: Path) -> None:
    keys: tuple[PublicKey, ...] = (STRANGER.public_key, *KEYS)
    assert verified(root, keys=keys).verified is Outcome.PASSED


@pytest.mark.nightly
def test_with_a_key_nothing_unsigned_will_do(tmp_path: Path) -> None:
    root = tmp_path / "evidence"
    decided(root, "r1")
    assert verified(root).outcome is Outcome.PASSED
    found = verified(root, keys=KEYS)
    assert found.verified is Outcome.FAILED
    assert "is not signed" in " ".join(one.message for one in found.findings)
