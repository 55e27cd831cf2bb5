"""Releases that are decided and chained, and what is found wrong with their chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from certification_pipeline.evidence.chain import (
    EvidenceChainEntry,
    EvidenceChainHead,
)
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.chain import append, verify
from certification_pipeline.gates.chain_links import Tampering
from certification_pipeline.gates.decide import write_report, write_suite
from certification_pipeline.gates.release_summary import release_summary
from tests.evidence.builders import ENGINE, SMALL, cell, plan

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


def put_back(chain: ChainDir) -> None:
    """Checkpoint and head as a forger makes them: right for the entries that are there."""
    names = chain.listing()[0]
    leaves = [chain.entry_with_leaf(name)[1] for name in names]
    digest = chain.set_checkpoint(make_checkpoint(ENGINE, leaves, None))
    chain.set_head(EvidenceChainHead.of(ENGINE, chain.entry(names[-1]), digest))
