"""Who signs a checkpoint signs every entry under it: none that nobody signed before is signed by the way.

An entry behind the last signed checkpoint is what a stopped writer leaves, and what somebody without the key
slips in. So whoever appends with a key signs over what that key, or one that is trusted, counted already, and
over the very release that is appended; anything else must be asked for (:func:`sign`).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import NamedTuple

from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import Checkpoint
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.note import NoteKey
from certification_pipeline.gates.chain_checkpoint import SeenCheckpoint
from certification_pipeline.gates.chain_links import Links

_SHOWN = 3
SIGN = "certify chain sign --engine {}"


def unvouched(
    links: Links, seen: SeenCheckpoint, keys: Collection[NoteKey]
) -> tuple[EvidenceChainEntry, ...]:
    """Entries that no checkpoint counts which one of these keys signed."""
    checkpoint = seen.checkpoint
    signed = checkpoint is not None and any(map(checkpoint.signed_by, keys))
    counted = checkpoint.size if checkpoint is not None and signed else 0
    return tuple(entry for entry in links.entries if entry.sequence > counted)


def refuse_unvouched(
    chain: ChainDir, links: Links, seen: SeenCheckpoint, keys: Sequence[NoteKey], release_id: str
) -> None:
    """Raises ``EvidenceError`` when signing would vouch for another release than this one that nobody signed.

    Earlier entries of this very release count no more: the one that is appended takes their place.
    """
    loose = unvouched(links, seen, keys)
    if all(entry.release_id == release_id for entry in loose):
        return
    first, last = loose[0], loose[-1]
    one = f"entry {first.sequence} is"
    which = one if first is last else f"entries {first.sequence} to {last.sequence} are"
    releases = ", ".join(dict.fromkeys(entry.release_id for entry in loose[:_SHOWN]))
    more = ", …" if len(loose) > _SHOWN else ""
    problem = f"{which} under no checkpoint that your key signed ({releases}{more})"
    remedy = (
        "Somebody without the key appended it, its writer was stopped, or your key is new here: look at it "
        f"(certify chain show --engine {chain.engine}); only if it is yours: {SIGN.format(chain.engine)}"
    )
    raise EvidenceError(chain.shown, None, problem, remedy)


class Signed(NamedTuple):
    """A checkpoint that was signed on purpose, and the entries it vouches for that none did before."""

    checkpoint: Checkpoint
    entries: tuple[EvidenceChainEntry, ...]
    head: Digest
