"""The last gate: plan, suite and index as they lie on disk, each verified again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import NamedTuple, TypeVar

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Artifact, Blocker, Digest
from certification_pipeline.evidence.decision import Decision, verdict
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, ItemName
from certification_pipeline.evidence.summary import ReleaseSummary, SummaryItem, SummaryItemName
from certification_pipeline.gates.artifact_index import verify_index
from certification_pipeline.gates.certification_report import plan_blockers
from certification_pipeline.gates.certification_suite import certification_suite
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.next_step import decide_again, rerun_release
from certification_pipeline.gates.verification import (
    Verifier,
    differences,
    provenance_of,
    read_plan,
    stale,
    unknown_subject,
)

A = TypeVar("A", bound=Artifact)


class _Found(NamedTuple):
    """What re-verifying an artifact yields."""

    outcome: Outcome
    problems: tuple[str, ...]
    because: tuple[Blocker, ...]
    summary: dict[str, JsonValue]


class _Evaluated(NamedTuple):
    item: SummaryItem
    blockers: tuple[Blocker, ...]


def release_summary(
    directory: SubjectDir,
    provenance: Provenance,
    *,
    require: Collection[ItemName] = (),
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> ReleaseSummary:
    """Decide about the release from the files alone; reads only.

    ``require`` names evidence this release must not go without: a suite that did not require it is red.
    """
    evaluated = (
        _evaluate(directory, SummaryItemName.PLAN, CertificationPlan, _check_plan),
        _evaluate(
            directory,
            SummaryItemName.SUITE,
            CertificationSuite,
            lambda suite: _check_suite(directory, suite, provenance, require, verifiers),
        ),
        _evaluate(
            directory,
            SummaryItemName.INDEX,
            ArtifactIndex,
            lambda index: _check_index(directory, index, provenance),
        ),
    )
    blockers = tuple(blocker for each in evaluated for blocker in each.blockers)
    subject, profile = unknown_subject(directory), "unknown"
    if not evaluated[0].blockers:
        plan = read_plan(directory).plan
        subject, profile = plan.subject, plan.profile
    return ReleaseSummary(
        **provenance.header(ReleaseSummary, directory.release_id, subject, profile),
        **verdict(Outcome.worst(each.item.outcome for each in evaluated), blockers),
        items=tuple(each.item for each in evaluated),
    )


def verify_release_summary(
    directory: SubjectDir,
    provenance: Provenance,
    *,
    require: Collection[ItemName] = (),
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> ReleaseSummary:
    """Decide again now, and be red if ``release_summary.json`` on disk is missing or says anything else."""
    now = release_summary(directory, provenance, require=require, verifiers=verifiers)
    problems: tuple[str, ...] = ()
    word = "not_verified"
    try:
        found = directory.read(layout.RELEASE_SUMMARY, ReleaseSummary)
        then = release_summary(directory, provenance_of(found), require=require, verifiers=verifiers)
        problems = (*differences(found, then), *_from_the_future(found, provenance))
    except EvidenceError as error:
        word = "missing" if error.kind is ProblemKind.MISSING else word
        problems = (str(error),)
    if not problems:
        return now
    again = decide_again("release-summary", directory.engine, directory.release_id)
    blocker = Blocker(code=f"release_summary.{word}", message="; ".join(problems), next_step=again)
    fields = verdict(Outcome.FAILED, (blocker, *now.blockers))
    return now.model_copy(update=dict(fields))


def _evaluate(
    directory: SubjectDir,
    name: SummaryItemName,
    model: type[A],
    check: Callable[[A], _Found],
) -> _Evaluated:
    path = f"{name.value}.json"
    again = rerun_release(directory.engine, directory.release_id)
    digest: Digest | None = None
    try:
        artifact, digest = directory.read_with_digest(path, model)
        found = check(artifact)
    except EvidenceError as error:
        missing = error.kind is ProblemKind.MISSING and digest is None
        word = (
            "missing"
            if missing
            else ("release_id_mismatch" if error.field == "release_id" else "not_verified")
        )
        blocker = Blocker(code=f"{name.value}.{word}", message=str(error), next_step=again)
        return _Evaluated(_item(name, digest, Outcome.FAILED, missing=missing, summary={}), (blocker,))
    blockers = []
    outcome = found.outcome
    if found.problems:
        outcome = Outcome.FAILED
        message = f"{path}: {'; '.join(found.problems)}"
        blockers.append(Blocker(code=f"{name.value}.not_verified", message=message, next_step=again))
    if found.outcome is not Outcome.PASSED:
        blockers.append(_not_passed(name, found, again))
    return _Evaluated(_item(name, digest, outcome, missing=False, summary=found.summary), tuple(blockers))


def _check_plan(plan: CertificationPlan) -> _Found:
    problems = tuple(blocker.message for blocker in plan_blockers(plan))
    return _Found(Outcome.PASSED, problems, (), {"cells": len(plan.cells), "plan_digest": plan.plan_digest})


def _check_suite(
    directory: SubjectDir,
    suite: CertificationSuite,
    decided: Provenance,
    require: Collection[ItemName],
    verifiers: Mapping[str, Verifier],
) -> _Found:
    required = {item.name for item in suite.items if item.required}
    recomputed = certification_suite(
        directory,
        provenance_of(suite),
        suite_id=suite.suite_id,
        require=required,
        paths={item.name: item.path for item in suite.items if item.required},
        verifiers=verifiers,
    )
    problems = [f"did not require {name.value}" for name in sorted(set(require) - required)]
    problems += differences(suite, recomputed)
    problems += _from_the_future(suite, decided)
    summary: dict[str, JsonValue] = {"suite_id": suite.suite_id, "cases": recomputed.case_count}
    return _Found(recomputed.outcome, tuple(problems), recomputed.blockers, summary)


def _check_index(directory: SubjectDir, index: ArtifactIndex, decided: Provenance) -> _Found:
    problems = (*verify_index(directory, index), *stale(index, read_plan(directory).plan, decided))
    summary: dict[str, JsonValue] = {"files": index.file_count, "bytes": index.total_bytes}
    return _Found(index.outcome, problems, index.blockers, summary)


def _from_the_future(artifact: Decision, decided: Provenance) -> tuple[str, ...]:
    if artifact.created_at > decided.created_at:
        return ("claims to be made after this decision",)
    return ()


def _not_passed(name: SummaryItemName, found: _Found, again: str) -> Blocker:
    if not found.because:
        message = f"its outcome is {found.outcome.value}"
        return Blocker(code=f"{name.value}.not_passed", message=message, next_step=again)
    reasons = "; ".join(f"{blocker.code}: {blocker.message}" for blocker in found.because[:3])
    more = f" (and {len(found.because) - 3} more)" if len(found.because) > 3 else ""  # noqa: PLR2004
    message = f"its outcome is {found.outcome.value}: {reasons}{more}"
    return Blocker(code=f"{name.value}.not_passed", message=message, next_step=found.because[0].next_step)


def _item(
    name: SummaryItemName,
    digest: Digest | None,
    outcome: Outcome,
    *,
    missing: bool,
    summary: dict[str, JsonValue],
) -> SummaryItem:
    return SummaryItem(
        name=name,
        kind=name.value,
        path=f"{name.value}.json",
        sha256=digest,
        outcome=outcome,
        passed=outcome is Outcome.PASSED,
        missing=missing,
        summary=summary,
    )
