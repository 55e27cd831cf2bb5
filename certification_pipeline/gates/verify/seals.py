"""Signed statements: do they say what the files say, and did somebody sign them whose key was given?"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.errors import EvidenceError, Problem, ProblemKind
from certification_pipeline.evidence.files import read_no_follow
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.seal.lines import read_lines
from certification_pipeline.evidence.seal.statement import ResourceDescriptor, statement_name
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.attested_pages import ReleaseDir
from certification_pipeline.gates.chain_files import shown
from certification_pipeline.gates.seal_check import WHOSE, check_decisions, check_pages, check_seal
from certification_pipeline.gates.verifiers import Verifiers
from certification_pipeline.gates.verify.finding import Finding, Kind, of_error

Keys = Collection[PublicKey]
_SUBJECTS = TypeAdapter(tuple[ResourceDescriptor, ...])
_PAGES_AGAIN = "Write the pages anew from evidence that was verified: certify report --release-id {}"


@dataclass(frozen=True)
class Sealed:
    """What is wrong with the statements of one subject."""

    said: tuple[Finding, ...]
    """They do not say what is recomputed."""
    held: tuple[Finding, ...]
    """Files are not as they say, or nobody signed them whose key was given: no matter which version looks."""


def subject_seals(directory: SubjectDir, keys: Keys, verifiers: Verifiers, place: str) -> Sealed:
    """Statements on plan, cells and families, and on what was decided.

    A release that was made without any is as unsigned as one with unsigned statements: wrong only when a
    key was given. Its chain would list them.
    """
    there = any((directory.path / path).exists() for path in (layout.ATTESTATIONS, layout.DECISIONS))
    problems: list[Problem] = []
    if keys or there:
        problems += check_seal(directory, keys, verifiers=verifiers)
        problems += check_decisions(directory, keys)
    named = tuple(_named(directory, layout.DECISIONS, _unchained(directory), place)) if problems else ()
    said = [_finding(problem, place) for problem in problems if problem.remedy != WHOSE]
    signed = [_finding(problem, place, Kind.UNSIGNED) for problem in problems if problem.remedy == WHOSE]
    return Sealed(tuple(said), (*named, *signed))


def beside_the_chain(directory: SubjectDir, place: str) -> Iterator[Finding]:
    """What no chain holds, by digest alone: for who looks no further."""
    there = directory.path / layout.ATTESTATIONS
    if there.exists() and not (directory.path / layout.DECISIONS).exists():
        told = f"{layout.ATTESTATIONS} is there: whoever writes one writes both"
        yield Finding(kind=Kind.DELETED, path=f"{place}/{layout.DECISIONS}", message=told)
        return
    if not there.exists():
        return
    try:
        holds = any(True for _ in _listed(directory, layout.DECISIONS))
        told = "it holds no statement over the files of this release"
    except (EvidenceError, ValidationError) as error:
        holds, told = False, error.problem if isinstance(error, EvidenceError) else "it is malformed"
    if not holds:
        yield Finding(kind=Kind.EDITED, path=f"{place}/{layout.DECISIONS}", message=told)
    yield from _named(directory, layout.DECISIONS, _unchained(directory), place)


def _finding(problem: Problem, place: str, kind: Kind = Kind.FORGED) -> Finding:
    path = f"{place}/{problem.path}"
    if problem.kind is ProblemKind.MISSING and problem.field is None:
        return Finding(kind=Kind.DELETED, path=path, message=problem.problem, remedy=problem.remedy)
    return Finding(kind=kind, path=path, field=problem.field, message=problem.problem, remedy=problem.remedy)


def pages(store: EvidenceStore, release_id: str, keys: Keys) -> Iterator[Finding]:
    """What lies beside the engines of a release against its statement: each page that differs by name."""
    release = ReleaseDir.of(store, release_id)
    place = f"{layout.RELEASES}/{release_id}"
    again = _PAGES_AGAIN.format(release_id)
    there = release.pages()
    if not _exists(release) and not keys:
        yield from _without_a_witness((layout.PAGES, *there) if there else (), place, again)
        return
    problems = check_pages(release, keys)
    if problems and not _lists(release, layout.PAGES):
        yield from _without_a_witness(there, place, again)
    elif problems:
        for finding in _named(release, layout.PAGES, there, place):
            yield finding.model_copy(update={"remedy": again})
    for problem in problems:
        if problem.remedy == WHOSE:
            yield _finding(problem, place, Kind.UNSIGNED)
        else:
            yield _finding(problem, place, Kind.EDITED)


def _without_a_witness(names: Iterable[str], place: str, again: str) -> Iterator[Finding]:
    """Pages of which no statement says what they were: each by name, since any of them may be another."""
    for name in names:
        yield Finding(
            kind=Kind.UNVOUCHED,
            path=f"{place}/{shown(name)}",
            message=f"no {layout.PAGES} says what it was when it was written",
            remedy=again,
            outcome=Outcome.CANT_TELL,
        )


def _lists(directory: ReleaseDir | SubjectDir, bundle: str) -> bool:
    """Whether a statement over this very release's files can be read out of the bundle."""
    try:
        return any(True for _ in _listed(directory, bundle))
    except (EvidenceError, ValidationError):
        return False


def _named(
    directory: ReleaseDir | SubjectDir, bundle: str, there: Collection[str], place: str
) -> Iterator[Finding]:
    """Which file is not as the bundle says; nothing where that cannot be read, or is of another release."""
    try:
        listed = dict(_listed(directory, bundle))
    except (EvidenceError, ValidationError):
        return
    if not listed:
        return
    for name in sorted(listed.keys() - set(there)):
        path = f"{place}/{shown(name)}"
        yield Finding(kind=Kind.DELETED, path=path, message=f"{bundle} lists it")
    for name in there:
        path = f"{place}/{shown(name)}"
        if name not in listed:
            yield Finding(kind=Kind.ADDED, path=path, message=f"{bundle} does not list it")
            continue
        try:
            digest = sha256(read_no_follow(directory.path / name, path, layout.LARGEST_ARTIFACT))
        except EvidenceError as error:
            yield of_error(error, path)
            continue
        if digest != listed[name]:
            told = f"has the digest {digest}, {bundle} says {listed[name]}: one of the two was edited"
            yield Finding(kind=Kind.EDITED, path=path, message=told)


def _unchained(directory: SubjectDir) -> list[str]:
    """Names of the files there are that no chain entry holds, but for the statements themselves."""
    names = sorted(layout.LEFT_OUT_OF_CHAIN - {layout.DECISIONS})
    return [name for name in names if os.path.lexists(directory.path / name)]


def _listed(directory: ReleaseDir | SubjectDir, bundle: str) -> Iterator[tuple[str, Digest]]:
    """Names and digests out of the bundle's statement over files of this very release."""
    for line in read_lines(directory, bundle):
        statement = parse_value(line.statement, bundle)
        if not isinstance(statement, dict) or statement_name(statement) != "files":
            continue
        predicate = statement.get("predicate")
        if not isinstance(predicate, dict) or predicate.get("releaseId") != directory.release_id:
            continue
        for one in _SUBJECTS.validate_python(statement.get("subject")):
            yield one.name or "", f"sha256:{one.digest['sha256']}"


def _exists(release: ReleaseDir) -> bool:
    path = release.path / layout.PAGES
    return path.exists() or path.is_symlink()
