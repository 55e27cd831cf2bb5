"""Prove that a release is in its engine's chain, and check such a proof without any evidence at hand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import Anchor, CheckpointAnchor, HashAnchor
from certification_pipeline.evidence.canonical import parse, render
from certification_pipeline.evidence.chain_proof import ChainConsistency, ChainProof, as_hash, as_node
from certification_pipeline.evidence.checkpoint import Checkpoint, origin_of, parse_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.merkle import (
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    tree_hash,
)
from certification_pipeline.evidence.note import NoteKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_anchor import departure
from certification_pipeline.gates.chain_keeping import sound_chain


@dataclass(frozen=True)
class CheckedProof:
    """What a proof says, and what is wrong with it. It proves its entry when nothing is."""

    proof: ChainProof
    checkpoint: Checkpoint
    problems: tuple[str, ...]
    notes: tuple[str, ...]


def prove(store: EvidenceStore, engine: str, release_id: str, since: Anchor | None = None) -> ChainProof:
    """The proof of a release's newest entry; with ``since`` also that the chain is that checkpoint's, grown.

    Raises ``EvidenceError`` when the chain does not verify, has no checkpoint or no such entry, when it is
    not what ``since`` was taken of, and when ``since`` is no checkpoint.
    """
    sound = sound_chain(store, engine)
    links = sound.links
    mine = [entry for entry in links.entries if entry.release_id == release_id]
    if not mine:
        remedy = f"Append it: certify chain append --engine {engine} --release-id {release_id}"
        problem = f"has no entry of release {release_id!r}"
        raise EvidenceError(sound.chain.shown, None, problem, remedy, ProblemKind.MISSING)
    consistency = None
    if since is not None:
        if not isinstance(since, CheckpointAnchor):
            problem = "is a hash: a tree's growth is proved from one checkpoint to another"
            raise EvidenceError("the anchor", None, problem, "Name a checkpoint", ProblemKind.MISSING)
        departed = departure(since, sound.chain, links)
        if departed is not None:
            raise EvidenceError(
                departed.path, None, departed.message, "Nothing proves it: see whose is right"
            )
        size = since.checkpoint.size
        path = tuple(map(as_node, consistency_proof(size, links.leaves)))
        consistency = ChainConsistency(size=size, path=path)
    index = mine[-1].sequence - 1
    return ChainProof(
        entry=mine[-1],
        leaf_index=index,
        path=tuple(map(as_node, inclusion_proof(index, links.leaves))),
        checkpoint=sound.checkpoint.render().decode(),
        consistency=consistency,
    )


def read_proof(path: Path) -> ChainProof:
    """Read one strictly; EvidenceError otherwise."""
    return parse(read_no_follow(path, str(path), layout.LARGEST_ARTIFACT), ChainProof, str(path))


def check_proof(
    proof: ChainProof, keys: Sequence[NoteKey] = (), anchor: Anchor | None = None
) -> CheckedProof:
    """Recompute everything a proof says. ``keys``: one of them must have signed the checkpoint.

    ``anchor``: the chain must be the one it was taken of. Raises ``EvidenceError`` when the proof's
    checkpoint is none.
    """
    checkpoint = parse_checkpoint(proof.checkpoint.encode("utf-8", "replace"), "the proof's checkpoint")
    problems = list(_wrong(proof, checkpoint))
    notes = []
    if keys and not any(map(checkpoint.signed_by, keys)):
        problems.append("the key given did not sign the checkpoint")
    elif not keys:
        said = (
            "its signature was not checked: no key was given" if checkpoint.is_signed else "it is not signed"
        )
        notes.append(f"whose checkpoint it is, nothing shows: {said}")
    if anchor is not None:
        problems += _not_anchored(proof, checkpoint, anchor)
    return CheckedProof(proof, checkpoint, tuple(problems), tuple(notes))


def _wrong(proof: ChainProof, checkpoint: Checkpoint) -> Iterator[str]:
    entry = proof.entry
    if entry.chain_hash != entry.recompute_hash():
        yield "the entry is not what its own hash says"
    if checkpoint.origin != origin_of(entry.subject.engine):
        yield f"the checkpoint is of {checkpoint.origin!r}, the entry of engine {entry.subject.engine!r}"
    if proof.leaf_index != entry.sequence - 1:
        yield f"entry {entry.sequence} is not leaf {proof.leaf_index}, counted from 0"
    leaf, path = leaf_hash(render(entry)), tuple(map(as_hash, proof.path))
    if not includes(leaf, proof.leaf_index, checkpoint.size, path, checkpoint.root):
        yield f"the path does not lead from entry {entry.sequence} to the checkpoint's root"


def _not_anchored(proof: ChainProof, checkpoint: Checkpoint, anchor: Anchor) -> Iterator[str]:
    if isinstance(anchor, HashAnchor):
        if anchor.chain_hash != proof.entry.chain_hash:
            yield "the anchor is the hash of another entry: a proof shows its own alone"
        return
    kept = anchor.checkpoint
    if kept.origin != checkpoint.origin:
        yield f"the anchor is of another chain: {kept.origin!r}"
    elif kept.size > checkpoint.size:
        if not anchor.leaves:
            yield f"the anchor saw {kept.size} entries, this proof {checkpoint.size}: ask for a newer one"
        elif tree_hash(anchor.leaves[: checkpoint.size]) != checkpoint.root:
            yield "the checkpoint is not one of the anchored chain"
    elif kept.size == checkpoint.size:
        if kept.root != checkpoint.root:
            yield "the anchor saw other entries"
    else:
        yield from _not_grown(proof, checkpoint, kept)


def _not_grown(proof: ChainProof, checkpoint: Checkpoint, kept: Checkpoint) -> Iterator[str]:
    grown = proof.consistency
    if grown is None or grown.size != kept.size:
        yield f"nothing in it leads from the anchor's {kept.size} entries: certify chain prove --since ANCHOR"
    elif not extends(kept.size, checkpoint.size, kept.root, checkpoint.root, tuple(map(as_hash, grown.path))):
        yield f"the chain it is of does not begin with the {kept.size} entries the anchor saw"
