"""What somebody can do who may write everywhere and knows how certify computes: more than a single edit."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.chain import EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.gates.chain_links import read_links


def cut_tail(root: Path, engine: str, keep: int) -> None:
    """Leave the first ``keep`` entries, with the head and checkpoint they had."""
    chain = ChainDir(root, engine)
    for name in chain.listing()[0][keep:]:
        (chain.path / str(name)).unlink()
    settle(chain)


def settle(chain: ChainDir) -> None:
    """Head and checkpoint as they must be over the entries that are there, unsigned."""
    (chain.path / layout.CHAIN_CHECKPOINT).unlink(missing_ok=True)
    links = read_links(chain)
    digest = chain.set_checkpoint(make_checkpoint(chain.engine, links.leaves, None))
    chain.set_head(EvidenceChainHead.of(chain.engine, links.entries[-1], digest))
