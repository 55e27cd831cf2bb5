"""The right to write a release: one run at a time, across processes, `certify run` among them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.settings import RunSettings


class ReleaseTurn(dg.ConfigurableResource[None]):
    """Held from a run's first step that writes a release until the run ends, however it ends.

    Two runs in one release would mix their attempts, and one would replace the plan under the other.
    With an executor that gives each step a process, it is held by the step.
    """

    says_again_seconds: float = Field(
        default=60.0, gt=0, description="how often a run that waits says for whom"
    )
    _held: ExitStack = PrivateAttr(default_factory=ExitStack)
    _releases: set[Path] = PrivateAttr(default_factory=set)

    def begin(self, settings: RunSettings) -> None:
        """For a run that seals a plan. Raises ``PlanError`` while another writes that very release."""
        if settings.release_dir not in self._releases:
            self._held.enter_context(late.alone(settings))
            self._releases.add(settings.release_dir)

    def wait(self, directory: SubjectDir) -> None:
        """For a run that goes on with a release: after whoever writes it now, for as long as that takes.

        Two reds are rerun with two clicks, one run each: the second has its turn when the first is done.
        A release that is not there is the caller's matter. Raises ``EvidenceError`` when it cannot be locked.
        """
        release = directory.path.parent
        if release in self._releases or not release.is_dir():
            return
        patience = 0.0
        while True:
            try:
                self._held.enter_context(writing(release, patience))
            except Held as held:
                dg.get_dagster_logger().info(
                    f"Waiting: process {held.pid or 'unknown'} is writing release {directory.release_id}. "
                    "Terminate this run if that is not what you want."
                )
                patience = self.says_again_seconds
            else:
                self._releases.add(release)
                return

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Let the next one write."""
        self._held.close()
        self._releases.clear()
