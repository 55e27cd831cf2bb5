"""The engines of a release that is there, measured in turns; what was seen lies beside the release."""

from __future__ import annotations

import threading
from pathlib import Path

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.evidence.canonical import render
from certification_pipeline.evidence.comparison import ComparedSubject, EngineComparison
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.hardware import hardware
from certification_pipeline.evidence.layout import COMPARISON
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.benchmark.compare import compare_speed
from certification_pipeline.families.work import Work
from certification_pipeline.harness.events import OnEvent
from certification_pipeline.harness.workshop import ReadyEngine, open_workshop
from certification_pipeline.pipeline.releases import alone, reopen_release
from certification_pipeline.settings import RunSettings


def compare_engines(
    settings: RunSettings,
    catalog: Catalog,
    engines: tuple[str, ...],
    on_event: OnEvent,
    cancel: threading.Event,
    *,
    rows: int,
    turns: int,
) -> EngineComparison:
    """Measure, write ``comparison.json``, and return it.

    Raises ``Interrupted`` when cancelled, ``EvidenceError`` when an engine is no longer the one that the
    release was sealed for, ``PlanError`` while another process writes the release.
    """
    store = EvidenceStore(settings.evidence_dir)
    with alone(settings):
        release = reopen_release(settings, catalog, engines, on_event)
        ready = [name for name in engines if isinstance(release.engines[name], ReadyEngine)]
        profiles = [catalog.profiles[release.plans[name].profile] for name in ready]
        with open_workshop(
            catalog,
            run_id=release.run_id,
            systems=dict.fromkeys(system for profile in profiles for system in profile.systems),
            engines=release.engines,
            on_event=on_event,
            cancel=cancel,
        ) as shop:
            works = [Work(release.plans[name], store, shop, release.run_id) for name in ready]
            measured = {found.subject.engine: found for found in compare_speed(works, rows=rows, turns=turns)}
        seen = stamp(release.run_id)
        made = EngineComparison(
            release_id=release.release_id,
            run_id=release.run_id,
            created_at=seen.created_at,
            producer=seen.producer,
            environment=seen.environment,
            hardware=hardware(),
            rows=rows,
            seed=release.plans[engines[0]].seed,
            asked_turns=turns,
            subjects=tuple(
                measured.get(name)
                or ComparedSubject(
                    subject=release.plans[name].subject, route_id=None, problem="cannot be started here"
                )
                for name in engines
            ),
        )
        write_atomically(_path(settings), render(made))
    return made


def _path(settings: RunSettings) -> Path:
    return settings.release_dir / COMPARISON
