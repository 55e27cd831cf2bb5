"""Anchors: is a chain still the one that something kept elsewhere was taken from? If not, where it departs.

By itself a chain cannot show a tail cut off together with its head and checkpoint, nor entries written anew
from some place on, nor an old copy put back: whoever may write here can compute every hash. An anchor can.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import (
    Anchor,
    CheckpointAnchor,
    HashAnchor,
    parse_anchor,
    parse_hash,
)
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import origin_of
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.git_tags import GIT_PREFIX, read_tag
from certification_pipeline.evidence.merkle import tree_hash
from certification_pipeline.gates.chain_links import ChainProblem, Links, Tampering


def read_anchor(given: str) -> Anchor:
    """A bare hash, ``git:<repository>#<tag>``, or a file: a checkpoint, a hash, a copy of a head or entry.

    Raises ``EvidenceError`` for what is none of them.
    """
    bare = parse_hash(given)
    if bare is not None:
        return bare
    if given.startswith(GIT_PREFIX):
        repository, hash_mark, tag = given.removeprefix(GIT_PREFIX).rpartition("#")
        if not hash_mark or not repository or not tag:
            remedy = "Write it as git:<repository>#<tag>"
            raise EvidenceError(given, None, "names no repository and tag", remedy, ProblemKind.MISSING)
        return parse_anchor(read_tag(Path(repository), tag), given)
    return parse_anchor(read_no_follow(Path(given), given, layout.LARGEST_ARTIFACT), given)


def departure(anchor: Anchor, chain: ChainDir, links: Links) -> ChainProblem | None:
    """Where the chain is not the anchored one grown, or ``None``. An unsound entry counts as departed."""
    return next(_departures(anchor, chain, links), None)


def _departures(anchor: Anchor, chain: ChainDir, links: Links) -> Iterator[ChainProblem]:
    match anchor:
        case HashAnchor(chain_hash=wanted, sequence=None):
            if wanted not in {entry.chain_hash for entry in links.entries}:
                message = f"no sound entry has the hash {wanted}: the tail was cut off, or the chain written"
                yield _at_chain(chain, f"{message} anew")
        case HashAnchor():
            yield from _by_number(anchor, chain, links)
        case CheckpointAnchor():
            yield from _by_checkpoint(anchor, chain, links)


def _by_number(anchor: HashAnchor, chain: ChainDir, links: Links) -> Iterator[ChainProblem]:
    number = anchor.sequence or 0
    entries = {entry.sequence: entry for entry in links.entries}
    last = max((name.sequence for name in links.names), default=0)
    if last < number:
        yield _cut(chain, number, last)
        return
    found = entries.get(number)
    if found is not None and found.chain_hash == anchor.chain_hash:
        return
    before = entries.get(number - 1)
    exactly = number == 1 or (before is not None and before.chain_hash == anchor.previous)
    yield _departs(chain, links, number, "" if exactly else " or before")


def _by_checkpoint(anchor: CheckpointAnchor, chain: ChainDir, links: Links) -> Iterator[ChainProblem]:
    kept = anchor.checkpoint
    if kept.origin != origin_of(chain.engine):
        yield _at_chain(chain, f"the anchor is of another chain: {kept.origin!r}")
        return
    sound = links.leaves[: links.unbroken]
    for number, (mine, theirs) in enumerate(zip(sound, anchor.leaves, strict=False), start=1):
        if mine != theirs:
            yield _departs(chain, links, number, "")
            return
    last = max((name.sequence for name in links.names), default=0)
    if last < kept.size:
        yield _cut(chain, kept.size, last)
    elif len(sound) < kept.size:
        yield _departs(chain, links, len(sound) + 1, " or before" if not anchor.leaves else "")
    elif tree_hash(sound[: kept.size]) != kept.root:
        message = f"the first {kept.size} entries are not those the anchor saw: one of them was written anew"
        yield _at_chain(chain, message)


def _departs(chain: ChainDir, links: Links, number: int, where: str) -> ChainProblem:
    name = next((str(each) for each in links.names if each.sequence == number), f"{number:06d}__*.json")
    message = f"the chain departs from the anchor at entry {number}{where}"
    return ChainProblem(Tampering.UNANCHORED, f"{chain.shown}/{name}", message)


def _cut(chain: ChainDir, saw: int, last: int) -> ChainProblem:
    gone = f"entry {saw}" if saw == last + 1 else f"entries {last + 1} to {saw}"
    message = f"the anchor saw {saw} entries, {gone} of them are gone: cut off, or an old copy was put back"
    return _at_chain(chain, message)


def _at_chain(chain: ChainDir, message: str) -> ChainProblem:
    return ChainProblem(Tampering.UNANCHORED, chain.shown, message)
