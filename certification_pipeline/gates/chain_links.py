"""Do the links of a chain hold? Every entry's own hash, its place, its predecessor, and the head."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property
from itertools import groupby
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import render
from certification_pipeline.evidence.chain import GENESIS, EvidenceChainEntry, EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.merkle import Hash, leaf_hash, tree_hash
from certification_pipeline.gates.once import Once


class Tampering(StrEnum):
    """What was done to a file."""

    EDITED = "edited"
    DELETED = "deleted"
    ADDED = "added"
    REORDERED = "reordered"
    TRUNCATED = "truncated"
    UNANCHORED = "unanchored"
    """The chain is not, or no longer, the one that an outside copy of its hash was taken from."""
    UNSIGNED = "unsigned"
    """A signature was asked for, and is not there or not right."""


@dataclass(frozen=True)
class ChainProblem:
    """One defect of one file; ``path`` is relative to the evidence root."""

    kind: Tampering
    path: str
    message: str

    def __str__(self) -> str:
        return f"{self.path} was {self.kind.value}: {self.message}"


@dataclass(frozen=True)
class Links:
    """A chain as it was read. ``entries`` are those that are what they say, in order."""

    names: tuple[EntryName, ...]
    entries: tuple[EvidenceChainEntry, ...]
    head: EvidenceChainHead | None
    problems: tuple[ChainProblem, ...]
    interrupted: bool
    """The last entry is there and the head does not name it yet: its writer was killed in between."""
    leaves: tuple[Hash, ...] = ()
    """Leaf hashes of ``entries``."""

    @cached_property
    def root(self) -> Hash:
        """Of the Merkle tree over all of them; who verifies a ledger asks for each of its releases."""
        return tree_hash(self.leaves)

    @property
    def last(self) -> EvidenceChainEntry:
        """The newest entry; there must be one."""
        return self.entries[-1]

    @cached_property
    def unbroken(self) -> int:
        """How many entries there are from the first on without one that is missing or not sound."""
        breaks = (at for at, entry in enumerate(self.entries) if entry.sequence != at + 1)
        return next(breaks, len(self.entries))

    def newest(self, release_id: str) -> EvidenceChainEntry | None:
        """The release's newest entry."""
        mine = (entry for entry in reversed(self.entries) if entry.release_id == release_id)
        return next(mine, None)

    def grown(self, entry: EvidenceChainEntry) -> Links:
        """The links with one entry more, which was just written."""
        name, leaf = EntryName(entry.sequence, entry.release_id), leaf_hash(render(entry))
        return replace(
            self,
            names=(*self.names, name),
            entries=(*self.entries, entry),
            leaves=(*self.leaves, leaf),
            interrupted=True,
        )


READ: Once[Path, Links] = Once("links that were read")
"""Who verifies a ledger asks about a chain for each of its releases."""


def read_links(chain: ChainDir) -> Links:
    """Read and check all entries and the head, not the artifacts. EvidenceError when there is no chain."""
    return READ.get(chain.path, lambda: _read(chain))


def _read(chain: ChainDir) -> Links:
    names, strangers = chain.listing()
    problems = [
        ChainProblem(Tampering.ADDED, f"{chain.shown}/{_shown(name)}", "it is no entry of a chain")
        for name in strangers
    ]
    entries: dict[int, EvidenceChainEntry] = {}
    leaves: dict[int, Hash] = {}
    problems += _walk(chain, names, entries, leaves)
    last = max((name.sequence for name in names), default=0)
    head, interrupted = None, False
    try:
        head = chain.head()
        wrong = _check_head(chain, head, last, entries)
        interrupted = head.sequence < last and wrong is None
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING and not names and not strangers:
            remedy = f"Begin it: certify chain append --engine {chain.engine}"
            missing = ProblemKind.MISSING
            raise EvidenceError(chain.shown, None, "is no chain", remedy, missing) from None
        kind = Tampering.DELETED if error.kind is ProblemKind.MISSING else Tampering.EDITED
        wrong = ChainProblem(kind, f"{chain.shown}/{layout.CHAIN_HEAD}", error.problem)
    problems += [wrong] if wrong else []
    numbers = sorted(entries)
    ordered = tuple(entries[number] for number in numbers)
    hashes = tuple(leaves[number] for number in numbers)
    return Links(names, ordered, head, tuple(problems), interrupted, hashes)


