"""Append a release to its engine's chain, and verify a chain against the files as they are now.

What a chain shows by itself: any edit, deletion, addition or reordering of entries and artifacts, and a tail
cut off while head or checkpoint still count it. What it cannot show is for
:mod:`certification_pipeline.gates.chain_anchor`.
"""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.anchor import Anchor
from certification_pipeline.evidence.chain import (
    GENESIS,
    ChainedArtifact,
    EvidenceChainEntry,
    EvidenceChainHead,
)
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.checkpoint import Checkpoint
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.merkle import peaks_of
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.note import NoteKey, NoteSigner
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.gates.artifact_index import verify_index
from certification_pipeline.gates.certification_suite import evaluated_again
from certification_pipeline.gates.chain_anchor import departure
from certification_pipeline.gates.chain_checkpoint import SeenCheckpoint, see_checkpoint, settle, signature
from certification_pipeline.gates.chain_files import chained_paths, changed_files, hashed, shown, undecided
from certification_pipeline.gates.chain_links import ChainProblem, Links, Tampering, read_links
from certification_pipeline.gates.chain_tail import Tail, forget_proof, keep_proof, read_tail
from certification_pipeline.gates.chain_vouching import Signed, refuse_unvouched, unvouched
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import Verifier


@dataclass(frozen=True)
class Appended:
    """The entry that vouches for the release now; not ``new`` when an earlier one did already."""

    entry: EvidenceChainEntry
    new: bool
    checkpoint: Checkpoint


@dataclass(frozen=True)
class ChainVerification:
    """What verifying found. Passed without a problem; a note is no defect."""

    engine: str
    entries: tuple[EvidenceChainEntry, ...]
    head: EvidenceChainHead | None
    checkpoint: Checkpoint | None
    problems: tuple[ChainProblem, ...]
    superseded: tuple[EntryName, ...] = ()
    """Earlier entries of a release that was chained again: proved by their hash alone."""
    files_checked: int = 0
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> Outcome:
        """Passed or failed; a chain that is not there raises before this."""
        return Outcome.FAILED if self.problems else Outcome.PASSED


