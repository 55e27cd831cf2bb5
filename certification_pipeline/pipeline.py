"""The whole job as a few functions: plan, run, decide. What `certify` and Dagster both call.

It composes the rooms and holds no rule of its own: what a cell is worth is in ``evidence``, what a release
is worth in ``gates``.
"""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from certification_pipeline.catalog.models import Catalog
from certification_pipeline.catalog.vocabulary import Family, Outcome, ReasonCode
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.cell import CellEvidence, CellKey
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.earlier import keep_failure
from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.plan import CertificationPlan, PlannedCell
from certification_pipeline.evidence.provenance import environment, producer
from certification_pipeline.evidence.store import EvidenceError, EvidenceStore
from certification_pipeline.families.benchmark.asked import Asked
from certification_pipeline.families.benchmark.produce import measure
from certification_pipeline.families.matrix import Take, cells_to_run, run_matrix
from certification_pipeline.families.openlineage import export
from certification_pipeline.families.plan import PlanError, build_plan
from certification_pipeline.families.registry import PRODUCERS
from certification_pipeline.families.work import Work
from certification_pipeline.gates.decide import Decided, decide
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.harness.events import FamilyFinished, FamilyStarted, OnEvent, RunPlanned
from certification_pipeline.harness.runner import HARNESS_LOG
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.harness.workshop import (
    MissingEngine,
    ReadyEngine,
    open_workshop,
    ready_engines,
)
from certification_pipeline.settings import RunSettings

if TYPE_CHECKING:
    from certification_pipeline.families.openlineage.emission import Receiver

Produce = Callable[[Work], Decision]


@dataclass(frozen=True)
class SealedRelease:
    """Plans on disk, and the engines they are about."""

    release_id: str
    run_id: str
    plans: Mapping[str, CertificationPlan]
    engines: Mapping[str, ReadyEngine | MissingEngine]


def certify(
    settings: RunSettings, catalog: Catalog, on_event: OnEvent, cancel: threading.Event
) -> Mapping[str, Decided]:
    """The main job: plan, run every cell, decide; one decision per engine, all of it on disk.

    A release that is there already keeps its plan: filters then choose which of its cells run again. When
    ``cancel`` is set meanwhile, cells in hand are abandoned, finished ones kept, and the decision says what
    is missing. Raises ``PlanError`` while another process writes the release.
    """
    with _alone(settings):
        if settings.narrowed and (planned := _planned_engines(settings, catalog)):
            release = reopen_release(settings, catalog, planned, on_event)
            take, families = _asked_again(settings, release), _families_again(settings, release)
        else:
            release = seal_plans(settings, catalog, on_event)
            take = _every_cell
            families = {name: plan.families for name, plan in release.plans.items()}
        run_cells(settings, catalog, release, on_event, cancel, take=take)
        for family in PRODUCERS:
            engines = [name for name, chosen in families.items() if family in chosen]
            run_family(settings, catalog, release, on_event, cancel, family=family, engines=engines)
        store = EvidenceStore(settings.evidence_dir)
        return {
            engine: decide(
                store.release(release.release_id, engine), release.run_id, require=settings.required
            )
            for engine in release.plans
        }


@contextmanager
def _alone(settings: RunSettings) -> Iterator[None]:
    """Two runs in one release would mix their attempts, and replace each other's plan."""
    try:
        with writing(settings.release_dir):
            yield
    except Held as held:
        raise PlanError(
            f"another run is writing release {settings.release_id} (pid {held.pid or 'unknown'})",
            "wait until it has ended, or give this one a --release-id of its own",
        ) from None


def seal_plans(settings: RunSettings, catalog: Catalog, on_event: OnEvent) -> SealedRelease:
    """Probe, ask the engines who they are, and write one sealed plan each.

    Raises ``PlanError`` when the filters fit no engine.
    """
    run_id = uuid.uuid4().hex
    names = settings.chosen_engines(catalog)
    availability = probe_all(catalog.profiles[settings.profile].systems)
    engines = ready_engines(catalog, names, on_event)
    plans: dict[str, CertificationPlan] = {}
    unmatched: PlanError | None = None
    for name in names:
        try:
            plan = build_plan(
                catalog,
                name,
                settings.profile,
                rows=settings.rows or catalog.profiles[settings.profile].rows,
                seed=settings.seed,
                release_id=settings.release_id,
                run_id=run_id,
                subject=_subject(name, engines[name]),
                availability=availability,
                producer=producer(),
                environment=environment(),
                routes=settings.routes,
                strategies=settings.strategies,
                scenarios=settings.scenarios,
                families=settings.chosen_families(name, catalog),
                only_families=settings.families,
            )
        except PlanError as error:
            # A filter may fit one engine and not another; only one that fits none is a mistake.
            unmatched = error
            continue
        plans[name] = _without_engine(plan, engines[name])
    if not plans and unmatched:
        raise unmatched
    return SealedRelease(settings.release_id, run_id, _write(settings, plans, on_event), engines)


