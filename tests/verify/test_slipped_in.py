"""An entry slipped in behind a signed checkpoint: found with the key, and never signed over by the way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.chain import EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates import chain
from certification_pipeline.gates.decide import decide
from certification_pipeline.gates.verify.finding import Kind
from tests.evidence.builders import SUBJECT
from tests.verify.builders import decided, verified, write_release

ENGINE = SUBJECT.engine
SIGNER = Signer.generate()


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("signed") / "evidence"
    decided(root, "r1", signer=SIGNER)
    return root


@pytest.fixture
def root(signed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(signed, tmp_path / "evidence"))


def files_of_the_chain(root: Path) -> dict[str, bytes]:
    place = ChainDir(root, ENGINE).path
    return {name: (place / name).read_bytes() for name in (layout.CHAIN_HEAD, layout.CHAIN_CHECKPOINT)}


def openly(root: Path, before: dict[str, bytes]) -> None:
    """Head and checkpoint are as certify writes them without a key."""


def like_a_stopped_writer(root: Path, before: dict[str, bytes]) -> None:
    """The signed checkpoint and its head put back: the entry looks like one whose writer was killed."""
    for name, data in before.items():
        (ChainDir(root, ENGINE).path / name).write_bytes(data)


def like_one_stopped_later(root: Path, before: dict[str, bytes]) -> None:
    """The signed checkpoint put back, and a head that names it behind the new entry."""
    place = ChainDir(root, ENGINE)
    (place.path / layout.CHAIN_CHECKPOINT).write_bytes(before[layout.CHAIN_CHECKPOINT])
    last = place.entry(place.listing()[0][-1])
    place.set_head(EvidenceChainHead.of(ENGINE, last, place.checkpoint()[1]))


@pytest.mark.parametrize("cover", [openly, like_a_stopped_writer, like_one_stopped_later])
def test_it_is_found_and_not_signed_over(root: Path, cover: Callable[[Path, dict[str, bytes]], None]) -> None:
    before = files_of_the_chain(root)
    slipped, made = decided(root, "r2", minutes=60)  # by somebody without the key
    assert made.summary.passed
    cover(root, before)
    found = verified(root, keys=[SIGNER.public_key])
    told = [one for one in found.findings if one.path.startswith("chain/") and one.kind is Kind.UNSIGNED]
    assert told or cover is like_one_stopped_later
    assert found.verified is Outcome.FAILED

    mine = write_release(root, "r3", minutes=120)
    summary = decide(mine, "run-3", signer=SIGNER).summary
    assert not summary.passed
    with pytest.raises(EvidenceError) as caught:
        chain.append(EvidenceStore(root), mine, stamp("x"), signer=SIGNER)
    if cover is not like_one_stopped_later:  # head and checkpoint contradict each other: refused before that
        assert "under no checkpoint that your key signed" in str(caught.value)
        assert "r2" in str(caught.value)
        assert f"certify chain sign --engine {ENGINE}" in str(caught.value)
    checkpoint = ChainDir(root, ENGINE).checkpoint()[0]
    assert checkpoint.size == 1 or not checkpoint.is_signed
    assert slipped.path.exists()


def test_signed_over_on_purpose_its_own_statements_give_it_away(root: Path) -> None:
    before = files_of_the_chain(root)
    decided(root, "r2", minutes=60)
    like_a_stopped_writer(root, before)
    done = chain.sign(EvidenceStore(root), ENGINE, SIGNER)
    assert [entry.release_id for entry in done.entries] == ["r2"]
    found = verified(root, keys=[SIGNER.public_key])
    unsigned = {one.path.split("/")[1] for one in found.findings if one.kind is Kind.UNSIGNED}
    assert unsigned == {"r2"}


def test_nobody_signs_files_that_were_touched(root: Path) -> None:
    touched, _ = decided(root, "r2", minutes=60)
    next((touched.path / layout.CELLS).glob("*.json")).unlink()
    with pytest.raises(EvidenceError, match="does not verify"):
        chain.sign(EvidenceStore(root), ENGINE, SIGNER)


def test_a_writer_of_ones_own_that_was_stopped_goes_on(root: Path) -> None:
    before = files_of_the_chain(root)
    mine, _ = decided(root, "r2", minutes=60, signer=SIGNER)
    like_a_stopped_writer(root, before)
    again = chain.append(EvidenceStore(root), mine, stamp("x"), signer=SIGNER)
    assert not again.new
    assert again.checkpoint.size == 2
    assert again.checkpoint.signed_by(SIGNER.public_key)


def test_an_entry_of_the_very_release_counts_no_more_once_it_is_appended(root: Path) -> None:
    """Decided without a key, then where the key is: what is signed are the files there are."""
    signed_then = files_of_the_chain(root)
    mine, _ = decided(root, "r2", minutes=60)
    like_a_stopped_writer(root, signed_then)
    before = ChainDir(root, ENGINE).entry(ChainDir(root, ENGINE).listing()[0][-1])
    decide(mine, "run-2", signer=SIGNER)
    found = chain.verify(EvidenceStore(root), ENGINE, keys=[SIGNER.public_key])
    assert [name.sequence for name in found.superseded] == [before.sequence]


def test_a_new_key_vouches_for_what_there_is_on_purpose_only(tmp_path: Path) -> None:
    decided(tmp_path, "r1")
    mine = write_release(tmp_path, "r2", minutes=60)
    assert not decide(mine, "run-1", signer=SIGNER).summary.passed
    chain.sign(EvidenceStore(tmp_path), ENGINE, SIGNER)
    assert decide(mine, "run-1", signer=SIGNER).summary.passed


def test_a_trusted_key_may_have_signed_before(root: Path) -> None:
    other = Signer.generate()
    mine = write_release(root, "r2", minutes=60)
    assert not decide(mine, "run-1", signer=other).summary.passed
    assert decide(mine, "run-1", signer=other, trusted=[SIGNER.public_key]).summary.passed
