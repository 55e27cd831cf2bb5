"""One engine of one release: does its decision follow from its evidence, and what does the evidence give?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Artifact, Producer
from certification_pipeline.evidence.canonical import parse
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.plan import CertificationPlan, Selection
from certification_pipeline.evidence.provenance import Provenance, stamp
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.seal.keys import PublicKey
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, ItemName
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.artifact_index import verify_index
from certification_pipeline.gates.certification_report import plan_blockers
from certification_pipeline.gates.certification_suite import evaluated_again
from certification_pipeline.gates.families import VERIFIERS, required_by
from certification_pipeline.gates.release_summary import disagreements, release_summary
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    differences,
    read_plan,
)
from certification_pipeline.gates.verifiers import Registry
from certification_pipeline.gates.verify.finding import (
    Finding,
    Kind,
    disagreeing,
    guarded,
    of_error,
)
from certification_pipeline.gates.verify.granted import read_levels
from certification_pipeline.gates.verify.judge import Planned, complete, contradicted
from certification_pipeline.gates.verify.result import VerifiedRelease
from certification_pipeline.gates.verify.seals import beside_the_chain, subject_seals

EXPLAINED = 16 << 20
"""Bytes: a larger file that was changed is named, and not read for what was changed in it."""

_DECISION = (layout.RELEASE_SUMMARY, layout.RELEASE_SUMMARY.replace(".json", ".md"))
"""No chain holds it, so that it shows only by deciding again."""
_READ_AGAIN: tuple[type[Artifact], ...] = (CertificationPlan, CertificationReport, CertificationSuite)


@dataclass(frozen=True)
class Look:
    """How to look at a subject."""

    planned: Planned
    here: Producer
    run_id: str
    part: bool = False
    """Accept a release that was narrowed as what it is."""
    keys: tuple[PublicKey, ...] = ()
    """One of them must have signed."""


@dataclass(frozen=True)
class Looked:
    """What was found about one subject."""

    release: VerifiedRelease
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()


def look_at(directory: SubjectDir, look: Look, bytes_changed: Iterable[Finding]) -> Looked:
    """Recompute everything of one subject from its files. Never raises for what they hold.

    ``bytes_changed``: what its chain found wrong. Then nothing is recomputed (it would tell consequences, of
    whatever size): what was changed inside a file is told as far as it shows.
    """
    place = f"{layout.RELEASES}/{directory.release_id}/{directory.engine}"
    changed = list(bytes_changed)
    decision = {f"{place}/{name}" for name in _DECISION}
    if any(one.path not in decision for one in changed):
        found = [finding for one in changed for finding in _explained(directory, place, one)]
        found += guarded(place, lambda: beside_the_chain(directory, place))
        return Looked(_unverified(directory, found), tuple(found))
    return _recomputed(directory, look, place)


def _recomputed(directory: SubjectDir, look: Look, place: str) -> Looked:
    found: list[Finding] = []
    sealed: SealedPlan | None = None
    try:
        sealed = read_plan(directory)
    except EvidenceError as error:
        found.append(of_error(error, f"{place}/{layout.PLAN}"))
        return Looked(_unverified(directory, found), tuple(found))
    plan = sealed.plan
    found += guarded(place, lambda: _plan_findings(plan, place))
    notes: list[str] = []
    found += guarded(place, lambda: complete(directory, plan, look.planned, place, notes.append))
    decided: list[ReleaseSummary] = []
    found += guarded(place, lambda: _decision(directory, sealed, look, place, decided.append))
    found += guarded(f"{place}/{layout.CONNECTOR_LEVELS}", lambda: read_levels(directory, place))
    found += guarded(f"{place}/{layout.ATTESTATIONS}", lambda: _seals(directory, sealed, look, place))
    if plan.selection != Selection() and not look.part:
        found.append(_part(plan, place))
    release = _release(directory, sealed, decided[0] if decided else None, found)
    return Looked(release, tuple(found), tuple(notes))


def _decision(
    directory: SubjectDir,
    sealed: SealedPlan,
    look: Look,
    place: str,
    decide: Callable[[ReleaseSummary], None],
) -> Iterator[Finding]:
    """The release summary against its recomputation; ``decide`` is given what the evidence gives now."""
    where = f"{place}/{layout.RELEASE_SUMMARY}"
    verifiers, now = VERIFIERS.remembering(), stamp(look.run_id)
    size = _size(directory.path / layout.RELEASE_SUMMARY)
    if size > EXPLAINED:
        yield Finding(kind=Kind.EDITED, path=where, message=f"it has {size} bytes: no decision is that long")
        return
    decided = release_summary(directory, now, verifiers=verifiers)
    decide(decided)
    word, problems = disagreements(directory, now, verifiers=verifiers)
    if not problems or any(
        not disagreements(directory, now, require=require, verifiers=verifiers)[1]
        for require in _required(directory, sealed)
    ):
        return
    try:
        summary = directory.read(layout.RELEASE_SUMMARY, ReleaseSummary)
    except EvidenceError as error:
        told = "the release has no decision: deleted, or its making was stopped"
        missing = Finding(kind=Kind.DELETED, path=where, message=told)
        yield missing if word == "missing" else of_error(error, where)
        return
    found = [
        *_verdict(summary, decided, where),
        *disagreeing(where, problems),
        *_below(directory, sealed, verifiers, now, place),
    ]
    yield from contradicted(found, where, summary.producer, look.here)


def _seals(directory: SubjectDir, sealed: SealedPlan, look: Look, place: str) -> Iterator[Finding]:
    """Signatures mean the same to every version; what the statements say is recomputed."""
    seals = subject_seals(directory, look.keys, VERIFIERS.remembering(), place)
    yield from seals.held
    where = f"{place}/{layout.ATTESTATIONS}"
    yield from contradicted(seals.said, where, sealed.plan.producer, look.here)


def _verdict(says: ReleaseSummary, is_: ReleaseSummary, where: str) -> Iterator[Finding]:
    """The verdict comes first: of other differences only some are told."""
    if says.outcome is not is_.outcome:
        told = f"says {says.outcome.value!r}, is {is_.outcome.value!r}"
        yield Finding(kind=Kind.FORGED, path=where, field="outcome", message=told)


def _required(directory: SubjectDir, sealed: SealedPlan) -> Iterator[frozenset[ItemName]]:
    """What a decision may have been asked to require: it names that in its next steps only."""
    try:
        suite = directory.read(layout.SUITE, CertificationSuite)
    except EvidenceError:
        return
    required = frozenset(item.name for item in suite.items if item.required)
    asked = required - required_by(sealed.plan.families) - {ItemName.CERTIFICATION_REPORT}
    yield from dict.fromkeys(one for one in (asked, required) if one)


def _below(
    directory: SubjectDir, sealed: SealedPlan, verifiers: Registry, now: Provenance, place: str
) -> Iterator[Finding]:
    """Which artifacts below the decision are not what recomputing them gives, field by field."""
    for schema_version, verify in verifiers.items():
        path = f"{schema_version.split('.')[1]}.json"
        try:
            file = EvidenceFile(path, directory.read_bytes(path))
            yield from disagreeing(f"{place}/{path}", verify(directory, file, sealed, now).problems)
        except EvidenceError as error:
            if error.kind is not ProblemKind.MISSING:
                yield of_error(error, f"{place}/{path}")
    for path, again in ((layout.SUITE, _suite_again), (layout.ARTIFACT_INDEX, _index_again)):
        try:
            yield from disagreeing(f"{place}/{path}", again(directory, verifiers))
        except EvidenceError as error:
            yield of_error(error, f"{place}/{path}")


def _suite_again(directory: SubjectDir, verifiers: Registry) -> tuple[str, ...]:
    suite = directory.read(layout.SUITE, CertificationSuite)
    return differences(suite, evaluated_again(directory, suite, verifiers))


def _index_again(directory: SubjectDir, _: Registry) -> tuple[str, ...]:
    return verify_index(directory, directory.read(layout.ARTIFACT_INDEX, ArtifactIndex))


def _plan_findings(plan: CertificationPlan, place: str) -> Iterator[Finding]:
    for blocker in plan_blockers(plan):
        yield Finding(
            kind=Kind.EDITED, path=f"{place}/{layout.PLAN}", field="plan_digest", message=blocker.message
        )


def _part(plan: CertificationPlan, place: str) -> Finding:
    chosen = {name: values for name, values in plan.selection.model_dump().items() if values}
    told = "; ".join(f"{name}: {', '.join(values)}" for name, values in chosen.items())
    return Finding(
        kind=Kind.PART,
        path=f"{place}/{layout.PLAN}",
        field="selection",
        message=f"it was narrowed to {told}: nothing is certified beyond that",
        remedy="Ask for a whole release, or accept the part: certify verify --part",
        outcome=Outcome.CANT_TELL,
    )


def _explained(directory: SubjectDir, place: str, changed: Finding) -> Iterator[Finding]:
    """``changed``, and what inside the file shows it, if anything does."""
    yield changed
    path = changed.path.removeprefix(f"{place}/")
    if changed.kind is not Kind.EDITED or path == changed.path or not path.endswith(".json"):
        return
    if not 0 < _size(directory.path / path) <= EXPLAINED:
        return
    for problem in guarded(changed.path, lambda: _inside(directory, path, changed.path)):
        if problem.kind is not Kind.UNDECIDED:
            yield problem


def _inside(directory: SubjectDir, path: str, where: str) -> Iterator[Finding]:
    """What reading and recomputing an edited file shows; nothing, where an edit contradicts nothing."""
    data = directory.read_bytes(path)
    if path.startswith(f"{layout.CELLS}/"):
        cell = parse(data, CellEvidence, where)
        for field, says, recomputed in (
            ("outcome", cell.outcome, cell.recompute()),
            ("key", f"{layout.CELLS}/{cell.key.cell_id}.json", path),
        ):
            if says != recomputed:
                told = f"says {str(says)!r}, is {str(recomputed)!r}"
                yield Finding(kind=Kind.EDITED, path=where, field=field, message=told)
        return
    schema_version = layout.schema_name(path)
    for model in _READ_AGAIN:
        if model.schema_name() == schema_version:
            read = directory.load(data, path, model)
            if isinstance(read, CertificationPlan):
                yield from _plan_findings(read, where.removesuffix(f"/{layout.PLAN}"))
    if path == layout.SUITE:
        yield from disagreeing(where, _suite_again(directory, VERIFIERS.remembering()), Kind.EDITED)
    elif path == layout.ARTIFACT_INDEX:
        yield from disagreeing(where, _index_again(directory, VERIFIERS), Kind.EDITED)
    elif schema_version in VERIFIERS:
        sealed = read_plan(directory)
        verified = VERIFIERS.remembering()[schema_version](
            directory, EvidenceFile(path, data), sealed, stamp("verify")
        )
        yield from disagreeing(where, verified.problems, Kind.EDITED)


def _release(
    directory: SubjectDir,
    sealed: SealedPlan,
    decided: ReleaseSummary | None,
    found: list[Finding],
) -> VerifiedRelease:
    plan = sealed.plan
    verified = verdict_of(found)
    outcome = decided.outcome if decided is not None else Outcome.CANT_TELL
    if any(one.kind is Kind.OTHER_JUDGE and one.path.endswith(layout.RELEASE_SUMMARY) for one in found):
        # Two versions, two verdicts: red only where both say so.
        outcome = outcome if outcome is _stated(directory) else Outcome.CANT_TELL
    required = [cell for cell in plan.cells if cell.required]
    return VerifiedRelease(
        release_id=directory.release_id,
        engine=directory.engine,
        subject=plan.subject,
        profile=plan.profile,
        sealed_at=plan.created_at,
        outcome=Outcome.worst((outcome, verified)),
        verified=verified,
        counts=False,
        narrowed=plan.selection != Selection(),
        required_cells=len(required),
        planned_cells=len(plan.cells),
        blockers=decided.blockers if decided is not None else (),
    )


def _stated(directory: SubjectDir) -> Outcome:
    return directory.read(layout.RELEASE_SUMMARY, ReleaseSummary).outcome


def _unverified(directory: SubjectDir, found: list[Finding]) -> VerifiedRelease:
    verified = verdict_of(found)
    return VerifiedRelease(
        release_id=directory.release_id,
        engine=directory.engine,
        outcome=verified,
        verified=verified,
        counts=False,
    )


def verdict_of(found: Iterable[Finding]) -> Outcome:
    """Passed without a finding, but for the part that somebody accepted; else the worst of them."""
    return Outcome.worst([Outcome.PASSED, *(finding.outcome for finding in found)])


def _size(path: Path) -> int:
    try:
        return path.lstat().st_size
    except OSError:
        return 0
