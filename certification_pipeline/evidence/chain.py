"""The evidence chain: one entry a release (or a rerun of it) of one engine, over the artifacts themselves.

Each entry holds the digest of every file it vouches for and the hash of the entry before it, so that an
edited, deleted, added, reordered or truncated piece shows. Anybody can check an entry's own hash:
``jq -cjS 'del(.chain_hash)' ENTRY | sha256sum``. Sources: DESIGN section 10; seed 003's evidence chain.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, SerializerFunctionWrapHandler, model_serializer

from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Artifact, Digest, Model
from certification_pipeline.evidence.canonical import sha256

GENESIS: Digest = "sha256:" + "0" * 64
"""What the first entry names as its predecessor."""

_CHAIN_HASH = "chain_hash"


def _relative(path: str) -> str:
    if not path or {"", ".", ".."} & set(path.split("/")) or "\0" in path:
        raise ValueError("is no path inside the subject's directory")
    return path


class ChainedArtifact(Model):
    """One file as it was when it was chained."""

    path: Annotated[str, AfterValidator(_relative)] = Field(description="relative to the subject's directory")
    sha256: Digest = Field(pattern=DIGEST_PATTERN)
    size_bytes: int = Field(ge=0)


class EvidenceChainEntry(Artifact):
    """One link. ``outcome`` is the suite's, recomputed when the entry was made."""

    KIND: ClassVar[str] = "evidence_chain"
    LONG: ClassVar[str] = "artifacts"

    sequence: int = Field(ge=1, description="1, 2, 3, … without a gap")
    previous_chain_hash: Digest = Field(pattern=DIGEST_PATTERN, description="all zeros in the first entry")
    artifacts: tuple[ChainedArtifact, ...] = Field(
        description="every file of the subject but its release summary, sorted by path"
    )
    chain_hash: Digest = Field(
        pattern=DIGEST_PATTERN,
        description="sha256 of everything else as JSON with sorted keys and no white space",
    )

    def recompute_hash(self) -> Digest:
        """The hash this entry should state."""
        content = self.model_dump(mode="json", exclude={_CHAIN_HASH})
        text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return sha256(text.encode())

    def sealed(self) -> EvidenceChainEntry:
        """The same with its right hash."""
        return self.model_copy(update={_CHAIN_HASH: self.recompute_hash()})


class EvidenceChainHead(Model):
    """``head.json``: the last entry. ``sequence`` 0 stands for a chain that has none yet."""

    schema_version: Literal["certification_pipeline.evidence_chain_head.v1"] = (
        "certification_pipeline.evidence_chain_head.v1"
    )
    engine: str
    sequence: int = Field(ge=0)
    release_id: str
    chain_hash: Digest = Field(pattern=DIGEST_PATTERN)
    checkpoint: Digest | None = Field(
        None, pattern=DIGEST_PATTERN, description="of the checkpoint file; absent where there is none yet"
    )

    @classmethod
    def of(
        cls, engine: str, entry: EvidenceChainEntry | None, checkpoint: Digest | None = None
    ) -> EvidenceChainHead:
        """The head of a chain that ends in ``entry``, or of one without entries."""
        if entry is None:
            return cls(engine=engine, sequence=0, release_id="", chain_hash=GENESIS, checkpoint=None)
        return cls(
            engine=engine,
            sequence=entry.sequence,
            release_id=entry.release_id,
            chain_hash=entry.chain_hash,
            checkpoint=checkpoint,
        )

    @model_serializer(mode="wrap")
    def _without_absence(self, plain: SerializerFunctionWrapHandler) -> dict[str, Any]:
        # Heads from before there were checkpoints keep the spelling they were written in.
        content: dict[str, Any] = plain(self)
        if self.checkpoint is None:
            del content["checkpoint"]
        return content
