"""An upgrade as a run: a release of the new version, compared with the release of the version before it.

The new version gets the very cells, rows and seed that the earlier release had, and, where the catalogue
knows whose state it must take over, the cells of ``compat.upgrade`` in a release of their own: a release
that is compared cell by cell must not hold more than the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import VERSION_MARK, unversioned
from certification_pipeline.catalog.locked import locked_version
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.plan import Selection
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.plan import PlanError
from certification_pipeline.gates.verification import read_plan
from certification_pipeline.harness.engines.environment import EngineUnavailable
from certification_pipeline.harness.events import OnEvent
from certification_pipeline.harness.workshop import MissingEngine, ready_engines
from certification_pipeline.pipeline.certify import certify
from certification_pipeline.pipeline.preview import preview
from certification_pipeline.pipeline.upgrades.choice import is_newer, order
from certification_pipeline.pipeline.upgrades.ids import state_id, upgrade_id
from certification_pipeline.pipeline.upgrades.ledger import Certified, certified
from certification_pipeline.report.loading import load_release, load_subject
from certification_pipeline.report.pages import write_pages
from certification_pipeline.report.upgrade import UPGRADE_PAGE, Upgrade, upgrade_markdown
from certification_pipeline.settings import RunSettings, SettingsError

_SCENARIO = "compat.upgrade"


@dataclass(frozen=True)
class Before:
    """What a new version is compared with."""

    release_id: str
    engine: str


def certify_upgrade(
    settings: RunSettings,
    catalog: Catalog,
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    against: str | None = None,
    both: bool = False,
) -> Upgrade:
    """Certify ``settings.engines``, one engine in a version that is named, and compare.

    ``against``: the release to compare with; by default the newest of the highest version below, a whole one
    before one that was narrowed. With ``both``, and where no earlier version was ever certified, both are run
    into one release, as the settings ask. What is certified already is not run again.

    Raises ``SettingsError`` for a name that is no version of one engine, ``UnknownVersion`` or
    ``EngineUnavailable`` before anything is sealed when it cannot be installed, ``PlanError`` when nothing
    is known to compare with, ``EvidenceError`` for a release that cannot be read.
    """
    name = _named(settings, catalog)
    store = EvidenceStore(settings.evidence_dir)
    before = None if both else _before(store, name, against)
    release_id = settings.release_id if _was_given(settings) else upgrade_id(name)
    settings = settings.model_copy(update={"release_id": release_id, "families": ("matrix",), "resume": True})
    if before is None:
        older = _older(catalog, name)
        settings = settings.model_copy(update={"engines": (older, name)})
        before = Before(release_id, older)
    else:
        settings = _as_before(settings, store, before, name)
    settings.check(catalog)
    _startable(settings, catalog, on_event)
    certify(settings, catalog, on_event, cancel)
    state, note = _state(settings, catalog, name, on_event, cancel)
    found = Upgrade(
        load_subject(store.release(before.release_id, before.engine)),
        load_subject(store.release(release_id, name)),
        load_subject(store.release(state.release_id, name)) if state else None,
        note,
    )
    for release in filter(None, (state, settings)):
        _pages(release, catalog, store, found if release is settings else None)
    return found


def _named(settings: RunSettings, catalog: Catalog) -> str:
    if len(settings.engines) != 1 or VERSION_MARK not in settings.engines[0]:
        shown = ", ".join(settings.engines) or "nothing"
        raise SettingsError(f"'{shown}' is no version of one engine", "write it as in 'dlt==1.31.0'")
    settings.check(catalog)
    return settings.engines[0]


def _was_given(settings: RunSettings) -> bool:
    return "release_id" in settings.model_fields_set


def _before(store: EvidenceStore, name: str, against: str | None) -> Before | None:
    base, _, version = name.partition(VERSION_MARK)
    if against is not None:
        there = [one for one in store.engines(against) if unversioned(one) == base]
        if not there:
            raise SettingsError(
                f"--against: release '{against}' holds nothing of {base}",
                "name one that does, or leave --against out",
            )
        return Before(against, there[0])
    below = [one for one in certified(store).get(base, ()) if is_newer(version, [one.version])]
    if not below:
        return None
    highest = max((one.version for one in below), key=order)
    found = next(_whole_first(store, [one for one in below if one.version == highest]))
    return Before(found.release_id, found.engine)


def _whole_first(store: EvidenceStore, releases: list[Certified]) -> Iterator[Certified]:
    """The newest first; those that were narrowed to some cells, or hold an upgrade's state alone, last."""
    narrowed = []
    for one in releases:
        selection = read_plan(store.release(one.release_id, one.engine)).plan.selection
        if (selection.routes, selection.strategies, selection.scenarios) == ((), (), ()):
            yield one
        elif selection.scenarios != (_SCENARIO,):
            narrowed.append(one)
    yield from narrowed
    yield from releases


