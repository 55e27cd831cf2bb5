"""What was decided about a release, as statements to be signed: suite, release, levels, and their files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.seal.statement import (
    FilesPredicate,
    ResourceDescriptor,
    Statement,
    digest_set,
)
from certification_pipeline.evidence.seal.vsa import Decided, verification_summary
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, SuiteItem
from certification_pipeline.evidence.summary import ReleaseSummary, SummaryItem
from certification_pipeline.gates.attested import Attested
from certification_pipeline.gates.levels.writing import level_decisions
from certification_pipeline.gates.verification import read_plan

SUITE_PASSED = "CERTIFICATION_SUITE_PASSED"
RELEASE_PASSED = "RELEASE_PASSED"
"""Levels in our own words; SLSA's begin with ``SLSA_``."""

D = TypeVar("D", bound=Decision)


def decision_statements(directory: SubjectDir, levels: Iterable[Decided] = ()) -> Iterator[Attested]:
    """Suite, release and granted levels as far as they are there, ``levels``, then the files left over.

    What a decision is worth is recomputed by its own gate, not here: this is what it says. Raises
    ``EvidenceError`` when there is no plan that can be read.
    """
    for decided in (*_decided(directory), *level_decisions(directory), *levels):
        statement = verification_summary(decided)
        yield Attested(f"decision {decided.resource_uri}", statement.spelled())
    files = FilesPredicate(release_id=directory.release_id, engine=directory.engine)
    if subjects := tuple(_files(directory)):
        yield Attested("files", Statement.about(subjects, files).spelled())


def _decided(directory: SubjectDir) -> Iterator[Decided]:
    suite = _read(directory, layout.SUITE, CertificationSuite)
    if suite is not None:
        made, digest = suite
        resource = f"suite:{made.release_id}:{made.suite_id}"
        items = tuple(_item(item) for item in made.items if item.sha256)
        yield _decision(directory, made, digest, resource=resource, items=items, level=SUITE_PASSED)
    summary = _read(directory, layout.RELEASE_SUMMARY, ReleaseSummary)
    if summary is not None:
        release, digest = summary
        items = tuple(_item(item) for item in release.items if item.sha256)
        resource = f"release:{release.release_id}"
        yield _decision(directory, release, digest, resource=resource, items=items, level=RELEASE_PASSED)


def _decision(
    directory: SubjectDir,
    made: Decision,
    digest: Digest,
    *,
    resource: str,
    items: tuple[ResourceDescriptor, ...],
    level: str,
) -> Decided:
    plan = ResourceDescriptor.of_file(layout.PLAN, read_plan(directory).sha256)
    itself = ResourceDescriptor.of_file(f"{made.KIND}.json", digest)
    return Decided(
        subject=made.subject,
        resource=resource,
        policy=plan,
        inputs=(itself, *_attestations(directory), *items),
        plan=plan,
        passed=made.passed,
        levels=(level,),
        decided_at=made.created_at,
        producer=made.producer,
    )


def _attestations(directory: SubjectDir) -> Iterator[ResourceDescriptor]:
    digest = _digest(directory, layout.ATTESTATIONS)
    if digest is not None:
        yield ResourceDescriptor.of_file(layout.ATTESTATIONS, digest)


def _item(item: SuiteItem | SummaryItem) -> ResourceDescriptor:
    return ResourceDescriptor.of_file(item.path, item.sha256 or "")


def _files(directory: SubjectDir) -> Iterator[ResourceDescriptor]:
    for path in sorted(layout.LEFT_OUT_OF_CHAIN - {layout.DECISIONS}):
        digest = _digest(directory, path)
        if digest is not None:
            yield ResourceDescriptor(name=path, digest=digest_set(digest))


def _digest(directory: SubjectDir, path: str) -> Digest | None:
    try:
        return sha256(directory.read_bytes(path))
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return None
        raise


def _read(directory: SubjectDir, path: str, model: type[D]) -> tuple[D, Digest] | None:
    """``None`` for a decision that is not there, or is none: nothing is attested of it."""
    try:
        return directory.read_with_digest(path, model)
    except EvidenceError:
        return None
