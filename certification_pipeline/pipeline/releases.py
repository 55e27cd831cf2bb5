"""A release as a run works on it: plans that are sealed on disk, and the engines they are about."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from types import MappingProxyType

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.parts import parts_of, parts_text
from certification_pipeline.catalog.vocabulary import ReasonCode
from certification_pipeline.evidence.artifact import Subject
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import environment, producer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError, build_plan
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.harness.events import OnEvent, RunPlanned
from certification_pipeline.harness.services.registry import probe_all
from certification_pipeline.harness.workshop import MissingEngine, ReadyEngine, ready_engines
from certification_pipeline.settings import RunSettings


@dataclass(frozen=True)
class SealedRelease:
    """Plans on disk, and the engines they are about."""

    release_id: str
    run_id: str
    plans: Mapping[str, CertificationPlan]
    engines: Mapping[str, ReadyEngine | MissingEngine]


@contextmanager
def alone(settings: RunSettings) -> Iterator[None]:
    """Two runs in one release would mix their attempts, and replace each other's plan."""
    try:
        with writing(settings.release_dir):
            yield
    except Held as held:
        raise PlanError(
            f"another run is writing release {settings.release_id} (pid {held.pid or 'unknown'})",
            "wait until it has ended, or give this one a --release-id of its own",
        ) from None


def seal_plans(
    settings: RunSettings, catalog: Catalog, on_event: OnEvent, run_id: str | None = None
) -> SealedRelease:
    """Probe, ask the engines who they are, and write one sealed plan each.

    ``run_id``: of the orchestrator's run; by default one of our own. Raises ``PlanError`` when the
    filters fit no engine.
    """
    run_id = run_id or uuid.uuid4().hex
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
                one_of_many=len(names) > 1,
                trigger=settings.trigger,
                required=settings.required,
            )
        except PlanError as error:
            # A filter may fit one engine and not another; only one that fits none is a mistake.
            unmatched = error
            continue
        plans[name] = _without_engine(plan, engines[name])
    if not plans and unmatched:
        raise unmatched
    sealed = _write(settings, catalog, plans, on_event)
    _keep_locks(settings, engines)
    return SealedRelease(settings.release_id, run_id, sealed, engines)


def _keep_locks(settings: RunSettings, engines: Mapping[str, ReadyEngine | MissingEngine]) -> None:
    """What was resolved for a version that was named lies beside its evidence, which holds its digest."""
    for name, engine in engines.items():
        if isinstance(engine, ReadyEngine) and (lock := engine.prepared.derived_lock):
            write_atomically(settings.release_dir / f"{name}.lock", lock.read_bytes())


def _write(
    settings: RunSettings, catalog: Catalog, plans: Mapping[str, CertificationPlan], on_event: OnEvent
) -> dict[str, CertificationPlan]:
    store = EvidenceStore(settings.evidence_dir)
    sealed = {
        name: store.release(settings.release_id, name).seal_plan(
            plan, markdown(plan), catalog=parts_text(parts_of(catalog, name))
        )
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
    *,
    known: Mapping[str, ReadyEngine | MissingEngine] = MappingProxyType({}),
) -> SealedRelease:
    """The sealed plans of a release that is there, for a rerun of some of its cells.

    ``known``: engines that need not be asked again. Raises ``EvidenceError`` when there is no such plan, or
    when the engine is no longer the one the plan was sealed for: a rerun would then be evidence about
    something else.
    """
    store = EvidenceStore(settings.evidence_dir)
    names = tuple(engines)
    plans = {name: read_plan(store.release(settings.release_id, name)).plan for name in names}
    asked = ready_engines(catalog, [name for name in names if name not in known], on_event)
    ready = {name: known[name] if name in known else asked[name] for name in names}
    for name, plan in plans.items():
        if (now := _subject(name, ready[name])) != plan.subject:
            raise EvidenceError(
                str(store.release(settings.release_id, name).plan_path),
                "subject",
                f"was sealed for {_named(plan.subject)}; installed now is {_named(now)}, another digest",
                "Begin a new release: `certify run`, or materialize `plan` in Dagster",
            )
    return SealedRelease(settings.release_id, run_id or uuid.uuid4().hex, plans, ready)


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