def _older(catalog: Catalog, name: str) -> str:
    """The version the catalogue knows to come before; certified under its own name, as the new one is."""
    base, _, version = name.partition(VERSION_MARK)
    engine = catalog.engine(base)
    locked = locked_version(base, engine.driver)
    for known in (locked, engine.previous):
        if known and is_newer(version, [known]):
            return f"{base}{VERSION_MARK}{known}"
    raise PlanError(
        f"no version of {base} before {version} is certified, nor named in the catalogue",
        f"certify one first: certify run --engine '{base}{VERSION_MARK}VERSION'",
    )


def _as_before(settings: RunSettings, store: EvidenceStore, before: Before, name: str) -> RunSettings:
    plan = read_plan(store.release(before.release_id, before.engine)).plan
    selection: Selection = plan.selection
    return settings.model_copy(
        update={
            "engines": (name,),
            "profile": plan.profile,
            "rows": plan.rows,
            "seed": plan.seed,
            "routes": selection.routes,
            "strategies": selection.strategies,
            "scenarios": selection.scenarios,
        }
    )


def _startable(settings: RunSettings, catalog: Catalog, on_event: OnEvent) -> None:
    """An engine that cannot be started here is no regression of it: nothing is sealed."""
    for engine in ready_engines(catalog, settings.engines, on_event).values():
        if isinstance(engine, MissingEngine):
            raise EngineUnavailable(engine.detail, engine.remedy)


def _state(
    settings: RunSettings, catalog: Catalog, name: str, on_event: OnEvent, cancel: threading.Event
) -> tuple[RunSettings | None, str]:
    """Run ``compat.upgrade``; what it was run with, or why it was not."""
    previous = catalog.engine(name).previous
    if previous is None:
        return (
            None,
            "Not tested: the catalogue does not say whose state it would take over.",
        )
    wanted = settings.model_copy(
        update={
            "engines": (name,),
            "scenarios": (_SCENARIO,),
            "release_id": state_id(settings.release_id),
        }
    )
    try:
        runs = any(cell.disposition == "run" for plan in preview(wanted, catalog) for cell in plan.cells)
    except PlanError as error:
        return None, f"Not tested: {error}."
    if not runs:
        return None, f"Not tested: on these routes nothing of {_SCENARIO} can be run."
    if cancel.is_set():
        return None, "Not tested: the run was stopped before."
    certify(wanted, catalog, on_event, cancel)
    return wanted, f"From the state of {unversioned(name)} {previous}."


def _pages(settings: RunSettings, catalog: Catalog, store: EvidenceStore, upgrade: Upgrade | None) -> None:
    """Pages of a release, the comparison among them, so that it is sealed with the rest."""
    directory = store.release_path(settings.release_id)
    if upgrade is not None:
        write_atomically(directory / UPGRADE_PAGE, upgrade_markdown(upgrade).encode("utf-8", "replace"))
    release = load_release(store, settings.release_id)
    write_pages(release, catalog, store, directory / "report.html", signer=settings.signer())
