"""A chain's checkpoint: is it the one over the entries there, and who signed it? And writing it.

The order of an append is entry, checkpoint, head, so that a head never names a checkpoint that is not there.
The head holds the checkpoint's digest: without a key, too, no byte of it can be changed alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.chain import EvidenceChainEntry, EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import Checkpoint, checkpoint_over, origin_of
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.merkle import Hash, tree_hash
from certification_pipeline.evidence.note import NoteKey, NoteSigner
from certification_pipeline.gates.chain_links import ChainProblem, Links, Tampering


class Standing(Protocol):
    """Where a chain stands: all of its links, or its end."""

    @property
    def last(self) -> EvidenceChainEntry:
        """There must be one."""

    @property
    def head(self) -> EvidenceChainHead | None:
        """As it was read."""

    @property
    def root(self) -> Hash:
        """Of the Merkle tree."""


@dataclass(frozen=True)
class SeenCheckpoint:
    """The checkpoint as it was read, held against the links."""

    checkpoint: Checkpoint | None
    digest: Digest | None = None
    problems: tuple[ChainProblem, ...] = ()
    mendable: bool = True
    """What is wrong, if anything, hides nothing: its content is right. The next append may write it anew."""


def see_checkpoint(chain: ChainDir, links: Links) -> SeenCheckpoint:
    """Read and check it against entries and head; who signed it is for :func:`signature`."""
    path = f"{chain.shown}/{layout.CHAIN_CHECKPOINT}"
    try:
        checkpoint, digest = chain.checkpoint()
    except EvidenceError as error:
        kind, message = Tampering.EDITED, f"{error.field}: {error.problem}" if error.field else error.problem
        if error.kind is ProblemKind.MISSING:
            if links.head is None or links.head.checkpoint is None:
                return SeenCheckpoint(None)
            kind, message = Tampering.DELETED, "head.json names it"
        return SeenCheckpoint(None, None, (ChainProblem(kind, path, message),), mendable=False)
    problem = _not_of_these_entries(chain, links, checkpoint)
    if problem is not None:
        return SeenCheckpoint(None, None, (problem,), mendable=False)
    problem = _not_what_the_head_names(chain, links.head, checkpoint, digest)
    return SeenCheckpoint(checkpoint, digest, (problem,) if problem else ())


def _not_of_these_entries(chain: ChainDir, links: Links, checkpoint: Checkpoint) -> ChainProblem | None:
    """What its text says that is not so."""
    kind, path, message = Tampering.EDITED, f"{chain.shown}/{layout.CHAIN_CHECKPOINT}", ""
    last = max((name.sequence for name in links.names), default=0)
    named = links.head.sequence if links.head else last
    size = checkpoint.size
    if checkpoint.origin != origin_of(chain.engine):
        message = f"it is of another chain: {checkpoint.origin!r}"
    elif checkpoint.extensions:
        message = f"it has a line more: {checkpoint.extensions[0][:80]!r}"
    elif size > last:
        there = f"the last one there is {last}" if last else "there is none"
        kind, path = Tampering.TRUNCATED, chain.shown
        message = f"the checkpoint counts {size} entries, {there}"
    elif size <= links.unbroken and checkpoint.root != _root(links, size):
        message = f"it is not over the {size} entries that are there"
    elif size != named <= last and not (links.interrupted and size == last):
        message = f"it counts {size} entries, head.json names entry {named}"
    return ChainProblem(kind, path, message) if message else None


def _root(links: Links, size: int) -> Hash:
    return links.root if size == len(links.leaves) else tree_hash(links.leaves[:size])


def _not_what_the_head_names(
    chain: ChainDir, head: EvidenceChainHead | None, checkpoint: Checkpoint, digest: Digest
) -> ChainProblem | None:
    if head is None or head.sequence != checkpoint.size or head.checkpoint == digest:
        return None
    # An unsigned checkpoint has but one spelling, and this is it: then it is the head that was touched.
    signed = checkpoint.is_signed and head.checkpoint is not None
    file = layout.CHAIN_CHECKPOINT if signed else layout.CHAIN_HEAD
    message = "checkpoint and head.json do not belong together"
    return ChainProblem(Tampering.EDITED, f"{chain.shown}/{file}", message)


def signature(
    chain: ChainDir, links: Links, seen: SeenCheckpoint, keys: Sequence[NoteKey]
) -> tuple[list[ChainProblem], str]:
    """What is wrong with its signature for somebody who trusts these keys, and what else is to be told."""
    path = f"{chain.shown}/{layout.CHAIN_CHECKPOINT}"
    if seen.checkpoint is None:
        said = "there is no checkpoint yet, the next append writes one"
    elif not seen.checkpoint.is_signed:
        said = "the checkpoint is not signed"
    elif not keys:
        return [], "the checkpoint's signature was not checked: no key was given"
    elif any(map(seen.checkpoint.signed_by, keys)):
        last = max((name.sequence for name in links.names), default=0)
        if last <= seen.checkpoint.size:
            return [], ""
        # Its writer was stopped, or somebody without the key appended it.
        said = f"the signed checkpoint counts {seen.checkpoint.size} entries, entry {last} is not under it"
    else:
        said = "the key given did not sign the checkpoint"
    if seen.checkpoint is None and seen.problems:
        return [], ""  # red already
    return ([ChainProblem(Tampering.UNSIGNED, path, said)], "") if keys else ([], said)


def settle(chain: ChainDir, links: Standing, seen: SeenCheckpoint, signer: NoteSigner | None) -> Checkpoint:
    """Make checkpoint and head those of ``links``' last entry; to be called by the one writer.

    Nothing is written where they are. A checkpoint that others signed keeps their signatures, unless
    ``signer`` is to sign it and has not.
    """
    last = links.last
    checkpoint, digest = seen.checkpoint, seen.digest
    if (
        checkpoint is None
        or digest is None
        or checkpoint.size != last.sequence
        or (signer is not None and not checkpoint.signed_by(signer.public_key))
        or seen.problems
    ):
        checkpoint = checkpoint_over(chain.engine, last.sequence, links.root, signer)
        digest = chain.set_checkpoint(checkpoint)
    head = EvidenceChainHead.of(chain.engine, last, digest)
    if links.head != head:
        chain.set_head(head)
    return checkpoint
