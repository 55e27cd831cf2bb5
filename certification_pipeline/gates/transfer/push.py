"""Push one engine's chain and its releases to a store: files first, then the entry that vouches for them.

Killed anywhere, it leaves a store in which every entry that is there has its files; the next push goes on.
Of two machines that push at once exactly one creates entry N; the other is told to pull.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import CheckpointAnchor
from certification_pipeline.evidence.canonical import render, sha256
from certification_pipeline.evidence.chain import ChainedArtifact, EvidenceChainEntry
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.checkpoint import Checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.stores.remote import Conditions, RemoteStore, Version
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.chain_anchor import departure
from certification_pipeline.gates.chain_files import changed_files, hashed
from certification_pipeline.gates.chain_keeping import SoundChain, sound_chain
from certification_pipeline.gates.chain_links import Links
from certification_pipeline.gates.transfer.beside import push_attestations
from certification_pipeline.gates.transfer.remote_chain import (
    RemoteChain,
    RemoteDecision,
    RemoteDecisions,
    blob_key,
    refuse_evidence,
)

_SIDE_BY_SIDE = 8
_ATTEMPTS = 8

Progress = Callable[[int], None]
"""Told how many files more are done."""


@dataclass(frozen=True)
class Pushed:
    """What a push did. ``entries`` and ``files`` count what was not in the store before."""

    engine: str
    size: int
    entries: int
    files: int
    notes: tuple[str, ...]


def refuse_unsafe(store: RemoteStore, conditions: Conditions, *, single_writer: bool) -> tuple[str, ...]:
    """What is to be told of a store; ``EvidenceError`` when two who push at once could lose evidence."""
    if single_writer:
        return ("pushed as its single writer: nothing keeps another one out",)
    if not conditions.create:
        problem = "does not refuse the second of two writers: two pushes at once could lose evidence"
        remedy = "If nobody else ever pushes there, say so: --single-writer; or name another store"
        raise EvidenceError(store.shown, None, problem, remedy, ProblemKind.REFUSED)
    if not conditions.replace:
        return ("the store compares no versions: after two pushes at once its checkpoint may lag",)
    return ()


def push(
    store: EvidenceStore,
    remote: RemoteStore,
    engine: str,
    conditions: Conditions,
    *,
    single_writer: bool = False,
    progress: Progress = lambda _: None,
) -> Pushed:
    """Push every entry the store does not hold, with the files of each release's newest one.

    Raises ``EvidenceError`` when the local chain or a file to be pushed does not verify, when the store's
    chain is not the beginning of ours, and (``REFUSED``) when the store cannot be used.
    """
    refuse_evidence(remote, store.root)
    notes = refuse_unsafe(remote, conditions, single_writer=single_writer)
    sound, chain = sound_chain(store, engine), RemoteChain(remote, engine)
    there = _beginning_there(chain, sound)
    newest = {entry.release_id: entry for entry in sound.links.entries}
    missing = sound.links.entries[there:]
    for entry in missing:
        if newest[entry.release_id] is entry:
            _refuse_changed(store, entry)
    files = 0
    upload = _Upload(remote, overwrite=single_writer and not conditions.create, progress=progress)
    for entry in missing:
        if newest[entry.release_id] is entry:
            files += upload.all(store.release(entry.release_id, engine), entry.artifacts)
    # Before the entries they rest on, so that an entry that is there is decided on.
    files += _push_decisions(
        store, chain, sound.links.entries[:there], newest, upload=upload, conditions=conditions
    )
    for entry in missing:
        _append(chain, entry, overwrite=upload.overwrite)
    _push_checkpoint(chain, sound, conditions)
    beside = push_attestations(store, remote, engine, conditions)
    files, notes = files + beside.files, (*notes, *beside.notes)
    superseded = sum(newest[entry.release_id] is not entry for entry in missing)
    if superseded:
        notes = (*notes, f"superseded by a later run, and pushed without their files: {superseded}")
    return Pushed(engine, len(sound.links.entries), len(missing), files, notes)


def _beginning_there(chain: RemoteChain, sound: SoundChain) -> int:
    """How many entries the store holds, all of them ours."""
    found = chain.checkpoint()  # before the entries: theirs are written first
    count, leaves = chain.count(), sound.links.leaves
    shared = chain.shared(count, leaves)
    if shared < min(count, len(leaves)):
        raise forked(chain, shared, count, len(leaves))
    problem = ""
    if count > len(leaves):
        problem = f"has {count} entries, there are {len(leaves)} here"
        remedy = f"Pull them first: certify pull {chain.store.shown} DIR"
    elif found is not None:
        problem = disagreement(found[0], count, sound.chain, sound.links)
        remedy = "Find out who did that; restore the store from a copy, or push to another place"
    if problem:
        raise EvidenceError(chain.shown, None, problem, remedy)
    return count


def disagreement(checkpoint: Checkpoint, count: int, local: ChainDir, links: Links) -> str:
    """Why a store's checkpoint is not over its first entries, which are those of ``links``; or nothing."""
    if checkpoint.size > count:
        return f"has a checkpoint over {checkpoint.size} entries, but {count} entries: some were removed"
    departed = departure(CheckpointAnchor(checkpoint), local, links)
    return f"has a checkpoint of another chain: {departed.message}" if departed else ""


def forked(chain: RemoteChain, shared: int, there: int, here: int) -> EvidenceError:
    """Two chains went their own ways after ``shared`` entries."""
    problem = f"has another entry {shared + 1} than the chain here ({there} entries there, {here} here)"
    remedy = (
        f"Whoever pushed first keeps the number. Set the chain here aside and pull: certify pull --set-aside "
        f"{chain.store.shown} DIR; it says how to append your releases again"
    )
    return EvidenceError(chain.shown, None, problem, remedy)


