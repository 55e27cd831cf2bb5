"""The engines of a run, each asked once who it is: asking starts a process and imports an engine."""

from collections.abc import Iterator

import dagster as dg

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.orchestration import late
from certification_pipeline.settings import RunSettings


class AskedEngines:
    """What engines answered in this run, kept until it ends; a step in a container of its own asks anew.

    One that is changed while a run goes on is noticed by the next run, as with ``certify run``.
    """

    def __init__(self) -> None:
        self._answers: dict[str, late.ReadyEngine | late.MissingEngine] = {}

    def seal(
        self, settings: RunSettings, catalog: Catalog, tell: "late.OnEvent", run: dg.DagsterRun
    ) -> "late.SealedRelease":
        """Every engine's plan. Raises ``PlanError`` when the filters fit no engine."""
        release = late.seal_plans(settings, catalog, tell, run.run_id)
        self._answers.update(release.engines)
        return release

    def reopen(
        self, settings: RunSettings, catalog: Catalog, engine: str, tell: "late.OnEvent", run: dg.DagsterRun
    ) -> "late.SealedRelease":
        """The engine's plan that is there. Raises ``EvidenceError`` as ``reopen_release`` does."""
        release = late.reopen_release(settings, catalog, (engine,), tell, run.run_id, known=self._answers)
        self._answers.update(release.engines)
        return release


@dg.resource(description="Engines that this run has asked who they are.")
def engines_of_a_run(_: dg.InitResourceContext) -> Iterator[AskedEngines]:
    """One a run; nothing to configure."""
    yield AskedEngines()
