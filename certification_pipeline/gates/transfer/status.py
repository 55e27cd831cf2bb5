"""How a local chain and a store's stand to each other; reads only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.remote import RemoteStore
from certification_pipeline.gates.chain_links import read_links
from certification_pipeline.gates.transfer.remote_chain import RemoteChain


class Standing(StrEnum):
    """What there is to do."""

    SAME = "same"
    AHEAD = "ahead"
    """Push."""
    BEHIND = "behind"
    """Pull."""
    FORKED = "forked"


@dataclass(frozen=True)
class StoreStatus:
    """Both sides of one engine. ``shared`` entries from the first on are the same."""

    engine: str
    here: int
    there: int
    shared: int
    signed: bool
    """Whether the store's checkpoint bears a signature; whose, a pull with a key says."""
    checkpoint: int | None
    """Over how many entries the store's checkpoint is."""

    @property
    def standing(self) -> Standing:
        """From the numbers."""
        if self.shared < min(self.here, self.there):
            return Standing.FORKED
        if self.here == self.there:
            return Standing.SAME
        return Standing.AHEAD if self.here > self.there else Standing.BEHIND


def status(store: EvidenceStore, remote: RemoteStore, engine: str) -> StoreStatus:
    """Compare; ``EvidenceError`` when either side cannot be read."""
    chain, here = RemoteChain(remote, engine), ChainDir(store.root, engine)
    found, count = chain.checkpoint(), chain.count()
    leaves = read_links(here).leaves if here.listing()[0] else ()
    checkpoint = found[0] if found else None
    return StoreStatus(
        engine=engine,
        here=len(leaves),
        there=count,
        shared=chain.shared(count, leaves),
        signed=bool(checkpoint and checkpoint.is_signed),
        checkpoint=checkpoint.size if checkpoint else None,
    )
