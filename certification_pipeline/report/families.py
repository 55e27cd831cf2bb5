"""The evidence families of one subject: each artifact, with what the gates make of it now.

A release that is about the matrix alone has none. Outcomes and blockers come from the gates' own judge of
artifacts; what a file says of itself is shown, and marked when the gates do not find the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from pydantic import JsonValue

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.bundle import OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.calibration import Calibration
from certification_pipeline.evidence.chain_dir import ChainDir
from certification_pipeline.evidence.connectors import ConnectorCertification
from certification_pipeline.evidence.dbt_lineage import DbtLineage
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.provenance import Provenance
from certification_pipeline.evidence.replay import ReplayEvidence
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, ItemName
from certification_pipeline.gates.chain import verify
from certification_pipeline.gates.families import required_by
from certification_pipeline.gates.held import Holder, Wanted, made_by
from certification_pipeline.gates.verification import SealedPlan, provenance_of
from certification_pipeline.gates.verifiers import Verifiers

NOT_VERIFIED = "not_verified"
CHAIN_FAMILY = "chain"
MATRIX = Family.MATRIX.value
"""The family every release has; its details are the cells."""


@dataclass(frozen=True, slots=True)
class FamilyView:
    """One artifact of a subject's release. ``outcome`` and ``blockers`` are the gates'."""

    name: str
    """A word for anchors and ``--family``: ``dbt_lineage``."""
    title: str
    path: str
    """Relative to the subject's directory; of the chain, to the evidence root."""
    outcome: Outcome
    present: bool
    blockers: tuple[Blocker, ...] = ()
    artifact: Decision | None = None
    """What lies there, when it can be read at all."""
    figures: dict[str, JsonValue] = field(default_factory=dict)
    """What the gate counted while it verified the artifact."""
    linked: bool = True
    """Whether ``path`` is a file to open beside the report."""

    @property
    def verified(self) -> bool:
        """What the file says is what the gates find."""
        return self.present and not any(f".{NOT_VERIFIED}:" in blocker.code for blocker in self.blockers)


class _Entry(NamedTuple):
    name: str
    title: str
    path: str
    model: type[Decision]
    family: Family | None


def _entry(family: Family, title: str, model: type[Decision]) -> _Entry:
    return _Entry(family.value, title, layout.FAMILY_ARTIFACTS[family], model, family)


_ENTRIES = (
    _entry(Family.MATRIX, "Matrix", CertificationReport),
    _entry(Family.BENCHMARK, "Benchmark", BenchmarkBaseline),
    _entry(Family.OPENLINEAGE, "OpenLineage", OpenLineageReport),
    _entry(Family.DBT_LINEAGE, "dbt lineage", DbtLineage),
    _entry(Family.REPLAY, "Replay", ReplayEvidence),
    _entry(Family.CONNECTOR_LIVE, "Connectors", ConnectorCertification),
    _entry(Family.CALIBRATION, "Calibration", Calibration),
    _Entry("strategy_bundle", "Strategy bundle", layout.STRATEGY_BUNDLE, StrategyCertificationBundle, None),
    _Entry("evidence_bundle", "Evidence bundle", layout.EVIDENCE_BUNDLE, OpsEvidenceBundle, None),
)
BUNDLES = ("strategy_bundle", "evidence_bundle")
"""Families that hold other families' artifacts."""
_BUNDLES = {
    layout.STRATEGY_BUNDLE: (ItemName.STRATEGY_CERTIFICATION_BUNDLE, "strategy-bundle"),
    layout.EVIDENCE_BUNDLE: (ItemName.EVIDENCE_BUNDLE, "evidence-bundle"),
}


def load_families(
    store: EvidenceStore,
    directory: SubjectDir,
    sealed: SealedPlan,
    decided: Provenance,
    verifiers: Verifiers,
) -> tuple[FamilyView, ...]:
    """Every family the release holds or must hold; empty when that is the matrix and nothing else.

    ``decided`` is who asks, for a release without a suite; else artifacts are judged as of the suite's time.
    """
    holder = Holder(directory, sealed, _as_of_suite(directory, decided), verifiers)
    found = tuple(view for entry in _ENTRIES if (view := _view(holder, entry)))
    families = {entry.name for entry in _ENTRIES if entry.family not in (None, Family.MATRIX)}
    if not any(view.name in families for view in found):
        return ()
    return (*found, *_chain(store, directory))


def _view(holder: Holder, entry: _Entry) -> FamilyView | None:
    held = holder.hold(_wanted(holder.sealed, entry))
    if not held.counts:
        return None
    artifact = _read(holder.directory, entry) if held.present else None
    own = artifact.blockers if artifact is not None else ()
    # The gate tells the first reason of a red artifact; the artifact tells all, and was found to be right.
    whole = own and not any(f".{NOT_VERIFIED}:" in blocker.code for blocker in held.blockers)
    return FamilyView(
        name=entry.name,
        title=entry.title,
        path=entry.path,
        outcome=held.outcome,
        present=held.present,
        blockers=own if whole else held.blockers,
        artifact=artifact,
        figures=dict(held.summary),
    )


def _wanted(sealed: SealedPlan, entry: _Entry) -> Wanted:
    schema = layout.schema_name(entry.path)
    plan = sealed.plan
    if entry.family is not None:
        required = entry.family in (Family.MATRIX, *plan.families)
        again = made_by(entry.family, sealed, "release-summary")
    else:
        item, command = _BUNDLES[entry.path]
        required = item in required_by(plan.families)
        again = decide_again(command, plan.subject.engine, plan.release_id)
    return Wanted(entry.name, entry.path, schema, required, again)


def _read(directory: SubjectDir, entry: _Entry) -> Decision | None:
    try:
        return directory.read(entry.path, entry.model)
    except EvidenceError:
        return None  # the gate refused it, too, and its blocker says why


def _as_of_suite(directory: SubjectDir, decided: Provenance) -> Provenance:
    try:
        return provenance_of(directory.read(layout.SUITE, CertificationSuite))
    except EvidenceError:
        return decided


def _chain(store: EvidenceStore, directory: SubjectDir) -> Iterator[FamilyView]:
    """The chain, when it has an entry of this release."""
    chain = ChainDir(store.root, directory.engine)
    path = chain.shown
    try:
        names, _ = chain.listing()
        if directory.release_id not in {name.release_id for name in names}:
            return
        found = verify(store, directory.engine, release_id=directory.release_id)
    except EvidenceError as error:
        blocker = Blocker(
            code=f"evidence_chain.{NOT_VERIFIED}:{path}", message=str(error), next_step=error.remedy
        )
        yield FamilyView(CHAIN_FAMILY, "Evidence chain", path, Outcome.FAILED, True, (blocker,), linked=False)
        return
    again = f"certify chain verify --engine {directory.engine}"
    yield FamilyView(
        name=CHAIN_FAMILY,
        title="Evidence chain",
        path=path,
        outcome=found.outcome,
        present=True,
        blockers=tuple(
            Blocker(
                code=f"evidence_chain.{problem.kind}:{problem.path}", message=str(problem), next_step=again
            )
            for problem in found.problems
        ),
        figures={"entries": len(found.entries), "files": found.files_checked},
        linked=False,
    )
