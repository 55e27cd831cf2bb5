"""Releases that are decided and chained, as small as they get."""

from __future__ import annotations

from pathlib import Path

from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.chain import append, verify
from certification_pipeline.gates.decide import write_report, write_suite
from certification_pipeline.gates.release_summary import release_summary
from tests.evidence.builders import ENGINE, SMALL, cell, plan
from tests.ledger.chains import Pen


def release(root: Path, release_id: str, run_id: str = "run-1", pen: Pen | None = None) -> EvidenceChainEntry:
    """Make one, chain it, decide on it."""
    store = EvidenceStore(root)
    directory = store.release(release_id, ENGINE)
    sealed = directory.seal_plan(plan(SMALL).model_copy(update={"release_id": release_id}))
    for each in SMALL[:2]:
        directory.write(cell(sealed, each, run_id=run_id))
    write_report(directory, run_id)
    write_suite(directory, run_id)
    index = artifact_index(directory, stamp(run_id))
    directory.write(index, markdown(index))
    entry = append(store, directory, stamp(run_id), signer=pen).entry
    summary = release_summary(directory, stamp(run_id))
    directory.write(summary, markdown(summary))
    return entry


def problems(root: Path) -> list[str]:
    """What verifying the whole chain and all files says."""
    return [str(each) for each in verify(EvidenceStore(root), ENGINE).problems]


def files(root: Path) -> dict[str, bytes]:
    """Everything but locks."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }
