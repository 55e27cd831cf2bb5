"""The main job, from settings to a decision; and what of it a rerun does again."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from fnmatch import fnmatchcase

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.cell import CellEvidence, CellKey
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.matrix import Take
from certification_pipeline.families.plan import PlanError
from certification_pipeline.gates.decide import Decided, decide
from certification_pipeline.gates.families import verifies
from certification_pipeline.harness.events import OnEvent
from certification_pipeline.pipeline.cells import run_cells
from certification_pipeline.pipeline.families import make_families
from certification_pipeline.pipeline.releases import SealedRelease, alone, reopen_release, seal_plans
from certification_pipeline.settings import RunSettings


def certify(
    settings: RunSettings, catalog: Catalog, on_event: OnEvent, cancel: threading.Event
) -> Mapping[str, Decided]:
    """The main job: plan, run every cell, decide; one decision per engine, all of it on disk.

    A release that is there already keeps its plan: filters then choose which of its cells run again. When
    ``cancel`` is set meanwhile, cells in hand are abandoned, finished ones kept, and the decision says what
    is missing. Raises ``PlanError`` while another process writes the release, and ``SigningKeyError``,
    before anything runs, for a key that cannot be used.
    """
    signer, trusted = settings.signer(), settings.trusted()
    with alone(settings):
        if settings.narrowed and (planned := _planned_engines(settings, catalog)):
            release = reopen_release(settings, catalog, planned, on_event)
            take, rerun = _asked_again(settings, release), True
        else:
            release = seal_plans(settings, catalog, on_event)
            take, rerun = _every_cell, False
        run_cells(settings, catalog, release, on_event, cancel, take=take)
        # Only now: what rests on a cell that was run again does not verify any more.
        families = _families_again(settings, release) if rerun else _every_family(release)
        make_families(settings, catalog, release, on_event, cancel, chosen=families)
        store = EvidenceStore(settings.evidence_dir)
        return {
            engine: decide(
                store.release(release.release_id, engine),
                release.run_id,
                require=settings.required,
                signer=signer,
                trusted=trusted,
            )
            for engine in release.plans
        }


def _every_cell(_: PlannedCell) -> bool:
    return True


def _every_family(release: SealedRelease) -> dict[str, tuple[Family, ...]]:
    return {name: plan.families for name, plan in release.plans.items()}


def _planned_engines(settings: RunSettings, catalog: Catalog) -> tuple[str, ...]:
    """The chosen engines that the release has a plan for; one that was asked for by name must have one."""
    store = EvidenceStore(settings.evidence_dir)
    chosen = settings.chosen_engines(catalog)
    there = tuple(name for name in chosen if store.release(settings.release_id, name).plan_path.exists())
    if there and settings.engines and (absent := [name for name in chosen if name not in there]):
        raise PlanError(
            f"release {settings.release_id} has no plan for {', '.join(absent)}",
            f"it was sealed for {', '.join(there)}: rerun cells of these, or begin a new release",
        )
    return there


def _asked_again(settings: RunSettings, release: SealedRelease) -> Take:
    """The cells a rerun is about: those the filters name; with ``resume`` only those without a verdict."""
    store = EvidenceStore(settings.evidence_dir)
    undecided: set[CellKey] | None = None
    if settings.resume:
        undecided = set()
        for name, plan in release.plans.items():
            for planned, found in store.release(release.release_id, name).cells(plan):
                if not isinstance(found, CellEvidence) or found.recompute() in _WITHOUT_VERDICT:
                    undecided.add(planned.key)

    # Families beside the matrix alone are asked for: then no cell is.
    beside = bool(settings.families) and not any(fnmatchcase(Family.MATRIX, g) for g in settings.families)
    families_only = beside and not settings.narrows_cells and not settings.resume

    def take(cell: PlannedCell) -> bool:
        if families_only:
            return False
        return settings.names(cell.key) and (undecided is None or cell.key in undecided)

    anything = settings.resume or families_only
    if not anything and not any(take(cell) for plan in release.plans.values() for cell in plan.cells):
        raise PlanError(
            f"release {settings.release_id} is there already, and its plan holds no such cell",
            "leave out --release-id to begin a new release with these filters",
        )
    return take


def _families_again(settings: RunSettings, release: SealedRelease) -> dict[str, tuple[Family, ...]]:
    """Engine -> families that a rerun makes again: those asked for by name, else what no longer verifies.

    With ``resume`` those that are not there, too.
    """
    store = EvidenceStore(settings.evidence_dir)

    def again(plan: CertificationPlan, family: Family) -> bool:
        if settings.families:
            return any(fnmatchcase(family, glob) for glob in settings.families)
        directory = store.release(plan.release_id, plan.subject.engine)
        if not (directory.path / layout.FAMILY_ARTIFACTS[family]).exists():
            return settings.resume
        return not verifies(directory, layout.FAMILY_ARTIFACTS[family], stamp(release.run_id))

    return {
        name: tuple(family for family in plan.families if again(plan, family))
        for name, plan in release.plans.items()
    }


_WITHOUT_VERDICT = (Outcome.CANT_TELL, Outcome.UNTESTED)