def _write(
    settings: RunSettings, plans: Mapping[str, CertificationPlan], on_event: OnEvent
) -> dict[str, CertificationPlan]:
    store = EvidenceStore(settings.evidence_dir)
    sealed = {
        name: store.release(settings.release_id, name).seal_plan(plan, markdown(plan))
        for name, plan in plans.items()
    }
    store.set_latest(settings.release_id)
    for name, plan in sealed.items():
        to_run = sum(cell.disposition == "run" for cell in plan.cells)
        on_event(RunPlanned(name, len(plan.cells), to_run, plan.plan_digest))
    return sealed


def reopen_release(
    settings: RunSettings,
    catalog: Catalog,
    engines: Iterable[str],
    on_event: OnEvent,
    run_id: str | None = None,
) -> SealedRelease:
    """The sealed plans of a release that is there, for a rerun of some of its cells.

    Raises ``EvidenceError`` when there is no such plan, or when the engine is no longer the one the plan
    was sealed for: a rerun would then be evidence about something else.
    """
    store = EvidenceStore(settings.evidence_dir)
    names = tuple(engines)
    plans = {name: read_plan(store.release(settings.release_id, name)).plan for name in names}
    ready = ready_engines(catalog, names, on_event)
    for name, plan in plans.items():
        if (now := _subject(name, ready[name])) != plan.subject:
            raise EvidenceError(
                str(store.release(settings.release_id, name).plan_path),
                "subject",
                f"was sealed for {_named(plan.subject)}; installed now is {_named(now)}, another digest",
                "Begin a new release: `certify run`, or materialize `plan` in Dagster",
            )
    return SealedRelease(settings.release_id, run_id or uuid.uuid4().hex, plans, ready)


def run_cells(
    settings: RunSettings,
    catalog: Catalog,
    release: SealedRelease,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    take: Take,
) -> None:
    """Start what is needed, run the cells that ``take`` takes, write their evidence, stop everything."""
    cells = cells_to_run(release.plans.values(), take)
    if not cells:
        return
    with open_workshop(
        catalog,
        run_id=release.run_id,
        systems=dict.fromkeys(system for cell in cells for system in (cell.key.source, cell.key.sink)),
        engines=release.engines,
        on_event=on_event,
        cancel=cancel,
    ) as shop:
        try:
            run_matrix(
                tuple(release.plans.values()),
                EvidenceStore(settings.evidence_dir),
                shop,
                run_id=release.run_id,
                workers=settings.workers,
                take=take,
            )
        finally:
            _keep_log(shop.work_dir / HARNESS_LOG, settings.release_dir / HARNESS_LOG)


def run_family(
    settings: RunSettings,
    catalog: Catalog,
    release: SealedRelease,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    family: Family,
    engines: Collection[str],
    produce: Produce | None = None,
    systems: Collection[str] | None = None,
) -> None:
    """Make one evidence family of these engines; of one that cannot be started it stays missing.

    ``produce`` and ``systems`` are used in place of the family's own, e.g. with options of a command.

    A family that breaks leaves a ``FamilyFinished`` that says how, a traceback in the release's harness.log,
    and no artifact: the gates call that missing. Raises ``EvidenceError`` when evidence cannot be written.
    """
    producer = PRODUCERS[family]
    ready = [name for name in engines if isinstance(release.engines[name], ReadyEngine)]
    plans = [release.plans[name] for name in ready]
    if not plans or cancel.is_set():
        return
    with open_workshop(
        catalog,
        run_id=release.run_id,
        systems=dict.fromkeys(system for plan in plans for system in systems or producer.systems(plan)),
        engines=release.engines,
        on_event=on_event,
        cancel=cancel,
    ) as shop:
        store = EvidenceStore(settings.evidence_dir)
        for plan in plans:
            _produce(
                family,
                Work(plan, store, shop, release.run_id),
                settings.release_dir,
                produce or producer.produce,
            )


def remake_family(
    settings: RunSettings,
    catalog: Catalog,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    family: Family,
    engines: Iterable[str],
    produce: Produce | None = None,
    systems: Collection[str] | None = None,
) -> Mapping[str, Decision]:
    """Make one family of a release that is there, under its sealed plans; what was made, by engine.

    An engine that is not in the answer could not be started, or the family broke (as :func:`run_family`).
    Raises ``PlanError`` while another process writes the release, ``EvidenceError`` when there is no plan.
    """
    made: dict[str, Decision] = {}
    make = produce or PRODUCERS[family].produce

    def kept(work: Work) -> Decision:
        made[work.engine] = make(work)
        return made[work.engine]

    with _alone(settings):
        names = tuple(engines)
        release = reopen_release(settings, catalog, names, on_event)
        run_family(
            settings,
            catalog,
            release,
            on_event,
            cancel,
            family=family,
            engines=names,
            produce=kept,
            systems=systems,
        )
    return made


