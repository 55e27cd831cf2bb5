"""Files that others read stay as they are: checkpoint, head, anchor, proof, a store's decisions.

After a change that is meant: ``UPDATE_GOLDEN=1 pytest tests/ledger/test_formats.py``.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certification_pipeline.evidence.anchor import CheckpointAnchor, anchor_of, parse_anchor
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import parse, render
from certification_pipeline.evidence.chain import ChainedArtifact, EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.chain_proof import ChainProof
from certification_pipeline.evidence.checkpoint import parse_checkpoint
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_proof import prove
from certification_pipeline.gates.transfer.remote_chain import RemoteDecision, RemoteDecisions
from tests.evidence.builders import ENGINE
from tests.ledger.chains import Pen, grow

GOLDEN = Path(__file__).parent / "golden"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    root = tmp_path_factory.mktemp("formats")
    grow(root, "r1", "r2", "r3", pen=Pen())
    chain = ChainDir(root, ENGINE)
    three = CheckpointAnchor(chain.checkpoint()[0])
    links = grow(root, "r4", "r5", pen=Pen())
    digest: Digest = links.entries[-1].chain_hash
    file = ChainedArtifact(path="release_summary.json", sha256=digest, size_bytes=7)
    decision = RemoteDecision(release_id="r5", sequence=5, chain_hash=digest, files=(file,))
    return {
        "checkpoint": (chain.path / "checkpoint").read_bytes(),
        "head.json": (chain.path / "head.json").read_bytes(),
        "anchor": anchor_of(chain.checkpoint()[0], links.leaves).render(),
        "proof.json": render(prove(EvidenceStore(root), ENGINE, "r2", three)),
        "decisions.json": render(RemoteDecisions(engine=ENGINE, decisions=(decision,))),
    }


@pytest.mark.parametrize("name", ["checkpoint", "head.json", "anchor", "proof.json", "decisions.json"])
def test_a_format_is_what_it_was(written: dict[str, bytes], name: str) -> None:
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.mkdir(exist_ok=True)
        (GOLDEN / name).write_bytes(written[name])
    assert written[name] == (GOLDEN / name).read_bytes()


def test_what_was_written_before_is_read() -> None:
    assert parse_checkpoint((GOLDEN / "checkpoint").read_bytes(), "c").signed_by(Pen().public_key)
    assert parse_anchor((GOLDEN / "anchor").read_bytes(), "a")
    for name, model in (
        ("head.json", EvidenceChainHead),
        ("proof.json", ChainProof),
        ("decisions.json", RemoteDecisions),
    ):
        assert parse((GOLDEN / name).read_bytes(), model, name)
