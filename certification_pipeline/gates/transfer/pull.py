"""Pull an engine's chain and its releases: everything is verified before any of it is put in place.

What was fetched is kept beside the evidence, in ``.<name>.pull/<engine>/``, until all of it is there, so that
a pull that was stopped goes on. Releases in no chain are left alone; local changes are never written over.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import Anchor
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.chain import ChainedArtifact, EvidenceChainEntry, EvidenceChainHead
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import make_checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.files import read_no_follow, write_atomically
from certification_pipeline.evidence.note import NoteKey
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.remote import RemoteStore
from certification_pipeline.gates.chain_anchor import departure
from certification_pipeline.gates.chain_checkpoint import see_checkpoint, signature
from certification_pipeline.gates.chain_files import chained_paths, hashed
from certification_pipeline.gates.chain_links import Links, read_links
from certification_pipeline.gates.transfer.beside import pull_attestations
from certification_pipeline.gates.transfer.placing import Arriving, Place, place
from certification_pipeline.gates.transfer.push import disagreement, forked
from certification_pipeline.gates.transfer.remote_chain import (
    RemoteChain,
    RemoteDecision,
    blob_key,
    refuse_evidence,
)

_SIDE_BY_SIDE = 8

Progress = Callable[[int], None]
"""Told how many files more are here."""


@dataclass(frozen=True)
class Pulled:
    """What a pull did. ``releases`` are those whose files were put in place."""

    engine: str
    size: int
    entries: int
    releases: tuple[str, ...]
    notes: tuple[str, ...]


def pull(
    remote: RemoteStore,
    store: EvidenceStore,
    engine: str,
    *,
    keys: Sequence[NoteKey] = (),
    anchor: Anchor | None = None,
    set_aside: bool = False,
    progress: Progress = lambda _: None,
) -> Pulled:
    """Fetch, verify, then put in place: files, then entries, checkpoint and head.

    ``keys``: one of them must have signed the checkpoint; ``anchor``: the chain must be the anchored one.
    ``set_aside``: a local chain that went another way is moved out of the evidence, and not refused.
    Raises ``EvidenceError`` when anything does not verify or would be written over; nothing is changed then.
    """
    refuse_evidence(remote, store.root)
    staging = store.root.with_name(f".{store.root.name}.pull") / ChainDir(store.root, engine).engine
    try:
        with writing(staging):
            pulled = _Pull(remote, store, engine, staging, progress).run(keys, anchor, set_aside=set_aside)
            beside = pull_attestations(store, remote, engine)
            pulled = replace(pulled, notes=(*pulled.notes, *beside.notes))
            shutil.rmtree(staging, ignore_errors=True)
    except Held as held:
        problem = f"process {held.pid or 'unknown'} is pulling {engine}"
        raise EvidenceError(str(staging), None, problem, "Wait for it", ProblemKind.REFUSED) from None
    with suppress(OSError):
        staging.parent.rmdir()  # another engine may be under way
    return pulled


@dataclass(frozen=True)
class _Pull:
    remote: RemoteStore
    store: EvidenceStore
    engine: str
    staging: Path
    progress: Progress

    def run(self, keys: Sequence[NoteKey], anchor: Anchor | None, *, set_aside: bool) -> Pulled:
        chain, here = RemoteChain(self.remote, self.engine), ChainDir(self.store.root, self.engine)
        staged, links, covered, lag = self._stage(chain, covered=bool(keys))
        notes = list(_verified(staged, links, keys, anchor))
        if lag:
            told = "a push is under way, or was stopped"
            notes.insert(0, f"the store's checkpoint lags by {lag} entries: {told}")
        local = _local(here, links)
        shared = sum(a == b for a, b in zip(local.leaves, links.leaves, strict=False))
        aside = shared < min(len(local.leaves), len(links.leaves))
        if aside and not set_aside:
            raise forked(chain, shared, len(links.leaves), len(local.leaves))
        if not aside and len(local.leaves) > len(links.leaves):
            more = len(local.leaves) - len(links.leaves)
            notes.append(f"{more} entries here are not in the store yet: certify push {self.remote.shown}")
            return Pulled(self.engine, len(local.leaves), 0, (), tuple(notes))
        known = () if aside else local.entries
        arriving = list(self._arriving(chain, links.entries, known))
        for each in self._never_pushed(arriving, covered):
            arriving.remove(each)
            number, name = each.entry.sequence, each.entry.release_id
            notes.append(f"the files of {name} (entry {number}) never came: its push was stopped")
        self._fetch(file for each in arriving for file in (*each.files, *each.decision))
        target = Place(self.store, here, local.names, self._blob)
        notes += place(target, staged, links, arriving, aside=aside)
        releases = tuple(each.entry.release_id for each in arriving)
        size = len(links.entries)
        return Pulled(self.engine, size, size - len(known), releases, tuple(notes))

    def _stage(self, chain: RemoteChain, *, covered: bool) -> tuple[ChainDir, Links, int, int]:
        """The store's chain, where nothing else reads it; ``covered``: as far as its checkpoint goes.

        With it, how many of the store's entries its checkpoint counts, and how many it does not.
        """
        found = chain.checkpoint()  # before the entries: theirs are written first
        total = chain.count()
        count = min(total, found[0].size) if found and covered else total
        if not count:
            remedy = f"Push one first: certify push {self.remote.shown}"
            raise EvidenceError(chain.shown, None, "has no entry", remedy, ProblemKind.MISSING)
        root = self.staging / "stage"
        shutil.rmtree(root, ignore_errors=True)
        staged = ChainDir(root, self.engine)
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            entries = list(pool.map(chain.entry, range(1, count + 1)))
        for number, entry in enumerate(entries, start=1):
            if entry.sequence != number:
                problem = f"has entry {entry.sequence} where entry {number} belongs"
                raise EvidenceError(chain.shown, None, problem, _NOTHING_PLACED)
            staged.add(entry)
        staged.set_head(EvidenceChainHead.of(self.engine, entries[-1]))
        links = read_links(staged)
        problem = str(links.problems[0]) if links.problems else ""
        if found is not None and not problem:
            problem = disagreement(found[0], total, staged, links)
        if problem:
            raise EvidenceError(chain.shown, None, problem, _NOTHING_PLACED)
        whole = found is not None and found[0].size == count
        checkpoint = found[0] if found and whole else make_checkpoint(self.engine, links.leaves, None)
        digest = staged.set_checkpoint(checkpoint)
        staged.set_head(EvidenceChainHead.of(self.engine, entries[-1], digest))
        counted = found[0].size if found else 0
        return staged, read_links(staged), counted, total - counted

    def _arriving(
        self, chain: RemoteChain, entries: Iterable[EvidenceChainEntry], known: Iterable[EvidenceChainEntry]
    ) -> Iterator[Arriving]:
        """Each release of which the store has more than we have; refuses what would write over changes."""
        before = {entry.release_id: entry for entry in known}
        found = chain.decisions()
        decisions = {each.chain_hash: each for each in found[0].decisions} if found else {}
        for name, entry in {entry.release_id: entry for entry in entries}.items():
            old = before.get(name)
            decision = _files_of(decisions.get(entry.chain_hash), chain)
            if old is None or old.sequence != entry.sequence:
                files, stale = self._differing(entry, old)
                yield Arriving(entry, files, decision, stale)
            elif decision and not self._decided(name):
                yield Arriving(entry, (), decision, ())

    def _differing(
        self, entry: EvidenceChainEntry, old: EvidenceChainEntry | None
    ) -> tuple[tuple[ChainedArtifact, ...], tuple[str, ...]]:
        """What is to be fetched, and which files of the entry before are to go."""
        directory = self.store.release(entry.release_id, self.engine)
        wanted = {artifact.path: artifact for artifact in entry.artifacts}
        replaceable = {artifact.path: artifact for artifact in old.artifacts} if old else {}
        stale = []
        for path in chained_paths(directory):
            now = hashed(directory, path)
            if now == wanted.get(path):
                del wanted[path]
            elif now != replaceable.get(path):
                problem = "holds what is in no chain, and would be written over"
                remedy = "Move it away if it is not to be kept, then pull again"
                raise EvidenceError(str(directory.path / path), None, problem, remedy)
            elif path not in wanted:
                stale.append(path)
        return tuple(wanted.values()), tuple(stale)

    def _never_pushed(self, arriving: Iterable[Arriving], covered: int) -> list[Arriving]:
        """Releases of a push that was stopped, whose files are not all there; beyond the checkpoint only."""
        return [
            each
            for each in arriving
            if each.entry.sequence > covered
            and any(self.remote.size(blob_key(file.sha256)) is None for file in each.files)
        ]

    def _decided(self, release_id: str) -> bool:
        directory = self.store.release(release_id, self.engine).path
        return any((directory / path).exists() for path in layout.LEFT_OUT_OF_CHAIN)

    def _fetch(self, files: Iterable[ChainedArtifact]) -> None:
        unique = {file.sha256: file for file in files}
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            under_way = [pool.submit(self._fetch_one, file) for file in unique.values()]
            try:
                for each in under_way:
                    each.result()
            except BaseException:
                for each in under_way:
                    each.cancel()
                raise

    def _fetch_one(self, file: ChainedArtifact) -> None:
        with suppress(EvidenceError):  # fetched before a pull was stopped, and whole?
            self._blob(file)
            self.progress(1)
            return
        key = blob_key(file.sha256)
        found = self.remote.read(key, min(file.size_bytes, layout.LARGEST_ARTIFACT))
        shown = f"{self.remote.shown}/{key}"
        if found is None:
            problem = f"is gone: {file.path} of a release had this content"
            raise EvidenceError(shown, None, problem, _NOTHING_PLACED)
        _refuse_other(found.data, file, shown)
        write_atomically(self._blob_path(file), found.data)
        self.progress(1)

    def _blob(self, file: ChainedArtifact) -> bytes:
        """The fetched content, verified once more."""
        path = self._blob_path(file)
        data = read_no_follow(path, str(path), layout.LARGEST_ARTIFACT)
        _refuse_other(data, file, str(path))
        return data

    def _blob_path(self, file: ChainedArtifact) -> Path:
        return self.staging / "blobs" / file.sha256.removeprefix("sha256:")


_NOTHING_PLACED = "Nothing was put in place; find out who changed the store, or pull from another copy"


def _verified(
    staged: ChainDir, links: Links, keys: Sequence[NoteKey], anchor: Anchor | None
) -> Iterator[str]:
    """Notes; ``EvidenceError`` for what checkpoint, keys or anchor say against the chain."""
    seen = see_checkpoint(staged, links)
    unsigned, note = signature(staged, links, seen, keys)
    departed = departure(anchor, staged, links) if anchor is not None else None
    problems = [*seen.problems, *unsigned, *([departed] if departed else [])]
    if problems:
        raise EvidenceError(problems[0].path, None, problems[0].message, _NOTHING_PLACED)
    if note:
        yield note


def _local(here: ChainDir, links: Links) -> Links:
    """The chain here, empty when there is none."""
    if not here.listing()[0]:
        return Links((), (), None, (), interrupted=False)
    local = read_links(here)
    if local.problems:
        remedy = f"See certify chain verify --engine {here.engine}; nothing was pulled"
        raise EvidenceError(here.shown, None, f"does not verify: {local.problems[0]}", remedy)
    return local


def _files_of(decision: RemoteDecision | None, chain: RemoteChain) -> tuple[ChainedArtifact, ...]:
    if decision is None:
        return ()
    for file in decision.files:
        if file.path not in layout.LEFT_OUT_OF_CHAIN:
            problem = f"lists {file.path[:120]!r} as a decision"
            raise EvidenceError(chain.shown, None, problem, _NOTHING_PLACED)
    return decision.files


def _refuse_other(data: bytes, file: ChainedArtifact, shown: str) -> None:
    if len(data) != file.size_bytes or sha256(data) != file.sha256:
        raise EvidenceError(shown, None, "is not what its digest says", _NOTHING_PLACED)
