"""The operations' evidence bundle: every artifact of a release by digest, each verified again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.bundle import BundleItem, OpsEvidenceBundle
from certification_pipeline.evidence.decision import evidence_status, verdict
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.certification_report import plan_blockers
from certification_pipeline.gates.held import Holder, Wanted, counts, made_by, overall
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
)
from certification_pipeline.gates.verifiers import Verifiers

NAMES: Mapping[Family, str] = {
    Family.MATRIX: "certification",
    Family.BENCHMARK: "benchmark",
    Family.OPENLINEAGE: "lineage",
    Family.DBT_LINEAGE: "dbt_lineage",
    Family.REPLAY: "replay",
    Family.CONNECTOR_LIVE: "connector",
    Family.CALIBRATION: "calibration",
}


def evidence_bundle(
    directory: SubjectDir, sealed: SealedPlan, provenance: Provenance, *, verifiers: Verifiers
) -> OpsEvidenceBundle:
    """Evaluate what lies in ``directory``; reads only.

    Required: the plan, the matrix, and the artifact of every family in the sealed plan; of replay and
    connector the strategy bundle too. What is there counts in any case.
    """
    plan = sealed.plan
    holder = Holder(directory, sealed, provenance, verifiers)
    held = [holder.hold(wanted) for wanted in _wanted(sealed)]
    defects = tuple(plan_blockers(plan))
    items = (
        _plan(sealed, sound=not defects),
        *(BundleItem(name=each.wanted.kind, **each.fields()) for each in held),
    )
    return OpsEvidenceBundle(
        **provenance.header(OpsEvidenceBundle, directory.release_id, plan.subject, plan.profile),
        **verdict(
            overall(held, defects), [*defects, *(blocker for each in held for blocker in each.blockers)]
        ),
        summary=counts(items),
        items=items,
    )


def verify_evidence_bundle(
    verifiers: Verifiers,
    directory: SubjectDir,
    file: EvidenceFile,
    sealed: SealedPlan,
) -> Verification:
    """Make the bundle again as of its own time, from the items' files."""
    found = directory.load(file.data, file.path, OpsEvidenceBundle)
    recomputed = evidence_bundle(directory, sealed, provenance_of(found), verifiers=verifiers)
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(*before_the_plan(found, sealed.plan), *differences(found, recomputed)),
        because=recomputed.blockers,
        summary={
            "items": recomputed.summary.total_items,
            "present": recomputed.summary.present_items,
            "passed": recomputed.summary.passed_items,
        },
    )


def _wanted(sealed: SealedPlan) -> Iterator[Wanted]:
    planned = {Family.MATRIX, *sealed.plan.families}
    for family, name in NAMES.items():
        path, required = layout.FAMILY_ARTIFACTS[family], family in planned
        again = made_by(family, sealed, "release-summary")
        yield Wanted(name, path, layout.schema_name(path), required, again)
        if family is Family.OPENLINEAGE:
            registry = layout.RUN_REGISTRY
            schema = layout.schema_name(registry)
            yield Wanted("run_registry", registry, schema, required, again, vouched_by=path)
    bundle, needed = layout.STRATEGY_BUNDLE, bool(planned & {Family.REPLAY, Family.CONNECTOR_LIVE})
    again = decide_again("strategy-bundle", sealed.plan.subject.engine, sealed.plan.release_id)
    yield Wanted("strategy", bundle, layout.schema_name(bundle), needed, again)


def _plan(sealed: SealedPlan, *, sound: bool) -> BundleItem:
    outcome = Outcome.PASSED if sound else Outcome.FAILED
    return BundleItem(
        name="plan",
        path=layout.PLAN,
        required=True,
        present=True,
        outcome=outcome,
        passed=sound,
        evidence_status=evidence_status(outcome),
        sha256=sealed.sha256,
        summary={"cells": len(sealed.plan.cells), "families": [f.value for f in sealed.plan.families]},
    )