def _walk(
    chain: ChainDir,
    names: tuple[EntryName, ...],
    entries: dict[int, EvidenceChainEntry],
    leaves: dict[int, Hash],
) -> Iterator[ChainProblem]:
    """Fill ``entries`` with those that are sound by themselves; yield what is wrong with the rest."""
    expected = 1
    previous: Digest | None = GENESIS
    for number, group in groupby(names, key=lambda name: name.sequence):
        same = list(group)
        if number > expected:
            gap = f"{expected}" if number == expected + 1 else f"{expected} to {number - 1}"
            yield ChainProblem(Tampering.DELETED, f"{chain.shown}/{expected:06d}__*.json", f"no entry {gap}")
            previous = None
        if number == 0 or len(same) > 1:
            what = (
                f"number {number} is taken by {' and '.join(map(str, same))}" if number else "counts from 1"
            )
            yield ChainProblem(Tampering.ADDED, f"{chain.shown}/{same[-1]}", what)
        for name in same:
            found = sound_by_itself(chain, name)
            if isinstance(found, ChainProblem):
                yield found
            elif previous is not None and found[0].previous_chain_hash != previous:
                message = "it does not follow the entry before it"
                yield ChainProblem(Tampering.REORDERED, f"{chain.shown}/{name}", message)
            elif number:
                entries.setdefault(number, found[0])
                leaves.setdefault(number, found[1])
        previous = entries[number].chain_hash if number in entries else None
        expected = number + 1


def sound_by_itself(chain: ChainDir, name: EntryName) -> tuple[EvidenceChainEntry, Hash] | ChainProblem:
    """An entry that is what it says, with its leaf hash; whether it follows on another is for the links."""
    path = f"{chain.shown}/{name}"
    try:
        entry, leaf = chain.entry_with_leaf(name)
    except EvidenceError as error:
        where = f"{error.field}: " if error.field else ""
        return ChainProblem(Tampering.EDITED, path, f"{where}{error.problem}")
    stated = entry.recompute_hash()
    if entry.chain_hash != stated:
        message = f"chain_hash says {entry.chain_hash}, its content has {stated}"
        return ChainProblem(Tampering.EDITED, path, message)
    if entry.subject.engine != chain.engine:
        message = f"it is an entry of engine {entry.subject.engine!r}"
        return ChainProblem(Tampering.ADDED, path, message)
    if (entry.sequence, entry.release_id) != name:
        message = f"it holds entry {entry.sequence} of release {entry.release_id!r}"
        return ChainProblem(Tampering.REORDERED, path, message)
    return entry, leaf


def _check_head(
    chain: ChainDir, head: EvidenceChainHead, last: int, entries: dict[int, EvidenceChainEntry]
) -> ChainProblem | None:
    path = f"{chain.shown}/{layout.CHAIN_HEAD}"
    if head.sequence > last:
        there = f"the last one there is {last}" if last else "there is none"
        message = f"the head names entry {head.sequence} (release {head.release_id!r}), {there}"
        return ChainProblem(Tampering.TRUNCATED, chain.shown, message)
    if head.sequence < last - 1:
        message = f"it names entry {head.sequence}, but there are {last}"
        return ChainProblem(Tampering.EDITED, path, message)
    named = entries.get(head.sequence)
    if named is None and head.sequence:
        return None  # that entry is a problem already, and nothing to compare with
    if head != EvidenceChainHead.of(chain.engine, named, head.checkpoint):
        message = f"it does not name entry {head.sequence} as it is"
        return ChainProblem(Tampering.EDITED, path, message)
    return None


def _shown(name: str) -> str:
    return name.encode("utf-8", "backslashreplace").decode()