def append(
    store: EvidenceStore,
    directory: SubjectDir,
    provenance: Provenance,
    *,
    signer: NoteSigner | None = None,
    trusted: Collection[NoteKey] = (),
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> Appended:
    """Chain all files of the release but its summary; no entry is added when its newest one holds them.

    The chain's checkpoint is made anew with it, signed by ``signer`` if there is one. ``trusted``: keys of
    others whose signature on the checkpoint before vouches for the entries under it. Where the end of the
    chain is proved (:mod:`chain_tail`), nothing before the last entry is read.

    Raises ``EvidenceError`` when its index or the chain's links do not verify, when it has no readable
    suite, when ``signer`` would sign over entries that nobody vouched for (:mod:`chain_vouching`), and
    (``REFUSED``) when another process does not let go of the chain.
    """
    chain = ChainDir(store.root, directory.engine)
    with chain.turn():
        keys = (signer.public_key, *trusted) if signer is not None else ()
        links, seen = _end(chain, directory.release_id, keys)
        suite, artifacts = _verified_files(directory)
        if isinstance(links, Links) and keys:
            refuse_unvouched(chain, links, seen, keys, directory.release_id)
        same = links.newest(directory.release_id)
        if same is not None and same.artifacts == artifacts:
            return Appended(same, new=False, checkpoint=_settled(chain, links, seen, signer))
        last = links.last if links.names else None
        suite = evaluated_again(directory, suite, verifiers)
        entry = EvidenceChainEntry(
            **provenance.header(EvidenceChainEntry, directory.release_id, suite.subject, suite.profile),
            outcome=suite.outcome,
            passed=suite.passed,
            sequence=last.sequence + 1 if last else 1,
            previous_chain_hash=last.chain_hash if last else GENESIS,
            artifacts=artifacts,
            chain_hash=GENESIS,
        ).sealed()
        chain.add(entry)
        checkpoint = _settled(chain, links.grown(entry), seen, signer)
        forget_proof(chain, links.root)
        return Appended(entry, new=True, checkpoint=checkpoint)


def sign(store: EvidenceStore, engine: str, signer: NoteSigner) -> Signed:
    """Vouch for every entry there is, on purpose: of a key that is new here, of a writer that was stopped.

    Raises ``EvidenceError`` when links or any file of any release do not verify: nobody signs that.
    """
    chain = ChainDir(store.root, engine)
    with chain.turn():
        links, seen = _sound_links(chain)
        files = f"{layout.RELEASES}/"  # the links were looked at, and the checkpoint is written anew
        problems = verify(store, engine, decisions=False).problems
        if changed := [problem for problem in problems if problem.path.startswith(files)]:
            remedy = f"See `certify chain verify --engine {engine}`"
            raise EvidenceError(chain.shown, None, f"does not verify: {changed[0]}", remedy)
        new = unvouched(links, seen, [signer.public_key])
        return Signed(settle(chain, links, seen, signer), new, links.entries[-1].chain_hash)


def verify(
    store: EvidenceStore,
    engine: str,
    *,
    anchor: Anchor | None = None,
    keys: Sequence[NoteKey] = (),
    release_id: str | None = None,
    decisions: bool = True,
) -> ChainVerification:
    """Recompute every link, and re-hash all files of each release's newest entry (or of one release's).

    ``anchor`` was taken of this chain and kept elsewhere: the chain must be that one, grown. ``keys``: one
    of them must have signed the checkpoint.
    ``decisions``: the release summary must be there, too, and rest on that entry. Raises ``EvidenceError``
    when there is no chain, or it has no entry yet.
    """
    chain = ChainDir(store.root, engine)
    links = read_links(chain)
    if not links.names and not links.problems:
        remedy = f"Append a release: certify chain append --engine {engine}"
        raise EvidenceError(chain.shown, None, "has no entry yet", remedy, ProblemKind.MISSING)
    newest = {name.release_id: name for name in links.names}
    sound = {(entry.sequence, entry.release_id): entry for entry in links.entries}
    checkpoint = see_checkpoint(chain, links)
    unsigned, said = signature(chain, links, checkpoint, keys)
    problems = [*links.problems, *_further(links, checkpoint), *unsigned]
    files = 0
    notes = [*_notes(store, links, engine, alone=release_id is not None), *([said] if said else [])]
    for release, name in newest.items():
        entry = sound.get(name)
        if release_id not in {None, release}:
            continue
        if entry is None:  # red already
            notes.append(f"the files of {release} were not checked: its entry is not sound")
            continue
        problems += changed_files(store, entry)
        files += len(entry.artifacts)
        if decisions:
            problems += undecided(store, entry)
            files += len(layout.DECISION)
    if release_id is not None and release_id not in newest:
        problems.append(ChainProblem(Tampering.DELETED, chain.shown, f"no entry of release {release_id!r}"))
    departed = departure(anchor, chain, links) if anchor is not None else None
    problems += [departed] if departed else []
    superseded = tuple(name for name in links.names if newest[name.release_id] != name)
    return ChainVerification(
        engine,
        links.entries,
        links.head,
        checkpoint.checkpoint,
        tuple(problems),
        superseded,
        files,
        tuple(notes),
    )


def _end(chain: ChainDir, release_id: str, keys: Sequence[NoteKey]) -> tuple[Links | Tail, SeenCheckpoint]:
    """What an append goes on from: the end of the chain where that is proved, else all of it."""
    tail = read_tail(chain, release_id, keys)
    return (tail, tail.seen) if tail is not None else _sound_links(chain)


def _settled(
    chain: ChainDir, links: Links | Tail, seen: SeenCheckpoint, signer: NoteSigner | None
) -> Checkpoint:
    """As :func:`settle`; then the proof is kept, so that the next append need not read what was read now."""
    checkpoint = settle(chain, links, seen, signer)
    before = links.before if isinstance(links, Tail) else peaks_of(links.leaves[:-1])
    keep_proof(chain, len(links.names), links.root, before)
    return checkpoint


def _sound_links(chain: ChainDir) -> tuple[Links, SeenCheckpoint]:
    """Links and checkpoint, if nothing speaks against them but a writer that was killed before the end."""
    if chain.listing() == ((), ()):
        # The head comes first, so that a head that is gone is never taken for a chain not begun.
        try:
            chain.head()
        except EvidenceError as error:
            if error.kind is not ProblemKind.MISSING:
                raise
            chain.set_head(EvidenceChainHead.of(chain.engine, None))
    links = read_links(chain)
    seen = see_checkpoint(chain, links)
    problems = [*links.problems, *([] if seen.mendable else _further(links, seen))]
    if problems:
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        remedy = f"See `certify chain verify --engine {chain.engine}`; restore the chain from a copy"
        raise EvidenceError(chain.shown, None, f"does not verify: {problems[0]}{more}", remedy)
    return links, seen


def _further(links: Links, seen: SeenCheckpoint) -> list[ChainProblem]:
    """What is wrong with the checkpoint, unless it is what is wrong with the links, said again."""
    known = {(problem.kind, problem.path) for problem in links.problems}
    return [problem for problem in seen.problems if (problem.kind, problem.path) not in known]


def _verified_files(directory: SubjectDir) -> tuple[CertificationSuite, tuple[ChainedArtifact, ...]]:
    suite = directory.read(layout.SUITE, CertificationSuite)
    paths = chained_paths(directory)
    for path in paths:
        if shown(path) != path:
            remedy = "Rename or remove it"
            raise EvidenceError(f"{directory.path}/{shown(path)}", None, "has a name that is no text", remedy)
    index = directory.read(layout.ARTIFACT_INDEX, ArtifactIndex)
    wrong = [*verify_index(directory, index), *(blocker.message for blocker in index.blockers)]
    if wrong:
        more = f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        again = decide_again("release-summary", directory.engine, directory.release_id)
        problem = f"does not verify: {wrong[0]}{more}"
        remedy = f"If that change is meant, decide again: {again}"
        raise EvidenceError(str(directory.artifact_index_path), None, problem, remedy)
    return suite, tuple(hashed(directory, path) for path in paths)


def _notes(store: EvidenceStore, links: Links, engine: str, *, alone: bool) -> Iterator[str]:
    """``alone``: one release is looked at, and nobody asks about the others."""
    again = shlex.join(["certify", "chain", "append", "--engine", engine])
    if links.interrupted:
        yield f"the writer of the last entry was stopped before the head; the next append mends it: {again}"
    if alone:
        return
    known = {name.release_id for name in links.names}
    loose = [r for r in store.releases() if r not in known and engine in store.engines(r)]
    if loose:
        yield f"not in the chain: {', '.join(loose)}"
