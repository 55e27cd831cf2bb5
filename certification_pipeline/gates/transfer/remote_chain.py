"""One engine's chain as a store holds it: keys, formats, and how much of it a local chain shares."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model
from certification_pipeline.evidence.canonical import parse, render
from certification_pipeline.evidence.chain import ChainedArtifact, EvidenceChainEntry
from certification_pipeline.evidence.checkpoint import Checkpoint, parse_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import SEGMENT_PATTERN, safe_segment
from certification_pipeline.evidence.merkle import Hash, leaf_hash
from certification_pipeline.evidence.stores.directory import DirectoryStore
from certification_pipeline.evidence.stores.remote import RemoteStore, Version

_ENTRY = re.compile(rf"chain/({SEGMENT_PATTERN})/entries/([0-9]{{6,18}})\.json")
_LARGEST_CHECKPOINT = 1 << 16
_REMEDY = "Nothing of it was used; restore the store from a copy, or push to another place"


def _safe_release(name: str) -> str:
    try:
        return safe_segment(name, "release id")
    except EvidenceError as error:
        raise ValueError(error.problem) from None


class RemoteDecision(Model):
    """The files of a release that rest on its entry, and so are not in it."""

    release_id: Annotated[str, AfterValidator(_safe_release)]
    sequence: int = Field(ge=1)
    chain_hash: Digest = Field(pattern=DIGEST_PATTERN, description="of the entry they rest on")
    files: tuple[ChainedArtifact, ...]


class RemoteDecisions(Model):
    """Of every release of one engine."""

    schema_version: Literal["certification_pipeline.remote_decisions.v1"] = (
        "certification_pipeline.remote_decisions.v1"
    )
    engine: str
    decisions: tuple[RemoteDecision, ...] = Field(
        description="sorted by entry; some may rest on entries not there yet"
    )


@dataclass(frozen=True)
class RemoteChain:
    """Reads one engine's chain in a store, strictly; every method raises ``EvidenceError``."""

    store: RemoteStore
    engine: str

    @property
    def shown(self) -> str:
        """For messages."""
        return f"{self.store.shown}/{layout.CHAIN}/{self.engine}"

    def key(self, number: int) -> str:
        """Where entry ``number`` is."""
        return f"{layout.CHAIN}/{safe_segment(self.engine, 'engine name')}/entries/{number:06d}.json"

    @property
    def checkpoint_key(self) -> str:
        """Where the checkpoint is."""
        return f"{layout.CHAIN}/{safe_segment(self.engine, 'engine name')}/{layout.CHAIN_CHECKPOINT}"

    @property
    def decisions_key(self) -> str:
        """Where the decisions are listed."""
        return f"decisions/{safe_segment(self.engine, 'engine name')}.json"

    def count(self) -> int:
        """How many entries there are, from 1 on without a gap."""
        prefix = self.key(1).rpartition("/")[0] + "/"
        numbers = []
        for name in self.store.names(prefix):
            match = _ENTRY.fullmatch(name)
            if match is None or name != self.key(int(match[2])):
                raise EvidenceError(self.shown, None, f"holds {name[:200]!r}, which is no entry", _REMEDY)
            numbers.append(int(match[2]))
        numbers.sort()
        if numbers != list(range(1, len(numbers) + 1)):
            gap = next(at for at, number in enumerate(numbers, start=1) if number != at)
            raise EvidenceError(self.shown, None, f"has no entry {gap}, but later ones", _REMEDY)
        return len(numbers)

    def entry_bytes(self, number: int) -> bytes:
        """One entry as it was written."""
        found = self.store.read(self.key(number), layout.LARGEST_ARTIFACT)
        if found is None:
            raise EvidenceError(self.shown, None, f"has lost entry {number} meanwhile", _REMEDY)
        return found.data

    def entry(self, number: int) -> EvidenceChainEntry:
        """One entry, in the one spelling it has."""
        data = self.entry_bytes(number)
        shown = f"{self.store.shown}/{self.key(number)}"
        entry = parse(data, EvidenceChainEntry, shown)
        safe_segment(entry.release_id, "release id")
        if render(entry, shown) != data:
            raise EvidenceError(shown, None, "is not spelled as it was written", _REMEDY)
        return entry

    def checkpoint(self) -> tuple[Checkpoint, Version] | None:
        """The checkpoint, or ``None`` when there is none."""
        found = self.store.read(self.checkpoint_key, _LARGEST_CHECKPOINT)
        if found is None:
            return None
        return parse_checkpoint(found.data, f"{self.store.shown}/{self.checkpoint_key}"), found.version

    def decisions(self) -> tuple[RemoteDecisions, Version] | None:
        """What is decided on its releases, or ``None`` when nothing is."""
        found = self.store.read(self.decisions_key, layout.LARGEST_ARTIFACT)
        if found is None:
            return None
        shown = f"{self.store.shown}/{self.decisions_key}"
        decisions = parse(found.data, RemoteDecisions, shown)
        if decisions.engine != self.engine:
            raise EvidenceError(shown, "engine", f"is {decisions.engine!r}", _REMEDY)
        return decisions, found.version

    def shared(self, count: int, leaves: Sequence[Hash]) -> int:
        """How many entries from the first on are the same here and there.

        Each entry holds the hash of the one before it, so that one that is the same vouches for all before.
        """
        low, high = 0, min(count, len(leaves))
        probe = high  # at best all are the same: one request
        while low < high:
            if leaf_hash(self.entry_bytes(probe)) == leaves[probe - 1]:
                low = probe
            else:
                high = probe - 1
            probe = (low + high + 1) // 2
        return low


def refuse_evidence(remote: RemoteStore, evidence: Path) -> None:
    """``EvidenceError`` when a directory to push to or pull from is, holds or lies in evidence itself."""
    if not isinstance(remote, DirectoryStore):
        return
    there, here = remote.root.resolve(), evidence.resolve()
    problem = ""
    if there.is_relative_to(here) or here.is_relative_to(there):
        problem = f"is not apart from the evidence in {evidence}"
    elif (there / layout.RELEASES).exists():
        problem = "is an evidence directory, and no store"
    if problem:
        raise EvidenceError(remote.shown, None, problem, "Name another directory", ProblemKind.MISSING)


def blob_key(digest: Digest) -> str:
    """Where a file of that content is."""
    text = digest.removeprefix("sha256:")
    return f"blobs/sha256/{text[:2]}/{text[2:]}"


def remote_engines(store: RemoteStore) -> tuple[str, ...]:
    """Engines that have a chain in the store, sorted. Names that are none are refused."""
    engines = set()
    for name in store.names(f"{layout.CHAIN}/"):
        parts = name.split("/")
        engines.add(safe_segment(parts[1] if len(parts) > 2 else name, "engine name"))  # noqa: PLR2004 - chain/<engine>/…
    return tuple(sorted(engines))
