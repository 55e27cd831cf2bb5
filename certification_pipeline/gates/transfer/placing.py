"""Put what was pulled and verified in its place, so that being stopped anywhere leaves nothing green by half.

Files come first: a release without an entry is only "not in the chain". Then entries, checkpoint, head.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.chain import ChainedArtifact, EvidenceChainEntry, EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import resolve_inside, write_atomically
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.chain_checkpoint import see_checkpoint, settle
from certification_pipeline.gates.chain_links import Links, read_links


@dataclass(frozen=True)
class Arriving:
    """What comes of one release: files of its entry, those of the decision, and what is to go."""

    entry: EvidenceChainEntry
    files: tuple[ChainedArtifact, ...]
    decision: tuple[ChainedArtifact, ...]
    stale: tuple[str, ...]


@dataclass(frozen=True)
class Place:
    """Where it goes. ``names`` are the entries that were there when it was decided what comes."""

    store: EvidenceStore
    chain: ChainDir
    names: tuple[EntryName, ...]
    blob: Callable[[ChainedArtifact], bytes]


def place(
    target: Place, staged: ChainDir, links: Links, arriving: Sequence[Arriving], *, aside: bool
) -> tuple[str, ...]:
    """Put everything in place; returns what is to be told. ``EvidenceError`` when the chain has grown."""
    notes: list[str] = []
    with target.chain.turn():
        if target.chain.listing()[0] != target.names:
            problem = "has grown while it was being pulled"
            raise EvidenceError(target.chain.shown, None, problem, "Pull again", ProblemKind.REFUSED)
        for each in arriving:
            _release(target, each)
        if aside:
            notes += _set_aside(target, links)
        _append(target.chain, staged, links, 0 if aside else len(target.names))
    if target.store.latest() is None:
        target.store.set_latest(links.entries[-1].release_id)
    return tuple(notes)


def _append(chain: ChainDir, staged: ChainDir, links: Links, there: int) -> None:
    """One entry after the other, as a writer appends them: being stopped leaves what appending leaves."""
    if there == 0:
        chain.set_head(EvidenceChainHead.of(chain.engine, None))
    elif there < len(links.entries):
        local = read_links(chain)
        settle(chain, local, see_checkpoint(chain, local), None)
    for number, entry in enumerate(links.entries[there:], start=there + 1):
        chain.add(entry)
        last = number == len(links.entries)
        unsigned = make_checkpoint(chain.engine, links.leaves[:number], None)
        digest = chain.set_checkpoint(staged.checkpoint()[0] if last else unsigned)
        chain.set_head(EvidenceChainHead.of(chain.engine, entry, digest))
    # All may have been there, from a pull that was stopped or from before the store's was signed.
    seen, theirs = see_checkpoint(chain, read_links(chain)), staged.checkpoint()[0]
    mine = seen.checkpoint
    if seen.problems or mine is None or len(mine.note.signatures) < len(theirs.note.signatures):
        digest = chain.set_checkpoint(theirs)
        chain.set_head(EvidenceChainHead.of(chain.engine, links.entries[-1], digest))


def _release(target: Place, each: Arriving) -> None:
    directory = target.store.release(each.entry.release_id, target.chain.engine)
    for file in each.files:
        write_atomically(_inside(directory, file.path), target.blob(file))
    for path in each.stale:
        resolve_inside(directory.path, path).unlink(missing_ok=True)
    for path in layout.LEFT_OUT_OF_CHAIN:  # what was decided on the entry before does not rest on this one
        if each.files or each.stale:
            resolve_inside(directory.path, path).unlink(missing_ok=True)
    for file in each.decision:
        write_atomically(_inside(directory, file.path), target.blob(file))


def _inside(directory: SubjectDir, path: str) -> Path:
    return resolve_inside(directory.path, path)


def _set_aside(target: Place, links: Links) -> Iterator[str]:
    """Move the local chain away; its releases stay, and can be appended after what was pulled."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")
    root = target.store.root
    away = root.with_name(f"{root.name}-set-aside") / f"chain-{target.chain.engine}-{stamp}"
    try:
        away.parent.mkdir(parents=True, exist_ok=True)
        target.chain.path.rename(away)  # whole or not at all, and the lock with it
    except OSError as error:
        raise EvidenceError.from_os(str(away), error, "write") from None
    yield f"the chain that was here is in {away}"
    pulled = {entry.release_id for entry in links.entries}
    for release_id in sorted({name.release_id for name in target.names} - pulled):
        again = ["certify", "release-summary", "--engine", target.chain.engine, "--release-id", release_id]
        yield f"{release_id} is in no chain now; append it: {shlex.join(again)}"
