"""Anchors: what is kept elsewhere of a chain, so that a chain cut or written anew can be told from it.

Three kinds: the bare hash of an entry; an entry's number and hash (a copy of ``head.json`` or of the entry);
a checkpoint, at best with the hashes of the entries below it, which say *where* another chain departs.
The last is written as the checkpoint, a blank line, ``entries sha256``, and one base64 line an entry.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.checkpoint import Checkpoint, parse_checkpoint
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.merkle import HASH_BYTES, Hash, tree_hash
from certification_pipeline.evidence.note import decode_base64

_ENTRIES = b"\n\nentries sha256\n"
_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")
_REMEDY = "Keep it as it was written: a hash, a copy of head.json, or what `certify chain anchor` wrote"


@dataclass(frozen=True)
class HashAnchor:
    """Some entry has this hash. From a copy of an entry or a head: entry number ``sequence`` has it."""

    chain_hash: Digest
    sequence: int | None = None
    previous: Digest | None = None
    """The hash of the entry before, where it is known."""


@dataclass(frozen=True)
class CheckpointAnchor:
    """The chain began with ``checkpoint.size`` entries under its root; ``leaves`` are theirs, or empty."""

    checkpoint: Checkpoint
    leaves: tuple[Hash, ...] = ()

    def render(self) -> bytes:
        """As it is kept elsewhere."""
        if not self.leaves:
            return self.checkpoint.render()
        lines = b"".join(base64.b64encode(leaf) + b"\n" for leaf in self.leaves)
        return self.checkpoint.render().removesuffix(b"\n") + _ENTRIES + lines


Anchor: TypeAlias = HashAnchor | CheckpointAnchor


def anchor_of(checkpoint: Checkpoint, leaves: Sequence[Hash]) -> CheckpointAnchor:
    """An anchor with the entries' hashes, which must be those under the checkpoint's root."""
    if (checkpoint.size, checkpoint.root) != (len(leaves), tree_hash(leaves)):
        raise ValueError("these are not the entries below the checkpoint's root")
    return CheckpointAnchor(checkpoint, tuple(leaves))


def parse_hash(text: str) -> HashAnchor | None:
    """A bare sha256 in hex, with or without ``sha256:``."""
    match = _HASH.fullmatch(text)
    return HashAnchor(f"sha256:{match[1]}") if match else None


def parse_anchor(data: bytes, shown: str) -> Anchor:
    """Any of the three kinds; ``EvidenceError`` for what is none, or contradicts itself."""
    try:
        text = data.decode().strip()
    except UnicodeDecodeError:
        raise EvidenceError(
            shown, None, "holds no hash and no checkpoint: it is not UTF-8", _REMEDY
        ) from None
    bare = parse_hash(text)
    if bare is not None:
        return bare
    if text.startswith("{"):
        return _from_json(data, shown)
    head, marked, tail = data.partition(_ENTRIES)
    if not marked:
        if text.count("\n") < 2:  # noqa: PLR2004 - a checkpoint has three lines at least
            raise EvidenceError(shown, None, "holds no hash and no checkpoint", _REMEDY)
        return CheckpointAnchor(parse_checkpoint(data, shown))
    checkpoint = parse_checkpoint(head + b"\n", shown)
    leaves = tuple(_leaves(tail, shown))
    if (checkpoint.size, checkpoint.root) != (len(leaves), tree_hash(leaves)):
        problem = "lists entries that are not those of its checkpoint"
        raise EvidenceError(shown, "entries", problem, _REMEDY)
    return CheckpointAnchor(checkpoint, leaves)


def _leaves(tail: bytes, shown: str) -> list[Hash]:
    leaves = []
    for line in tail.decode().removesuffix("\n").split("\n"):
        leaf = decode_base64(line, HASH_BYTES)
        if leaf is None:
            raise EvidenceError(shown, "entries", f"holds {line[:80]!r}, no base64 of 32 bytes", _REMEDY)
        leaves.append(leaf)
    return leaves


def _from_json(data: bytes, shown: str) -> HashAnchor:
    value = parse_value(data, shown)
    if isinstance(value, dict):
        found = _HASH.fullmatch(str(value.get("chain_hash")))
        previous = _HASH.fullmatch(str(value.get("previous_chain_hash")))
        sequence = value.get("sequence")
        if found and isinstance(sequence, int) and sequence > 0:
            before = f"sha256:{previous[1]}" if previous else None
            return HashAnchor(f"sha256:{found[1]}", sequence, before)
    raise EvidenceError(shown, "chain_hash", "holds no hash of an entry", _REMEDY)
