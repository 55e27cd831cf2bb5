"""The strategy bundle (seed 003): replay, matrix, connector and benchmark evidence, recomputed."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.bundle import (
    EvidenceKind,
    StrategyCertificationBundle,
    StrategyItem,
)
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.docs_links import docs_links
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

KINDS: Mapping[EvidenceKind, Family] = {
    EvidenceKind.REPLAY: Family.REPLAY,
    EvidenceKind.MATRIX: Family.MATRIX,
    EvidenceKind.CONNECTOR: Family.CONNECTOR_LIVE,
    EvidenceKind.BENCHMARK: Family.BENCHMARK,
}


def strategy_bundle(
    directory: SubjectDir,
    sealed: SealedPlan,
    provenance: Provenance,
    *,
    bundle_id: str,
    verifiers: Verifiers,
    paths: Mapping[EvidenceKind, str] | None = None,
    docs: Collection[str] = (),
    docs_asked: bool = False,
    docs_left_out: Collection[str] = (),
) -> StrategyCertificationBundle:
    """Evaluate what lies in ``directory``; reads only.

    The matrix is always required, another kind when the sealed plan's families hold it or ``paths`` names
    it; one that is there counts in any case. ``docs`` resolve when their copy lies beside the bundle.
    """
    paths = paths or {}
    planned = {Family.MATRIX, *sealed.plan.families}
    must = {*paths, *(kind for kind, family in KINDS.items() if family in planned)}
    holder = Holder(directory, sealed, provenance, verifiers)
    held = {
        kind: holder.hold(
            Wanted(
                kind=kind.value,
                path=paths.get(kind, layout.FAMILY_ARTIFACTS[family]),
                schema_version=layout.schema_name(layout.FAMILY_ARTIFACTS[family]),
                required=kind in must,
                again=made_by(family, sealed, "strategy-bundle"),
            )
        )
        for kind, family in KINDS.items()
    }
    links = docs_links(directory, docs)
    again = decide_again("strategy-bundle", directory.engine, directory.release_id)
    lost = [
        Blocker(
            code=f"docs.missing:{link.link}",
            message=f"no page {link.link} was found, here or in the repository",
            next_step=again,
        )
        for link in links
        if link.sha256 is None
    ]
    items = tuple(StrategyItem(kind=kind, name=each.name, **each.fields()) for kind, each in held.items())
    plan = sealed.plan
    return StrategyCertificationBundle(
        **provenance.header(StrategyCertificationBundle, directory.release_id, plan.subject, plan.profile),
        **verdict(overall(held.values(), lost), [*(b for h in held.values() for b in h.blockers), *lost]),
        bundle_id=bundle_id,
        summary=counts(items),
        docs_links=links,
        docs_asked=docs_asked,
        docs_left_out=tuple(docs_left_out),
        evidence_items=items,
    )


def asked_paths(bundle: StrategyCertificationBundle, sealed: SealedPlan) -> dict[EvidenceKind, str]:
    """Artifacts somebody named for that bundle: what it requires beyond the plan, or elsewhere."""
    families = {Family.MATRIX, *sealed.plan.families}
    return {
        item.kind: item.path
        for item in bundle.evidence_items
        if item.required
        and (KINDS[item.kind] not in families or item.path != layout.FAMILY_ARTIFACTS[KINDS[item.kind]])
    }


def verify_strategy_bundle(
    verifiers: Verifiers,
    directory: SubjectDir,
    file: EvidenceFile,
    sealed: SealedPlan,
) -> Verification:
    """Make the bundle again as of its own time, from the items' files and the pages' copies."""
    found = directory.load(file.data, file.path, StrategyCertificationBundle)
    recomputed = strategy_bundle(
        directory,
        sealed,
        provenance_of(found),
        bundle_id=found.bundle_id,
        verifiers=verifiers,
        paths=asked_paths(found, sealed),
        docs=[link.link for link in found.docs_links],
        docs_asked=found.docs_asked,
        docs_left_out=found.docs_left_out,
    )
    return Verification(
        outcome=recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(*before_the_plan(found, sealed.plan), *differences(found, recomputed)),
        because=recomputed.blockers,
        summary={
            "bundle_id": found.bundle_id,
            "items": recomputed.summary.total_items,
            "present": recomputed.summary.present_items,
            "passed": recomputed.summary.passed_items,
        },
    )
