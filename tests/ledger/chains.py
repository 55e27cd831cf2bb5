"""Chains without releases: entries, checkpoint and head, as an append writes them."""

from __future__ import annotations

from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.chain import GENESIS, ChainedArtifact, EvidenceChainEntry
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.gates.chain_checkpoint import see_checkpoint, settle
from certification_pipeline.gates.chain_links import Links, read_links
from tests.evidence.builders import ENGINE, SMALL, plan, provenance


class Key:
    """An Ed25519 public key."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw

    def verifies(self, signature: bytes, data: bytes) -> bool:
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, data)
        except InvalidSignature:
            return False
        return True


class Pen:
    """An Ed25519 private key, the same for the same seed."""

    def __init__(self, seed: int = 1) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
        self.public_key = Key(self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def sign(self, data: bytes) -> bytes:
        return self._key.sign(data)


def entry(links: Links | None, release_id: str, engine: str = ENGINE, mark: str = "a") -> EvidenceChainEntry:
    """The entry that follows; another ``mark`` makes another entry."""
    last = links.entries[-1] if links and links.entries else None
    subject = plan(SMALL).subject.model_copy(update={"engine": engine})
    return EvidenceChainEntry(
        **provenance(60).header(EvidenceChainEntry, release_id, subject, "embedded"),
        outcome=Outcome.PASSED,
        passed=True,
        sequence=last.sequence + 1 if last else 1,
        previous_chain_hash=last.chain_hash if last else GENESIS,
        artifacts=(ChainedArtifact(path=mark, sha256=GENESIS, size_bytes=1),),
        chain_hash=GENESIS,
    ).sealed()


def grow(
    root: Path, *release_ids: str, engine: str = ENGINE, mark: str = "a", pen: Pen | None = None
) -> Links:
    """Append an entry a release; returns the links as they are read then."""
    chain = ChainDir(root, engine)
    for release_id in release_ids:
        links = read_links(chain) if chain.listing()[0] else Links((), (), None, (), interrupted=False)
        seen = see_checkpoint(chain, links)
        made = entry(links, release_id, engine, mark)
        chain.add(made)
        settle(chain, links.grown(made), seen, pen)
    return read_links(chain)
