"""The end of a chain, proved against its root without reading what lies before: an append reads so much.

Whoever appends to a chain that was read whole and found sound keeps, in the user's own cache, its root and
the inclusion proof of its last entry (RFC 9162, 2.1.3): ``<cache>/chains/<engine>/<root>.json``, at most 64
hashes whatever the number of entries. The siblings on that path are the perfect trees that the next root is
made of, so that an append needs the last entry, head, checkpoint and that proof.

What is kept is never believed. It counts only while the checkpoint there has that very root and the proof
leads from the bytes of the last entry, as they lie there now, to it: no other hashes do (SHA-256). Missing,
damaged, of another root or version: the chain is read whole. Nothing that verifies looks at it.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Producer
from certification_pipeline.evidence.canonical import render
from certification_pipeline.evidence.chain import EvidenceChainEntry, EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.chain_proof import as_hash, as_node
from certification_pipeline.evidence.checkpoint import Checkpoint, origin_of
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.files import read_no_follow, write_atomically
from certification_pipeline.evidence.merkle import Hash, includes, leaf_hash, peak_root, peaks_with, tree_hash
from certification_pipeline.evidence.note import NoteKey
from certification_pipeline.evidence.provenance import producer
from certification_pipeline.gates.chain_checkpoint import SeenCheckpoint
from certification_pipeline.gates.chain_links import ChainProblem, sound_by_itself
from certification_pipeline.gates.levels.facts import cache_place

_LARGEST = 1 << 16
"""Bytes; a proof takes some hundred."""


class KeptProof(BaseModel):
    """What is kept of a chain that was read whole and found sound."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    producer: Producer
    engine: str
    size: int = Field(ge=1)
    root: Annotated[Digest, Field(pattern=DIGEST_PATTERN)]
    path: tuple[Annotated[Digest, Field(pattern=DIGEST_PATTERN)], ...]
    """From the last entry to the root; all of its siblings lie to the left."""


@dataclass(frozen=True)
class Tail:
    """A chain of which the last entry was read. ``before``: the perfect trees over all entries before it."""

    names: tuple[EntryName, ...]
    last: EvidenceChainEntry
    leaf: Hash
    before: tuple[Hash, ...]
    head: EvidenceChainHead
    checkpoint: Checkpoint
    digest: Digest
    """Of the checkpoint's file."""

    @cached_property
    def root(self) -> Hash:
        """Of the Merkle tree over all entries."""
        return peak_root(peaks_with(self.before, len(self.names) - 1, self.leaf))

    @property
    def seen(self) -> SeenCheckpoint:
        """The checkpoint: nothing speaks against it."""
        return SeenCheckpoint(self.checkpoint, self.digest)

    def newest(self, release_id: str) -> EvidenceChainEntry | None:
        """The last entry, if it is of that release; an earlier one was not read."""
        return self.last if self.last.release_id == release_id else None

    def grown(self, entry: EvidenceChainEntry) -> Tail:
        """With one entry more, which was just written."""
        return replace(
            self,
            names=(*self.names, EntryName(entry.sequence, entry.release_id)),
            last=entry,
            leaf=leaf_hash(render(entry)),
            before=peaks_with(self.before, len(self.names) - 1, self.leaf),
        )


def read_tail(chain: ChainDir, release_id: str, keys: Collection[NoteKey] = ()) -> Tail | None:
    """The chain's end, proved; ``None`` when the chain must be read whole to go on from it.

    That is whenever anything there is not as the last append left it, nothing proves the end, ``release_id``
    has an entry before the last, or somebody is to sign (``keys``) what none of these keys has signed.
    """
    try:
        tail = _settled(chain)
    except EvidenceError:  # reading the whole chain says what is wrong, and where
        return None
    if tail is None or release_id in {name.release_id for name in tail.names[:-1]}:
        return None
    if keys and not any(map(tail.checkpoint.signed_by, keys)):
        return None
    return tail


def every_byte_proved(chain: ChainDir, tail: Tail) -> bool:
    """Whether all entries are, byte for byte, those below the root that was found sound: then so are they."""
    try:
        return tree_hash([chain.leaf(name) for name in tail.names]) == tail.root
    except EvidenceError:
        return False


def keep_proof(chain: ChainDir, size: int, root: Hash, before: Sequence[Hash]) -> None:
    """Keep the proof of a chain whose every entry was found sound.

    ``before``: the perfect trees over all entries but the last. That a place cannot be written stops nothing.
    """
    place = _place(chain.engine)
    if place is None:
        return
    path = place / _name(root)
    kept = KeptProof(
        producer=producer(),
        engine=chain.engine,
        size=size,
        root=as_node(root),
        path=tuple(as_node(each) for each in reversed(before)),
    )
    with suppress(EvidenceError):
        write_atomically(path, kept.model_dump_json().encode())


def forget_proof(chain: ChainDir, root: Hash) -> None:
    """A chain that grew has another root: nobody will ask for this one."""
    if (place := _place(chain.engine)) is not None:
        with suppress(OSError):
            (place / _name(root)).unlink(missing_ok=True)


def _settled(chain: ChainDir) -> Tail | None:
    names, strangers = chain.listing()
    if strangers or not names or [name.sequence for name in names] != list(range(1, len(names) + 1)):
        return None
    checkpoint, digest = chain.checkpoint()
    kept = _find(chain.engine, checkpoint.root)
    if (
        kept is None
        or checkpoint.origin != origin_of(chain.engine)
        or checkpoint.size != len(names)
        or checkpoint.extensions
    ):
        return None
    found = sound_by_itself(chain, names[-1])
    if isinstance(found, ChainProblem):
        return None
    last, leaf = found
    path = tuple(as_hash(each) for each in kept.path)
    proved = includes(leaf, checkpoint.size - 1, checkpoint.size, path, checkpoint.root)
    head = chain.head()
    if not proved or head != EvidenceChainHead.of(chain.engine, last, digest):
        return None
    return Tail(names, last, leaf, tuple(reversed(path)), head, checkpoint, digest)


def _find(engine: str, root: Hash) -> KeptProof | None:
    place = _place(engine)
    if place is None:
        return None
    path = place / _name(root)
    try:
        if path.lstat().st_uid != os.geteuid():
            return None
        found = KeptProof.model_validate_json(read_no_follow(path, str(path), _LARGEST))
    except (EvidenceError, OSError, ValidationError):
        return None
    return found if (found.engine, found.producer) == (engine, producer()) else None


def _place(engine: str) -> Path | None:
    place = cache_place()
    return place / "chains" / engine if place else None


def _name(root: Hash) -> str:
    return f"{root.hex()}.json"
