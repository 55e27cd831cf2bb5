"""Checkpoints of a chain (C2SP tlog-checkpoint): how many entries there are, and the root over them.

Three lines, origin, size and root, as a signed note. Whoever keeps one elsewhere can tell whether a chain
shown to them later is the same one, grown. One entry's bytes, as they lie in its file, are one leaf.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.merkle import HASH_BYTES, Hash, tree_hash
from certification_pipeline.evidence.note import Note, NoteKey, NoteSigner, decode_base64, parse_note

_ORIGIN = "certification_pipeline/"
_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")
_BODY_LINES = 3
_REMEDY = "Do not edit a checkpoint; restore it from a copy"


@dataclass(frozen=True)
class Checkpoint:
    """``size`` entries below ``root`` in the chain that ``origin`` names; ``note`` is what was signed."""

    origin: str
    size: int
    root: Hash
    note: Note
    extensions: tuple[str, ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether anybody signed it; who, and whether rightly, says :meth:`signed_by`."""
        return bool(self.note.signatures)

    def signed_by(self, key: NoteKey) -> bool:
        """Whether this key signed it as the origin."""
        return self.note.verified_by(self.origin, key)

    def render(self) -> bytes:
        """As it is written."""
        return self.note.render()


def origin_of(engine: str) -> str:
    """The name of one engine's chain. A key's name may hold no plus, which a version may."""
    return _ORIGIN + engine.replace("+", "%2B")


def make_checkpoint(engine: str, leaves: Sequence[Hash], signer: NoteSigner | None) -> Checkpoint:
    """The checkpoint over all entries of an engine's chain; without a signer it has no signature line."""
    return checkpoint_over(engine, len(leaves), tree_hash(leaves), signer)


def checkpoint_over(engine: str, size: int, root: Hash, signer: NoteSigner | None) -> Checkpoint:
    """As :func:`make_checkpoint`, of a root that was worked out already."""
    origin = origin_of(engine)
    note = Note(f"{origin}\n{size}\n{base64.b64encode(root).decode()}\n")
    if signer is not None:
        note = note.signed(origin, signer)
    return Checkpoint(origin, size, root, note)


def parse_checkpoint(data: bytes, shown: str) -> Checkpoint:
    """Read one strictly: one spelling of every number and hash. ``EvidenceError`` says what is wrong."""
    note = parse_note(data, shown)
    origin, *rest = note.text.removesuffix("\n").split("\n")
    if len(rest) < _BODY_LINES - 1 or not all([origin, *rest]):
        problem = "is no checkpoint: it needs lines of origin, size and root, none of them empty"
        raise EvidenceError(shown, None, problem, _REMEDY)
    size, root, *extensions = rest
    if not _SIZE.fullmatch(size):
        raise EvidenceError(shown, "size", f"is {size[:40]!r}, no number of entries", _REMEDY)
    digest = decode_base64(root, HASH_BYTES)
    if digest is None:
        raise EvidenceError(shown, "root", f"is {root[:80]!r}, no base64 of 32 bytes", _REMEDY)
    return Checkpoint(origin, int(size), digest, note, tuple(extensions))
