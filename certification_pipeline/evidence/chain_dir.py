"""The files of one engine's chain: ``<root>/chain/<engine>/<sequence>__<release_id>.json``, ``head.json`` and
``checkpoint``.

Knows names, formats and who may write; whether the links hold is for the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.canonical import parse, render, sha256
from certification_pipeline.evidence.chain import EvidenceChainEntry, EvidenceChainHead
from certification_pipeline.evidence.checkpoint import Checkpoint, parse_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.exclusive import LOCK, Held, writing
from certification_pipeline.evidence.files import (
    SEGMENT_PATTERN,
    clean_temporaries,
    create_atomically,
    is_temporary,
    read_no_follow,
    safe_segment,
    write_atomically,
)
from certification_pipeline.evidence.merkle import Hash, leaf_hash

M = TypeVar("M", bound=Model)

_ENTRY = re.compile(rf"([0-9]{{6,18}})__({SEGMENT_PATTERN})\.json")
_PATIENCE_SECONDS = 60.0
_LARGEST_CHECKPOINT = 1 << 16


class EntryName(NamedTuple):
    """What a file's name says; sorts as the chain goes."""

    sequence: int
    release_id: str

    def __str__(self) -> str:
        return f"{self.sequence:06d}__{self.release_id}.json"


class ChainDir:
    """One engine's chain under an evidence root; it need not exist yet."""

    def __init__(self, root: Path, engine: str) -> None:
        self.engine = safe_segment(engine, "engine name")
        self.shown = f"{layout.CHAIN}/{engine}"
        """For messages: the place relative to the root, which may move."""
        self.path = root.absolute() / layout.CHAIN / engine
        for directory in (self.path.parent, self.path):
            if directory.is_symlink():
                raise EvidenceError(
                    str(directory), None, "is a symbolic link", "Put the directory itself there"
                )

    def listing(self) -> tuple[tuple[EntryName, ...], tuple[str, ...]]:
        """Entries in the order of their names, then whatever else lies there and should not."""
        entries, strangers = [], []
        try:
            names = sorted(path.name for path in self.path.iterdir())
        except FileNotFoundError:
            names = []
        except OSError as error:
            raise EvidenceError.from_os(str(self.path), error, "list") from None
        for name in names:
            match = _ENTRY.fullmatch(name)
            found = EntryName(int(match[1]), match[2]) if match else None
            if found is not None and str(found) == name:
                entries.append(found)
            elif name not in {layout.CHAIN_HEAD, layout.CHAIN_CHECKPOINT, LOCK} and not is_temporary(name):
                strangers.append(name)
        return tuple(sorted(entries)), tuple(strangers)

    def entry(self, name: EntryName) -> EvidenceChainEntry:
        """Read one entry strictly, in the very spelling it was written in; EvidenceError otherwise."""
        return self.entry_with_leaf(name)[0]

    def entry_with_leaf(self, name: EntryName) -> tuple[EvidenceChainEntry, Hash]:
        """As :meth:`entry`, with the leaf hash of the file's bytes."""
        entry, data = self._read(str(name), EvidenceChainEntry)
        return entry, leaf_hash(data)

    def leaf(self, name: EntryName) -> Hash:
        """The leaf hash of an entry's bytes, whatever they say; EvidenceError when they cannot be read."""
        shown = f"{self.shown}/{name}"
        return leaf_hash(read_no_follow(self.path / str(name), shown, layout.LARGEST_ARTIFACT))

    def head(self) -> EvidenceChainHead:
        """Read the head, as strictly."""
        return self._read(layout.CHAIN_HEAD, EvidenceChainHead)[0]

    def checkpoint(self) -> tuple[Checkpoint, Digest]:
        """Read the checkpoint, as strictly, with the digest of its bytes."""
        shown = f"{self.shown}/{layout.CHAIN_CHECKPOINT}"
        data = read_no_follow(self.path / layout.CHAIN_CHECKPOINT, shown, _LARGEST_CHECKPOINT)
        return parse_checkpoint(data, shown), sha256(data)

    def add(self, entry: EvidenceChainEntry) -> None:
        """Write a new entry; EvidenceError when there is one of its name."""
        path = self.path / str(EntryName(entry.sequence, entry.release_id))
        create_atomically(path, render(entry, str(path)))

    def set_head(self, head: EvidenceChainHead) -> None:
        """Replace the head."""
        path = self.path / layout.CHAIN_HEAD
        write_atomically(path, render(head, str(path)))

    def set_checkpoint(self, checkpoint: Checkpoint) -> Digest:
        """Replace the checkpoint; returns the digest the head is to name."""
        data = checkpoint.render()
        write_atomically(self.path / layout.CHAIN_CHECKPOINT, data)
        return sha256(data)

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Be the only writer, waiting a minute for another one; EvidenceError after that."""
        try:
            with writing(self.path, _PATIENCE_SECONDS):
                clean_temporaries(self.path)
                yield
        except Held as held:
            problem = f"process {held.pid or 'unknown'} has been writing the chain for a minute"
            remedy = "Wait for it, or stop it, then try again"
            raise EvidenceError(str(self.path), None, problem, remedy, ProblemKind.REFUSED) from None

    def _read(self, name: str, model: type[M]) -> tuple[M, bytes]:
        shown = f"{self.shown}/{name}"
        data = read_no_follow(self.path / name, shown, layout.LARGEST_ARTIFACT)
        read = parse(data, model, shown)
        if render(read, shown) != data:
            remedy = "Restore the file from a copy; a chain is never edited"
            raise EvidenceError(shown, None, "is not spelled as it was written", remedy)
        return read, data


def chained_engines(root: Path) -> tuple[str, ...]:
    """Engines with a chain under ``root``, sorted."""
    try:
        return tuple(sorted(e.name for e in (root / layout.CHAIN).iterdir() if not e.name.startswith(".")))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise EvidenceError.from_os(str(root / layout.CHAIN), error, "list") from None
