"""The evidence families beside the matrix, made for the engines of a sealed release."""

from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import MEASURED_ALONE, Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.earlier import keep_failure
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.benchmark.asked import Asked
from certification_pipeline.families.benchmark.produce import measure
from certification_pipeline.families.openlineage import export
from certification_pipeline.families.registry import PRODUCERS
from certification_pipeline.families.work import Work
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.harness.events import FamilyFinished, FamilyStarted, FamilyStep, OnEvent
from certification_pipeline.harness.worker import HARNESS_LOG
from certification_pipeline.harness.workshop import ReadyEngine, open_workshop
from certification_pipeline.pipeline.quiet import at_work
from certification_pipeline.pipeline.releases import SealedRelease, alone, reopen_release
from certification_pipeline.settings import RunSettings

if TYPE_CHECKING:
    from certification_pipeline.families.openlineage.emission import Receiver

Produce = Callable[[Work], Decision]


def make_families(
    settings: RunSettings,
    catalog: Catalog,
    release: SealedRelease,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    chosen: Mapping[str, Collection[Family]],
) -> None:
    """Make what is chosen, engine -> families: first alone what measures, then the others side by side.

    What interrupts whoever waits here sets ``cancel``, and passes on when no family is at work any more.
    Raises ``EvidenceError`` when evidence cannot be written; the other families are made nevertheless.
    """

    def make(family: Family) -> None:
        engines = [name for name, families in chosen.items() if family in families]
        run_family(settings, catalog, release, on_event, cancel, family=family, engines=engines)

    for family in filter(MEASURED_ALONE.__contains__, PRODUCERS):
        make(family)
    with ThreadPoolExecutor(_SIDE_BY_SIDE, thread_name_prefix="family") as pool:
        try:
            rest = [pool.submit(make, family) for family in PRODUCERS if family not in MEASURED_ALONE]
            wait(rest)
        except BaseException:
            # Only this thread is interrupted, and leaving the block waits for those that work.
            cancel.set()
            raise
    for done in rest:
        done.result()


_SIDE_BY_SIDE = 3
"""Each waits half of its time: for a process to start, for dbt, for pytest."""


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

    def waits(why: str) -> None:
        on_event(FamilyStep(ready[0], family, why))

    with (
        at_work(settings.evidence_dir, cancel, waits, measures=family in MEASURED_ALONE),
        open_workshop(
            catalog,
            run_id=release.run_id,
            systems=dict.fromkeys(system for plan in plans for system in systems or producer.systems(plan)),
            engines=release.engines,
            on_event=on_event,
            cancel=cancel,
        ) as shop,
    ):
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

    with alone(settings):
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
    with alone(settings):
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
