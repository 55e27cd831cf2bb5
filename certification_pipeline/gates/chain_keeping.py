"""Keep a chain's checkpoint elsewhere, in a file or a git tag, and never go backwards there."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import Anchor, CheckpointAnchor, anchor_of, parse_anchor
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import Checkpoint, origin_of
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow, write_atomically
from certification_pipeline.evidence.git_tags import read_tags, write_tag
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.chain_anchor import departure
from certification_pipeline.gates.chain_checkpoint import see_checkpoint
from certification_pipeline.gates.chain_links import Links, read_links


@dataclass(frozen=True)
class SoundChain:
    """A chain whose links hold, with the checkpoint over all of them."""

    chain: ChainDir
    links: Links
    checkpoint: Checkpoint


@dataclass(frozen=True)
class Kept:
    """What is kept now, and where; not ``new`` when that very text was there already."""

    anchor: CheckpointAnchor
    where: str
    new: bool


def sound_chain(store: EvidenceStore, engine: str) -> SoundChain:
    """Links and checkpoint, verified; the files of the releases are not looked at.

    Raises ``EvidenceError`` when anything is wrong with them, or there is no checkpoint over all entries.
    """
    chain = ChainDir(store.root, engine)
    links = read_links(chain)
    seen = see_checkpoint(chain, links)
    problems = [*links.problems, *seen.problems]
    if problems:
        remedy = f"See `certify chain verify --engine {engine}`; restore the chain from a copy"
        raise EvidenceError(chain.shown, None, f"does not verify: {problems[0]}", remedy)
    if seen.checkpoint is None or seen.checkpoint.size != len(links.entries):
        remedy = f"Append once more: certify chain append --engine {engine}"
        problem = "has no checkpoint over all of its entries yet"
        raise EvidenceError(chain.shown, None, problem, remedy, ProblemKind.MISSING)
    return SoundChain(chain, links, seen.checkpoint)


def keep_in_file(store: EvidenceStore, engine: str, path: Path) -> Kept:
    """Write the chain's anchor to ``path``, over one of the same chain that it extends.

    Raises ``EvidenceError`` as :func:`sound_chain`, and when what is there is another chain's, or of more
    entries, or ``path`` lies in the evidence, where it would go the way the chain goes.
    """
    path = path.absolute()
    if path.resolve().is_relative_to(store.root.resolve()):
        problem = f"lies in the evidence ({store.root}): who can change that can change the anchor with it"
        raise EvidenceError(str(path), None, problem, "Keep it elsewhere", ProblemKind.MISSING)
    sound = sound_chain(store, engine)
    anchor = anchor_of(sound.checkpoint, sound.links.leaves)
    with _alone_in(path.parent):
        try:
            data = read_no_follow(path, str(path), layout.LARGEST_ARTIFACT)
        except EvidenceError as error:
            if error.kind is not ProblemKind.MISSING:
                raise
        else:
            if data == anchor.render():
                return Kept(anchor, str(path), new=False)
            _refuse_backwards(sound, parse_anchor(data, str(path)), str(path))
        write_atomically(path, anchor.render())
    return Kept(anchor, str(path), new=True)


def keep_in_git(store: EvidenceStore, engine: str, repository: Path, tag: str) -> Kept:
    """Make an annotated tag with the chain's anchor; it must extend every other anchor tagged there.

    Raises ``EvidenceError`` as :func:`keep_in_file`, and when there is such a tag.
    """
    sound = sound_chain(store, engine)
    anchor = anchor_of(sound.checkpoint, sound.links.leaves)
    for name, message in read_tags(repository, origin_of(engine)):
        where = f"tag {name} of {repository}"
        _refuse_backwards(sound, parse_anchor(message, where), where)
    write_tag(repository, tag, anchor.render())
    return Kept(anchor, f"git:{repository}#{tag}", new=True)


def _refuse_backwards(sound: SoundChain, there: Anchor, where: str) -> None:
    departed = departure(there, sound.chain, sound.links)
    if departed is not None:
        problem = f"anchors another chain, and stays as it is: {departed.path}: {departed.message}"
        remedy = "Find out which is right; to begin anew, name another place"
        raise EvidenceError(where, None, problem, remedy)


@contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Nobody else keeps an anchor there meanwhile. A lock on the directory leaves no file behind."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise EvidenceError.from_os(str(directory), error, "write") from None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
