"""What may take the place of what is published: no older release, and no part of one that is whole."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.published import PublishedRecord
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_links import read_links
from certification_pipeline.gates.verification import read_plan


def newer_releases(store: EvidenceStore, release_id: str, engine: str) -> Iterator[str]:
    """Releases of the engine that cover as much and were sealed after ``release_id``.

    As much: of the same profile, and whole or narrowed to the same part.

    One that the chain holds and whose plan cannot be read counts as newer when it was chained later: that it
    is gone must not make the one before it the newest. Raises ``EvidenceError`` when this one's plan cannot
    be read.
    """
    mine = read_plan(store.release(release_id, engine)).plan
    chained = _chained(store, engine)
    first = {name: chained.index(name) for name in dict.fromkeys(chained)}
    there = [name for name in store.releases() if engine in store.engines(name)]
    for name in dict.fromkeys([*first, *there]):
        if name == release_id:
            continue
        try:
            other = read_plan(store.release(name, engine)).plan
        except EvidenceError:
            if first.get(name, -1) > first.get(release_id, len(first)):
                yield name
            continue
        as_much = other.selection in (Selection(), mine.selection) and other.profile == mine.profile
        if as_much and other.created_at > mine.created_at:
            yield name


def refuse_superseded(store: EvidenceStore, release_id: str, engine: str) -> None:
    """Raises ``EvidenceError`` for a release that is not the engine's newest."""
    newer = tuple(newer_releases(store, release_id, engine))
    if newer:
        problem = f"is not {engine}'s newest release: {newer[-1]} was sealed after it"
        raise EvidenceError(release_id, None, problem, f"Publish that one: --release-id {newer[-1]}")


def _chained(store: EvidenceStore, engine: str) -> list[str]:
    """Releases in the order they were chained; none without a chain, which is for who verifies."""
    try:
        return [entry.release_id for entry in read_links(ChainDir(store.root, engine)).entries]
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return []
        raise


def refuse_going_back(published: PublishedRecord | None, record: PublishedRecord, path: Path) -> None:
    """Raises ``EvidenceError`` when ``record`` is older, or less, than what is published in its place."""
    if published is None:
        return
    remedy = f"If that is meant, remove {path.name} first, so that the change is seen as what it is"
    if published.selection == Selection() and record.selection != Selection():
        problem = f"holds a whole release ({published.release_id}); {record.release_id} is a part"
        raise EvidenceError(str(path), "selection", problem, remedy)
    then, now = published.evidence_until, record.evidence_until
    if then is not None and (now is None or now < then):
        said = now.isoformat() if now else "no evidence"
        problem = f"rests on evidence of {then.isoformat()}, this one on {said}"
        raise EvidenceError(str(path), "evidence_until", problem, remedy)
