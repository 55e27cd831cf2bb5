"""A release read from its evidence, every verdict recomputed by the gates on the way."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from uuid import uuid4

from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.pieces import slim
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import CellFile, SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.release_summary import verify_release_summary
from certification_pipeline.gates.verification import SealedPlan
from certification_pipeline.report.families import FamilyView, load_families
from certification_pipeline.report.findings import explained
from certification_pipeline.report.release import ReleaseView, SubjectView, subject_view


def chosen_release(store: EvidenceStore, release_id: str | None) -> str:
    """That release, or the latest. Raises ``EvidenceError`` when it has no evidence, naming those that do."""
    chosen = release_id or store.latest()
    if chosen and store.engines(chosen):
        return chosen
    there = store.releases()
    remedy = f"Choose one of: {', '.join(there[-8:])}" if there else "Make one with `certify run`"
    what = f"release {chosen!r} has no evidence" if chosen else "no release has evidence yet"
    raise EvidenceError(str(store.root), None, what, remedy, ProblemKind.MISSING)


def load_release(
    store: EvidenceStore,
    release_id: str,
    *,
    engines: Collection[str] = (),
    require: Collection[ItemName] = (),
) -> ReleaseView:
    """Read a release, all its engines or the named ones; ``require`` as for the release gate.

    A subject whose ``release_summary.json`` is missing or disagrees with its evidence shows red, with the
    blocker that says so. Raises ``EvidenceError`` when a plan cannot be read: nothing can be shown then.
    """
    names = [name for name in store.engines(release_id) if not engines or name in engines]
    subjects = tuple(
        load_subject(store.release(release_id, name), require=require, store=store) for name in names
    )
    return ReleaseView(release_id, subjects, store)


def load_subject(
    directory: SubjectDir, *, require: Collection[ItemName] = (), store: EvidenceStore | None = None
) -> SubjectView:
    """One engine of a release; without the ``store`` it lies in, without its other evidence families."""
    plan, digest = directory.read_with_digest(directory.plan_path, CertificationPlan)
    provenance = stamp(str(uuid4()))
    cells: dict[str, CellEvidence] = {}
    files = _noting(directory.scan(plan), cells)
    report = certification_report(plan, files, provenance, plan_sha256=digest)
    # Nobody writes the release while it is read here: what was verified once need not be again.
    verifiers = VERIFIERS.remembering()
    summary = verify_release_summary(directory, provenance, require=require, verifiers=verifiers)
    families: tuple[FamilyView, ...] = ()
    if store is not None:
        families = load_families(store, directory, SealedPlan(plan, digest), provenance, verifiers)
    return subject_view(plan, report, cells, summary, families, findings=explained(cells))


def _noting(files: Iterable[CellFile], cells: dict[str, CellEvidence]) -> Iterator[CellFile]:
    """What a page shows of every cell is all that is in its file: kept, with nothing beside it."""
    for file in files:
        if file.planned is not None and isinstance(file.content, CellEvidence):
            slim(file.content)
            cells[file.planned.key.cell_id] = file.content
        yield file
