"""Are the files of a release as its chain entry says, and does its decision rest on that entry?"""

from __future__ import annotations

from collections.abc import Iterator

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.chain import ChainedArtifact, EvidenceChainEntry
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.summary import ChainLink, ReleaseSummary
from certification_pipeline.gates.artifact_index import files_below
from certification_pipeline.gates.chain_links import ChainProblem, Tampering


def chained_paths(directory: SubjectDir) -> list[str]:
    """Every file an entry is to hold, sorted: all but the decision that rests on it."""
    return sorted(set(files_below(directory.path)) - layout.LEFT_OUT_OF_CHAIN)


def hashed(directory: SubjectDir, path: str) -> ChainedArtifact:
    """A file as it is now."""
    digest, size = directory.digest(path)
    return ChainedArtifact(path=path, sha256=digest, size_bytes=size)


def changed_files(store: EvidenceStore, entry: EvidenceChainEntry) -> Iterator[ChainProblem]:
    """Every file of one release that is not as its entry says."""
    engine = entry.subject.engine
    place = f"{layout.RELEASES}/{entry.release_id}/{engine}"
    try:
        directory = store.release(entry.release_id, engine)
        there = set(chained_paths(directory))
    except EvidenceError as error:
        yield ChainProblem(Tampering.EDITED, place, error.problem)
        return
    if not there:
        yield ChainProblem(Tampering.DELETED, place, f"all {len(entry.artifacts)} files are gone")
        return
    listed = {artifact.path: artifact for artifact in entry.artifacts}
    paths = {artifact.sha256: artifact.path for artifact in entry.artifacts}
    for path in sorted(there - listed.keys()):
        message = f"entry {entry.sequence} does not list it"
        yield ChainProblem(Tampering.ADDED, f"{place}/{shown(path)}", message)
    for path, artifact in sorted(listed.items()):
        where = f"{place}/{path}"
        if path not in there:
            message = f"entry {entry.sequence} lists it"
            yield ChainProblem(Tampering.DELETED, where, message)
            continue
        try:
            now = hashed(directory, path)
        except EvidenceError as error:
            yield ChainProblem(Tampering.EDITED, where, error.problem)
            continue
        if now != artifact:
            other = paths.get(now.sha256)
            message = f"it holds what {other} held" if other else f"entry {entry.sequence} has other content"
            yield ChainProblem(Tampering.EDITED, where, message)


def undecided(store: EvidenceStore, entry: EvidenceChainEntry) -> Iterator[ChainProblem]:
    """What is wrong with the decision that is to rest on this entry, and with its Markdown."""
    engine = entry.subject.engine
    place = f"{layout.RELEASES}/{entry.release_id}/{engine}"
    where = f"{place}/{layout.RELEASE_SUMMARY}"
    try:
        directory = store.release(entry.release_id, engine)
        if not directory.path.exists():
            return  # one line says so already
        summary = directory.read(layout.RELEASE_SUMMARY, ReleaseSummary)
        link = ChainLink(sequence=entry.sequence, chain_hash=entry.chain_hash)
        if summary.chain != link:
            rests = f"entry {summary.chain.sequence}" if summary.chain else "no entry"
            message = f"it rests on {rests}, the newest is entry {entry.sequence}"
            yield ChainProblem(Tampering.EDITED, where, message)
        where = where.replace(".json", ".md")
        if sha256(directory.read_bytes("release_summary.md")) != summary.markdown_sha256:
            yield ChainProblem(Tampering.EDITED, where, "it is not what was written with the decision")
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            message = "the release has no decision: deleted, or its making was stopped"
            yield ChainProblem(Tampering.DELETED, where, message)
        else:
            yield ChainProblem(Tampering.EDITED, where, error.problem)


def shown(path: str) -> str:
    """A path that can be printed, even if its name is no text."""
    return path.encode("utf-8", "backslashreplace").decode()