def _refuse_changed(store: EvidenceStore, entry: EvidenceChainEntry) -> None:
    problem = next(changed_files(store, entry), None)
    if problem is not None:
        remedy = f"See certify chain verify --engine {entry.subject.engine}; nothing was pushed"
        raise EvidenceError(problem.path, None, f"was {problem.kind.value}: {problem.message}", remedy)


@dataclass(frozen=True)
class _Upload:
    remote: RemoteStore
    overwrite: bool
    progress: Progress

    def all(self, directory: SubjectDir, artifacts: tuple[ChainedArtifact, ...]) -> int:
        """Upload what is not there, side by side; returns how many files that were."""
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            done = [pool.submit(self._one, directory, artifact) for artifact in artifacts]
            try:
                return sum(each.result() for each in done)
            except BaseException:
                for each in done:
                    each.cancel()
                raise

    def _one(self, directory: SubjectDir, artifact: ChainedArtifact) -> bool:
        key = blob_key(artifact.sha256)
        size, new = self.remote.size(key), False
        if size is None:
            data = directory.read_bytes(artifact.path)
            if sha256(data) != artifact.sha256:
                problem = "was changed while it was being pushed"
                raise EvidenceError(f"{directory.path}/{artifact.path}", None, problem, "Push again")
            size, new = len(data), write_once(self.remote, key, data, overwrite=self.overwrite)
            if not new:
                size = self.remote.size(key) or 0
        if size != artifact.size_bytes:
            problem = f"has {size} bytes; the file of that digest has {artifact.size_bytes}"
            remedy = "Something else was put there: remove it, then push again"
            raise EvidenceError(f"{self.remote.shown}/{key}", None, problem, remedy)
        self.progress(1)
        return new


def write_once(remote: RemoteStore, key: str, data: bytes, *, overwrite: bool) -> bool:
    """Create an object; a store that cannot keep writers out gets it overwritten."""
    if overwrite:
        remote.overwrite(key, data)
        return True
    return remote.create(key, data)


def _append(chain: RemoteChain, entry: EvidenceChainEntry, *, overwrite: bool) -> None:
    """The one step that counts: from here on the entry is in the store's chain."""
    data = render(entry)
    if write_once(chain.store, chain.key(entry.sequence), data, overwrite=overwrite):
        return
    if chain.entry_bytes(entry.sequence) != data:  # the same: an answer got lost, or we were killed
        raise forked(chain, entry.sequence - 1, chain.count(), entry.sequence)


def _push_checkpoint(chain: RemoteChain, sound: SoundChain, conditions: Conditions) -> None:
    for _ in range(_ATTEMPTS):
        found = chain.checkpoint()
        if found is not None and not _better(sound.checkpoint, found[0]):
            return
        if _write(
            chain.store, chain.checkpoint_key, sound.checkpoint.render(), found and found[1], conditions
        ):
            return
    raise _busy(chain)


def _better(mine: Checkpoint, there: Checkpoint) -> bool:
    """Over more entries, or over the same and signed by more."""
    if mine.size != there.size:
        return mine.size > there.size
    return len(mine.note.signatures) > len(there.note.signatures)


def _push_decisions(
    store: EvidenceStore,
    chain: RemoteChain,
    pushed: Sequence[EvidenceChainEntry],
    newest: Mapping[str, EvidenceChainEntry],
    *,
    upload: _Upload,
    conditions: Conditions,
) -> int:
    mine = {each.chain_hash: each for each in _decisions(store, chain.engine, newest)}
    current = {entry.chain_hash for entry in {entry.release_id: entry for entry in pushed}.values()}
    superseded = {entry.chain_hash for entry in pushed} - current
    files = 0
    for _ in range(_ATTEMPTS):
        found = chain.decisions()
        there = {each.chain_hash: each for each in found[0].decisions} if found else {}
        changed = {key: each for key, each in mine.items() if each != there.get(key)}
        if not changed:
            return files
        for each in changed.values():
            files += upload.all(store.release(each.release_id, chain.engine), each.files)
        merged = [each for key, each in (there | changed).items() if key not in superseded]
        merged.sort(key=lambda each: (each.sequence, each.release_id, each.chain_hash))
        data = render(RemoteDecisions(engine=chain.engine, decisions=tuple(merged)))
        if _write(chain.store, chain.decisions_key, data, found and found[1], conditions):
            return files
    raise _busy(chain)


def _decisions(
    store: EvidenceStore, engine: str, newest: Mapping[str, EvidenceChainEntry]
) -> Iterator[RemoteDecision]:
    for release_id, entry in newest.items():
        directory, files = store.release(release_id, engine), []
        for path in sorted(layout.LEFT_OUT_OF_CHAIN):
            with suppress(FileNotFoundError):
                (directory.path / path).lstat()
                files.append(hashed(directory, path))
        if files:
            yield RemoteDecision(
                release_id=release_id,
                sequence=entry.sequence,
                chain_hash=entry.chain_hash,
                files=tuple(files),
            )


def _write(
    remote: RemoteStore, key: str, data: bytes, version: Version | None, conditions: Conditions
) -> bool:
    if version is None and conditions.create:
        return remote.create(key, data)
    if version is not None and conditions.replace:
        return remote.replace(key, data, version)
    remote.overwrite(key, data)
    return True


def _busy(chain: RemoteChain) -> EvidenceError:
    problem = "was changed by others again and again while it was being pushed"
    return EvidenceError(chain.shown, None, problem, "Try again", ProblemKind.REFUSED)
