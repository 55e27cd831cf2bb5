"""What a release's evidence says, as statements to be signed: recomputed from the files, nothing on trust.

The same files give the same statements, byte for byte, at any time and on any machine: whoever has only the
evidence can compute what must have been signed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance, environment, producer
from certification_pipeline.evidence.report import ReportRow
from certification_pipeline.evidence.seal.statement import (
    CellFacts,
    CellPredicate,
    EngineName,
    FamilyPredicate,
    PlanPredicate,
    Predicate,
    ResourceDescriptor,
    ServiceFacts,
    Statement,
    subject_of,
)
from certification_pipeline.evidence.subject_dir import CellFile, SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.gates.cell_row import cell_row
from certification_pipeline.gates.certification_report import plan_blockers
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    provenance_of,
    read_plan,
)
from certification_pipeline.gates.verifiers import Verifiers

_NEVER = datetime.max.replace(tzinfo=UTC)


class Attested(NamedTuple):
    """One statement as it is to be signed. ``name`` tells it from all others of its file."""

    name: str
    statement: bytes


def evidence_statements(directory: SubjectDir, verifiers: Verifiers = VERIFIERS) -> Iterator[Attested]:
    """The plan, every planned cell in the plan's order, every family; one file is read at a time.

    Raises ``EvidenceError`` when there is no plan that can be read.
    """
    sealed, decided = read_plan(directory), _decided(directory)
    plan = ResourceDescriptor.of_file(layout.PLAN, sealed.sha256)
    yield _attested("plan", sealed, plan, _plan(sealed, plan))
    for found in directory.scan(sealed.plan):
        if found.planned is not None:
            row = cell_row(sealed.plan, found.planned, found, decided)
            yield _attested(f"cell {row.case_id}", sealed, plan, _cell(sealed.plan, plan, row, found))
    for family in Family:
        predicate = _family(directory, sealed, plan, family, decided=decided, verifiers=verifiers)
        if predicate is not None:
            yield _attested(f"family {family.value}", sealed, plan, predicate)


def _attested(name: str, sealed: SealedPlan, plan: ResourceDescriptor, predicate: Predicate) -> Attested:
    return Attested(name, Statement.about(subject_of(sealed.plan.subject, plan), predicate).spelled())


def _decided(directory: SubjectDir) -> Provenance:
    """When the evidence was decided on: what claims to be younger than that proves nothing."""
    try:
        return provenance_of(directory.read(layout.SUITE, CertificationSuite))
    except EvidenceError:  # nobody has; the release is red for that
        return Provenance(run_id="", created_at=_NEVER, producer=producer(), environment=environment())


def _plan(sealed: SealedPlan, plan: ResourceDescriptor) -> PlanPredicate:
    made = sealed.plan
    return PlanPredicate(
        engine=EngineName(name=made.subject.engine, version=made.subject.version),
        release_id=made.release_id,
        profile=made.profile,
        plan=plan,
        plan_digest=made.plan_digest,
        catalog_digest=made.catalog_digest,
        verified=not any(plan_blockers(made)),
        seed=made.seed,
        rows=made.rows,
        cells=len(made.cells),
        families=made.families,
    )


def _cell(
    made: CertificationPlan, plan: ResourceDescriptor, row: ReportRow, found: CellFile
) -> CellPredicate:
    cell = found.content if isinstance(found.content, CellEvidence) else None
    planned = found.planned
    assert planned is not None
    return CellPredicate(
        engine=EngineName(name=made.subject.engine, version=made.subject.version),
        release_id=made.release_id,
        profile=made.profile,
        cell=CellFacts(
            cell_id=row.case_id,
            source=row.key.source,
            sink=row.key.sink,
            strategy=row.key.strategy,
            scenario=row.key.scenario,
            scenario_version=row.scenario_version,
        ),
        outcome=row.outcome,
        required=row.required,
        verified=row.verified,
        flaky=row.flaky,
        reason=row.reason,
        detail=row.detail,
        problems=row.problems,
        plan=plan,
        plan_digest=made.plan_digest,
        catalog_digest=made.catalog_digest,
        seed=planned.seed,
        rows=planned.rows,
        services=tuple(
            ServiceFacts.model_validate(each, from_attributes=True)
            for each in (cell.services if cell else ())
        ),
        started_at=cell.started_at if cell else None,
        finished_at=cell.finished_at if cell else None,
        evidence=ResourceDescriptor.of_file(found.path, found.sha256) if found.sha256 else None,
    )


def _family(
    directory: SubjectDir,
    sealed: SealedPlan,
    plan: ResourceDescriptor,
    family: Family,
    *,
    decided: Provenance,
    verifiers: Verifiers,
) -> FamilyPredicate | None:
    """``None`` for a family that is neither there nor called for."""
    made = sealed.plan
    required = family is Family.MATRIX or family in made.families
    path = layout.FAMILY_ARTIFACTS[family]
    evidence = None
    try:
        file = EvidenceFile(path, directory.read_bytes(path))
        evidence = ResourceDescriptor.of_file(path, sha256(file.data))
        found = verifiers[layout.schema_name(path)](directory, file, sealed, decided)
    except EvidenceError as error:
        missing = error.kind is ProblemKind.MISSING and evidence is None
        if missing and not required:
            return None
        outcome = Outcome.UNTESTED if missing else Outcome.FAILED
        found = Verification(outcome, made.release_id, (str(error),))
    return FamilyPredicate(
        engine=EngineName(name=made.subject.engine, version=made.subject.version),
        release_id=made.release_id,
        profile=made.profile,
        family=family,
        outcome=Outcome.FAILED if found.problems and evidence is not None else found.outcome,
        required=required,
        verified=not found.problems,
        problems=found.problems,
        plan=plan,
        plan_digest=made.plan_digest,
        evidence=evidence,
    )
