"""A proof that a release's entry is in its engine's chain: all that somebody without the evidence needs.

The entry itself (which holds the digest of every file of the release), its path to the root, and the
checkpoint with that root. Optionally that the chain is the one of an earlier checkpoint, grown.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model
from certification_pipeline.evidence.chain import EvidenceChainEntry
from certification_pipeline.evidence.merkle import Hash

_PREFIX = "sha256:"

Node = Annotated[Digest, Field(pattern=DIGEST_PATTERN)]


class ChainConsistency(Model):
    """That the checkpoint's tree begins with one of ``size`` entries (RFC 9162, 2.1.4)."""

    size: int = Field(ge=0)
    path: tuple[Node, ...]


class ChainProof(Model):
    """An entry and its way to a checkpoint's root (RFC 9162, 2.1.3)."""

    KIND: ClassVar[str] = "chain_proof"

    schema_version: Literal["certification_pipeline.chain_proof.v1"] = "certification_pipeline.chain_proof.v1"
    entry: EvidenceChainEntry
    leaf_index: int = Field(ge=0, description="the entry's place, counted from 0")
    path: tuple[Node, ...] = Field(description="hashes of the sibling trees, from the leaf to the root")
    checkpoint: str = Field(description="as it lies in chain/<engine>/checkpoint, with its signatures")
    consistency: ChainConsistency | None = None

    @classmethod
    def schema_name(cls) -> str:
        """``certification_pipeline.chain_proof.v1``."""
        return f"certification_pipeline.{cls.KIND}.v1"


def as_node(value: Hash) -> Digest:
    """32 bytes as evidence spells them."""
    return _PREFIX + value.hex()


def as_hash(node: Digest) -> Hash:
    """The other way round."""
    return bytes.fromhex(node.removeprefix(_PREFIX))
