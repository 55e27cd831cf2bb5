"""The last gate: plan, suite and index as they lie on disk, each verified again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Literal, NamedTuple, TypeVar

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Artifact, Blocker, Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.next_step import decide_release_again, rerun_release
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.seal.lines import signing_key_id
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, ItemName
from certification_pipeline.evidence.summary import ReleaseSummary, SummaryItem, SummaryItemName, SummaryKind
from certification_pipeline.gates.artifact_index import verify_index
from certification_pipeline.gates.certification_report import plan_blockers
from certification_pipeline.gates.certification_suite import evaluated_again
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.held import Holder, Wanted, made_by
from certification_pipeline.gates.summary_chain import SeenChain, chain_item, see_chain
from certification_pipeline.gates.verification import (
    SealedPlan,
    Verifier,
    after_the_decision,
    before_the_plan,
    differences,
    provenance_of,
    read_plan,
    unknown_subject,
)
from certification_pipeline.gates.verifiers import remembering

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
    recomputed: Outcome = Outcome.FAILED
    """What lies underneath is worth, whether or not the file agrees."""


_FAMILY_CHAINS = {
    Family.REPLAY: SummaryItemName.REPLAY_CHAIN,
    Family.CONNECTOR_LIVE: SummaryItemName.CONNECTOR_CHAIN,
}
_KINDS: dict[SummaryItemName, SummaryKind] = {
    SummaryItemName.PLAN: "plan",
    SummaryItemName.SUITE: "suite",
    SummaryItemName.CONNECTOR_SUITE: "suite",
    SummaryItemName.INDEX: "index",
}


def release_summary(
    directory: SubjectDir,
    provenance: Provenance,
    *,
    require: Collection[ItemName] = (),
    verifiers: Mapping[str, Verifier] = VERIFIERS,
    kept: bool = False,
) -> ReleaseSummary:
    """Decide about the release from the files alone; reads only.

    ``require`` names evidence this release must not go without: a suite that did not require it is red.
    ``kept``: as in :func:`see_chain`, for who has just chained the release.
    What the sealed plan does not call for and is not there is shown as untested and decides nothing.
    """
    rerun = rerun_release(directory.engine, directory.release_id)
    again = decide_release_again(directory.engine, directory.release_id, require)
    plan = _evaluate(SummaryItemName.PLAN, lambda: _sealed(directory), _check_plan, rerun)
    suite = _evaluate(
        SummaryItemName.SUITE,
        lambda: directory.read_with_digest(layout.SUITE, CertificationSuite),
        lambda suite: _check_suite(directory, suite, provenance, require, verifiers),
        again,
    )
    index = _evaluate(
        SummaryItemName.INDEX,
        lambda: directory.read_with_digest(layout.ARTIFACT_INDEX, ArtifactIndex),
        lambda index: _check_index(directory, index, provenance),
        again,
    )
    sealed = None if plan.blockers else read_plan(directory)
    seen = see_chain(directory, kept=kept)
    evaluated = [plan, suite, index, _chain(SummaryItemName.MATRIX_CHAIN, seen, suite, required=True)]
    for family, chain in _FAMILY_CHAINS.items():
        there = (directory.path / layout.FAMILY_ARTIFACTS[family]).exists()
        required = there or (sealed is not None and family in sealed.plan.families)
        if family is Family.CONNECTOR_LIVE:
            evaluated.append(_connectors(directory, sealed, provenance, verifiers, required=required))
        evaluated.append(_chain(chain, seen, suite, required=required))
    blockers = tuple(blocker for each in evaluated for blocker in each.blockers)
    about = (sealed.plan.subject, sealed.plan.profile) if sealed else (unknown_subject(directory), "unknown")
    made = ReleaseSummary(
        **provenance.header(ReleaseSummary, directory.release_id, *about),
        **verdict(Outcome.worst(each.item.outcome for each in evaluated if each.item.required), blockers),
        chain=seen.link,
        signed_by=signing_key_id(directory, layout.ATTESTATIONS),
        items=tuple(each.item for each in evaluated),
    )
    return made.model_copy(update={"markdown_sha256": sha256(markdown(made).encode("utf-8", "replace"))})


def verify_release_summary(
    directory: SubjectDir,
    provenance: Provenance,
    *,
    require: Collection[ItemName] = (),
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> ReleaseSummary:
    """Decide again now, and be red if ``release_summary.json`` on disk is missing or says anything else."""
    verifiers = remembering(verifiers)
    now = release_summary(directory, provenance, require=require, verifiers=verifiers)
    word, problems = disagreements(directory, provenance, require=require, verifiers=verifiers)
    if not problems:
        return now
    again = decide_release_again(directory.engine, directory.release_id, require)
    blocker = Blocker(code=f"release_summary.{word}", message="; ".join(problems), next_step=again)
    fields = verdict(Outcome.FAILED, (blocker, *now.blockers))
    return now.model_copy(update=dict(fields))


def disagreements(
    directory: SubjectDir,
    provenance: Provenance,
    *,
    require: Collection[ItemName] = (),
    verifiers: Mapping[str, Verifier] = VERIFIERS,
) -> tuple[Literal["missing", "not_verified"], tuple[str, ...]]:
    """Where ``release_summary.json`` is not what deciding as of its own time gives; nothing: it is."""
    try:
        found = directory.read(layout.RELEASE_SUMMARY, ReleaseSummary)
        then = release_summary(directory, provenance_of(found), require=require, verifiers=verifiers)
        # A later version may word it in another way: what counts is that it is what was written.
        then = then.model_copy(update={"markdown_sha256": found.markdown_sha256})
        problems = (
            *differences(found, then),
            *after_the_decision(found.created_at, provenance),
            *_other_markdown(directory, found),
        )
    except EvidenceError as error:
        return "missing" if error.kind is ProblemKind.MISSING else "not_verified", (str(error),)
    return "not_verified", problems


def _sealed(directory: SubjectDir) -> tuple[CertificationPlan, Digest]:
    sealed = read_plan(directory)
    return sealed.plan, sealed.sha256


def _evaluate(
    name: SummaryItemName,
    read: Callable[[], tuple[A, Digest]],
    check: Callable[[A], _Found],
    again: str,
) -> _Evaluated:
    path = f"{name.value}.json"
    digest: Digest | None = None
    try:
        artifact, digest = read()
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
    item = _item(name, digest, outcome, missing=False, summary=found.summary)
    return _Evaluated(item, tuple(blockers), found.outcome)


def _chain(name: SummaryItemName, seen: SeenChain, suite: _Evaluated, *, required: bool) -> _Evaluated:
    return _Evaluated(*chain_item(name, seen, suite.recomputed, required=required))


def _connectors(
    directory: SubjectDir,
    sealed: SealedPlan | None,
    provenance: Provenance,
    verifiers: Mapping[str, Verifier],
    *,
    required: bool,
) -> _Evaluated:
    """The connector suite, verified like any artifact of a bundle."""
    name, path = SummaryItemName.CONNECTOR_SUITE, layout.FAMILY_ARTIFACTS[Family.CONNECTOR_LIVE]
    item = _item(name, None, Outcome.UNTESTED, missing=True, summary={})
    if not required:
        return _Evaluated(item.model_copy(update={"required": False}), ())
    if sealed is None:
        return _Evaluated(item.model_copy(update={"missing": False}), ())  # the plan's blocker says why
    again = made_by(Family.CONNECTOR_LIVE, sealed, "release-summary")
    wanted = Wanted(name.value, path, layout.schema_name(path), required=True, again=again)
    held = Holder(directory, sealed, provenance, verifiers).hold(wanted)
    outcome = held.outcome if held.present else Outcome.FAILED
    outcome = Outcome.UNTESTED if outcome is Outcome.INAPPLICABLE else outcome
    blockers = [b.model_copy(update={"code": b.code.partition(":")[0]}) for b in held.blockers]
    item = _item(name, held.sha256, outcome, missing=not held.present, summary=held.summary)
    return _Evaluated(item, tuple(blockers))


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
    recomputed = evaluated_again(directory, suite, verifiers)
    problems = [f"did not require {name.value}" for name in sorted(set(require) - required)]
    problems += differences(suite, recomputed)
    problems += after_the_decision(suite.created_at, decided)
    summary: dict[str, JsonValue] = {"suite_id": suite.suite_id, "cases": recomputed.case_count}
    return _Found(recomputed.outcome, tuple(problems), recomputed.blockers, summary)


def _check_index(directory: SubjectDir, index: ArtifactIndex, decided: Provenance) -> _Found:
    problems = (
        *verify_index(directory, index),
        *before_the_plan(index, read_plan(directory).plan),
        *after_the_decision(index.created_at, decided),
    )
    summary: dict[str, JsonValue] = {"files": index.file_count, "bytes": index.total_bytes}
    return _Found(index.outcome, problems, index.blockers, summary)


def _other_markdown(directory: SubjectDir, summary: ReleaseSummary) -> tuple[str, ...]:
    path = "release_summary.md"
    same = sha256(directory.read_bytes(path)) == summary.markdown_sha256
    return () if same else (f"{path} is not what was written with it",)


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
        kind=_KINDS[name],
        path=f"{name.value}.json",
        sha256=digest,
        required=True,
        outcome=outcome,
        passed=outcome is Outcome.PASSED,
        missing=missing,
        summary=summary,
    )
