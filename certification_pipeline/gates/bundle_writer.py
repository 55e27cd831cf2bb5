"""Write the two bundles: what was asked of the one that is there stays asked, until somebody asks anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.bundle import (
    EvidenceKind,
    OpsEvidenceBundle,
    StrategyCertificationBundle,
)
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.collector import collector_paused
from certification_pipeline.gates.docs_links import checked_link, default_links, keep_pages
from certification_pipeline.gates.evidence_bundle import evidence_bundle
from certification_pipeline.gates.strategy_bundle import KINDS, asked_paths, strategy_bundle
from certification_pipeline.gates.verification import SealedPlan
from certification_pipeline.gates.verifiers import Verifiers


@dataclass(frozen=True)
class BundleRequest:
    """What somebody wants of a strategy bundle. Nothing wanted: the release's id, families and pages."""

    bundle_id: str | None = None
    paths: Mapping[EvidenceKind, str] = field(default_factory=dict)
    """Artifacts that do not lie where the family puts them; one that is named must be there."""
    docs: tuple[str, ...] | None = None


def asked_before(directory: SubjectDir, sealed: SealedPlan) -> BundleRequest:
    """What the bundle that lies there was asked for; nothing, when it cannot be read."""
    try:
        found = directory.read(layout.STRATEGY_BUNDLE, StrategyCertificationBundle)
    except EvidenceError:
        return BundleRequest()
    docs = tuple(link.link for link in found.docs_links) if found.docs_asked else None
    return BundleRequest(found.bundle_id, asked_paths(found, sealed), docs)


def write_strategy(
    directory: SubjectDir,
    sealed: SealedPlan,
    provenance: Provenance,
    verifiers: Verifiers,
    request: BundleRequest,
) -> StrategyCertificationBundle:
    """Copy the pages, evaluate, write. EvidenceError for a link that can name no page."""
    left_out: tuple[str, ...] = ()
    links = request.docs
    if links is None:
        links, left_out = default_links(
            family for family in KINDS.values() if family in {Family.MATRIX, *sealed.plan.families}
        )
    links = tuple(dict.fromkeys(map(checked_link, links)))
    keep_pages(directory, links)
    with collector_paused():
        bundle = strategy_bundle(
            directory,
            sealed,
            provenance,
            bundle_id=request.bundle_id or directory.release_id,
            verifiers=verifiers,
            paths=request.paths,
            docs=links,
            docs_asked=request.docs is not None,
            docs_left_out=left_out,
        )
    return directory.write(bundle, markdown(bundle))


def write_evidence(
    directory: SubjectDir, sealed: SealedPlan, provenance: Provenance, verifiers: Verifiers
) -> OpsEvidenceBundle:
    """Evaluate and write."""
    with collector_paused():
        bundle = evidence_bundle(directory, sealed, provenance, verifiers=verifiers)
    return directory.write(bundle, markdown(bundle))