def _produce(family: Family, work: Work, release_dir: Path, produce: Produce) -> None:
    tell = work.shop.on_event
    tell(FamilyStarted(work.engine, family))
    clock = perf_counter()
    detail: str | None = None
    keep_failure(work.directory, layout.FAMILY_ARTIFACTS[family])
    try:
        made = produce(work)
        outcome = made.outcome
        if made.blockers:
            detail = made.blockers[0].message
    except EvidenceError:
        raise
    except Exception as error:
        outcome = Outcome.CANT_TELL
        masked = work.shop.redactor.redact
        detail = masked("".join(traceback.format_exception_only(error)).strip())
        with suppress(OSError), (release_dir / HARNESS_LOG).open("a", encoding="utf-8") as log:
            log.write(f"--- {work.engine} {family}\n{masked(traceback.format_exc())}\n")
    tell(FamilyFinished(work.engine, family, outcome, round(perf_counter() - clock, 4), detail))


def export_lineage(
    settings: RunSettings,
    engines: Iterable[str],
    *,
    scenarios: Sequence[str] = (),
    receiver: Receiver | None = None,
) -> tuple[OpenLineageReport, ...]:
    """Export the loads of a release that is there, one report an engine; needs no engine and no service.

    Raises ``PlanError`` while another process writes the release, ``EvidenceError`` when there is no plan,
    and ``EmissionError`` when the receiver does not take an event.
    """
    store, run_id = EvidenceStore(settings.evidence_dir), uuid.uuid4().hex
    with _alone(settings):
        directories = [store.release(settings.release_id, name) for name in engines]
        return tuple(
            export.export_lineage(
                directory, read_plan(directory).plan, run_id, scenarios=scenarios, receiver=receiver
            )
            for directory in directories
        )


def measure_benchmark(
    settings: RunSettings,
    catalog: Catalog,
    engine: str,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    asked: Asked,
) -> BenchmarkBaseline | None:
    """Measure another benchmark than a profile's run does, in the release that is there.

    ``None`` when nothing was written: it was cancelled, or broke (events and harness.log say how).
    """
    made = remake_family(
        settings,
        catalog,
        on_event,
        cancel,
        family=Family.BENCHMARK,
        engines=(engine,),
        produce=lambda work: measure(work, asked),
        systems=(asked.source, asked.sink),
    ).get(engine)
    return made if isinstance(made, BenchmarkBaseline) else None


def _keep_log(written: Path, kept: Path) -> None:
    """Tracebacks of our own defects outlive the working directory; secrets are masked in them already."""
    with suppress(OSError):  # also: nothing was written, which is the rule
        text = written.read_bytes()
        with kept.open("ab") as log:
            log.write(text)


def _every_cell(_: PlannedCell) -> bool:
    return True


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

    # Families alone are asked for: then no cell is.
    families_only = bool(settings.families) and not settings.narrows_cells and not settings.resume

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
    """Engine -> families that a rerun makes again: those asked for by name, else what follows from cells.

    With ``resume`` those that are not there, too.
    """
    store = EvidenceStore(settings.evidence_dir)

    def again(plan: CertificationPlan, family: Family) -> bool:
        if settings.families:
            return any(fnmatchcase(family, glob) for glob in settings.families)
        directory = store.release(plan.release_id, plan.subject.engine)
        absent = not (directory.path / layout.FAMILY_ARTIFACTS[family]).exists()
        return family in FOLLOWS_FROM_CELLS or (settings.resume and absent)

    return {
        name: tuple(family for family in plan.families if again(plan, family))
        for name, plan in release.plans.items()
    }


FOLLOWS_FROM_CELLS = frozenset({Family.OPENLINEAGE})
"""Made from the cells' evidence alone: out of date as soon as a cell is run again."""

_WITHOUT_VERDICT = (Outcome.CANT_TELL, Outcome.UNTESTED)


def _subject(name: str, engine: ReadyEngine | MissingEngine) -> Subject:
    if isinstance(engine, MissingEngine):
        return Subject(engine=name, version="unknown", artifact_digest="")
    digest = engine.prepared.artifact_digest
    return Subject(engine=name, version=engine.described.version, artifact_digest=digest)


def _named(subject: Subject) -> str:
    return f"{subject.engine} {subject.version} ({subject.artifact_digest[:19] or 'no digest'})"


def _without_engine(plan: CertificationPlan, engine: ReadyEngine | MissingEngine) -> CertificationPlan:
    """With an engine that cannot be started, what was to run stays in the plan as untested."""
    if isinstance(engine, ReadyEngine):
        return plan
    update = {
        "disposition": "untested",
        "reason": ReasonCode.DRIVER_MISSING,
        "detail": engine.detail,
        "remedy": engine.remedy,
    }
    cells = tuple(
        cell.model_copy(update=update) if cell.disposition == "run" else cell for cell in plan.cells
    )
    changed = plan.model_copy(update={"cells": cells})
    return changed.model_copy(update={"plan_digest": changed.recompute_digest()})
