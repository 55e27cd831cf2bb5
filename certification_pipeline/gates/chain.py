"""Append a release to its engine's chain, and verify a chain against the files as they are now.

What a chain shows by itself: any edit, deletion, addition or reordering of entries and artifacts, and a tail
cut off while the head still names it. What it cannot show: a tail cut off *together with* a head put back to
match, or a chain written anew from some entry on, since whoever may write here can compute every hash. For
that, keep the last hash somewhere else and hand it back as ``anchor``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.chain import (
    GENESIS,
    ChainedArtifact,
    EvidenceChainEntry,
    EvidenceChainHead,
)
from certification_pipeline.evidence.chain_dir import ChainDir, EntryName
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.gates.artifact_index import verify_index
from certification_pipeline.gates.certification_suite import evaluated_again
from certification_pipeline.gates.chain_files import chained_paths, changed_files, hashed, shown, undecided
from certification_pipeline.gates.chain_links import ChainProblem, Links, Tampering, read_links
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import Verifier

_HASH = re.compile(r"(?:sha256:)?([0-9a-f]{64})")


@dataclass(frozen=True)
class Appended:
    """The entry that vouches for the release now; not ``new`` when an earlier one did already."""

    entry: EvidenceChainEntry
    new: bool


@dataclass(frozen=True)
class ChainVerification:
    """What verifying found. Passed without a problem; a note is no defect."""

    engine: str
    entries: tuple[EvidenceChainEntry, ...]
    head: EvidenceChainHead | None
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
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> Appended:
    """Chain all files of the release but its summary; nothing is written when its newest entry holds them.

    Raises ``EvidenceError`` when its index or the chain's links do not verify, when it has no readable
    suite, and (``REFUSED``) when another process does not let go of the chain.
    """
    chain = ChainDir(store.root, directory.engine)
    with chain.turn():
        links = _sound_links(chain)
        suite, artifacts = _verified_files(directory)
        same = _newest(links.entries).get(directory.release_id)
        if same is not None and same.artifacts == artifacts:
            return Appended(same, new=False)
        last = links.entries[-1] if links.entries else None
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
        chain.set_head(EvidenceChainHead.of(chain.engine, entry))
        return Appended(entry, new=True)


def verify(
    store: EvidenceStore,
    engine: str,
    *,
    anchor: Digest | None = None,
    release_id: str | None = None,
    decisions: bool = True,
) -> ChainVerification:
    """Recompute every link, and re-hash all files of each release's newest entry (or of one release's).

    ``anchor`` is the hash of any entry, kept elsewhere: the chain must still hold that very entry.
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
    problems = list(links.problems)
    files = 0
    notes = list(_notes(store, links, engine))
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
            files += len(layout.LEFT_OUT_OF_CHAIN)
    if release_id is not None and release_id not in newest:
        problems.append(ChainProblem(Tampering.DELETED, chain.shown, f"no entry of release {release_id!r}"))
    if anchor is not None and anchor not in {entry.chain_hash for entry in links.entries}:
        message = f"no sound entry has the hash {anchor}: the tail was cut off, or the chain written anew"
        problems.append(ChainProblem(Tampering.UNANCHORED, chain.shown, message))
    superseded = tuple(name for name in links.names if newest[name.release_id] != name)
    return ChainVerification(
        engine, links.entries, links.head, tuple(problems), superseded, files, tuple(notes)
    )


def read_anchor(given: str) -> Digest:
    """A hash, or a file with one: a bare hash, or a copy of ``head.json`` or of an entry.

    Raises ``ValueError`` for what is neither.
    """
    text = given
    if not _HASH.fullmatch(given):
        try:
            data = read_no_follow(Path(given), given, layout.LARGEST_ARTIFACT)
            text = data.decode().strip()
            if text.startswith("{"):
                value = parse_value(data, given)
                text = str(value.get("chain_hash")) if isinstance(value, dict) else ""
        except (EvidenceError, UnicodeDecodeError) as error:
            raise ValueError(f"neither a hash nor a file with one: {error}") from None
    match = _HASH.fullmatch(text)
    if match is None:
        raise ValueError(f"{given[:80]!r} holds no sha256 hash, nor a chain's head or entry")
    return f"sha256:{match[1]}"


def _sound_links(chain: ChainDir) -> Links:
    """The links, with what a killed writer left undone finished. To be called by the one writer."""
    if chain.listing() == ((), ()):
        # The head comes first, so that a head that is gone is never taken for a chain not begun.
        try:
            chain.head()
        except EvidenceError as error:
            if error.kind is not ProblemKind.MISSING:
                raise
            chain.set_head(EvidenceChainHead.of(chain.engine, None))
    links = read_links(chain)
    if links.problems:
        more = f" (and {len(links.problems) - 1} more)" if len(links.problems) > 1 else ""
        remedy = f"See `certify chain verify --engine {chain.engine}`; restore the chain from a copy"
        raise EvidenceError(chain.shown, None, f"does not verify: {links.problems[0]}{more}", remedy)
    if links.interrupted:
        chain.set_head(EvidenceChainHead.of(chain.engine, links.entries[-1]))
    return links


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


def _newest(entries: tuple[EvidenceChainEntry, ...]) -> dict[str, EvidenceChainEntry]:
    return {entry.release_id: entry for entry in entries}


def _notes(store: EvidenceStore, links: Links, engine: str) -> Iterator[str]:
    again = shlex.join(["certify", "chain", "append", "--engine", engine])
    if links.interrupted:
        yield f"the writer of the last entry was stopped before the head; the next append mends it: {again}"
    known = {name.release_id for name in links.names}
    loose = [r for r in store.releases() if r not in known and engine in store.engines(r)]
    if loose:
        yield f"not in the chain: {', '.join(loose)}"
