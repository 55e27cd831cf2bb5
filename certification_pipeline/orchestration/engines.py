"""The engines of a run, each asked once who it is: asking starts a process and imports an engine."""

from __future__ import annotations

from typing import Any

import dagster as dg
from pydantic import PrivateAttr

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.orchestration import late
from certification_pipeline.settings import RunSettings


class AskedEngines(dg.ConfigurableResource[None]):
    """What engines answered in this run, kept until it ends; a step in a container of its own asks anew.

    One that is changed while a run goes on is noticed by the next run, as with ``certify run``.
    """

    # Not named more exactly: pydantic looks the names up, and the rooms they are in are heavy.
    _answers: dict[str, Any] = PrivateAttr(default_factory=dict)

    def seal(
        self, settings: RunSettings, catalog: Catalog, tell: late.OnEvent, run: dg.DagsterRun
    ) -> late.SealedRelease:
        """Every engine's plan. Raises ``PlanError`` when the filters fit no engine."""
        release = late.seal_plans(settings, catalog, tell, run.run_id)
        self._answers.update(release.engines)
        return release

    def reopen(
        self, settings: RunSettings, catalog: Catalog, engine: str, tell: late.OnEvent, run: dg.DagsterRun
    ) -> late.SealedRelease:
        """The engine's plan that is there. Raises ``EvidenceError`` as ``reopen_release`` does."""
        release = late.reopen_release(settings, catalog, (engine,), tell, run.run_id, known=self._answers)
        self._answers.update(release.engines)
        return release

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """The next run asks for itself."""
        self._answers.clear()
