"""Releases of the reference engine on few rows, in a temporary evidence directory."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.gates.decide import Decided
from certification_pipeline.harness.events import CellFinished, RunEvent
from certification_pipeline.harness.services.guardian import Guardian
from certification_pipeline.harness.services.postgres_dsn import SOURCE_VARIABLE
from certification_pipeline.harness.services.postgres_wheel import PostgresWheelProvider
from certification_pipeline.pipeline.certify import certify
from certification_pipeline.redaction import Redactor
from certification_pipeline.settings import RunSettings
from tests.seal import canary

ROWS = 120


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    return load_catalog()


@dataclass
class Release:
    """What one call of :func:`certify` left behind."""

    directory: SubjectDir
    decided: Decided
    events: list[RunEvent]

    @property
    def plan(self) -> CertificationPlan:
        return self.directory.read(self.directory.plan_path, CertificationPlan)

    def cells(self) -> dict[str, CellEvidence]:
        """Evidence by ``route/strategy/scenario``; a planned cell without evidence fails the test."""
        found = {}
        for planned, content in self.directory.cells(self.plan):
            if planned.disposition != "run":
                continue
            assert isinstance(content, CellEvidence), content
            assert content.outcome is content.recompute()
            key = planned.key
            found[f"{key.sink}/{key.strategy}/{key.scenario}"] = content
        return found

    def red(self) -> set[str]:
        return {name for name, cell in self.cells().items() if cell.outcome is not Outcome.PASSED}

    def ran(self) -> list[str]:
        """Ids of the cells that were run, in the order they ended."""
        return [event.cell_id for event in self.events if isinstance(event, CellFinished)]


Run = Callable[..., Release]


def _runner(evidence: Path, catalog: Catalog) -> Run:
    """Certify the reference engine with options as ``RunSettings`` has them."""

    def go(
        *,
        cancel: threading.Event | None = None,
        on_event: Callable[[RunEvent], None] = lambda _: None,
        **options: object,
    ) -> Release:
        settings = RunSettings.model_validate(
            {
                "engines": ("reference",),
                "routes": ("postgres_to_postgres",),
                "rows": ROWS,
                "release_id": "r1",
                "workers": 1,
                "evidence_dir": evidence,
                **options,
            }
        )
        events: list[RunEvent] = []

        def hear(event: RunEvent) -> None:
            events.append(event)
            on_event(event)

        decided = certify(settings, catalog, hear, cancel or threading.Event())
        directory = EvidenceStore(settings.evidence_dir).release(settings.release_id, "reference")
        return Release(directory, decided["reference"], events)

    return go


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """One server for all releases, given to them as a user gives his own: its start costs more than a run."""
    with Guardian() as guardian:
        cluster = PostgresWheelProvider(redactor=Redactor(), guardian=guardian).start("pipeline-tests")
        yield cluster.source().dsn
        cluster.stop()


@pytest.fixture
def run(tmp_path: Path, catalog: Catalog, server: str, monkeypatch: pytest.MonkeyPatch) -> Run:
    """In an evidence directory of the test's own."""
    monkeypatch.setenv(SOURCE_VARIABLE, server)
    return _runner(tmp_path / "evidence", catalog)


@pytest.fixture(scope="session")
def green(tmp_path_factory: pytest.TempPathFactory, catalog: Catalog, server: str) -> Release:
    """A release of six cells that passed; look, do not touch."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(SOURCE_VARIABLE, server)
        environment.setenv("CERTIFY_SIGNING_KEY", canary.PEM)
        return _runner(tmp_path_factory.mktemp("green"), catalog)(
            routes=("postgres_to_postgres", "postgres_to_sqlite"),
            scenarios=("batch.full_refresh", "batch.empty", "incr.noop"),
            strategies=("full_refresh", "xmin"),
            workers=2,
        )


@pytest.fixture
def again(green: Release, run: Run, tmp_path: Path) -> Run:
    """Certify in a copy of the green release."""
    shutil.copytree(green.directory.path.parents[2], tmp_path / "evidence")
    return run
