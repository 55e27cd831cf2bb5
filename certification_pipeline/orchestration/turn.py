"""The right to write a release: one run at a time, across processes, `certify run` among them."""

from __future__ import annotations

import time
from contextlib import ExitStack, suppress
from pathlib import Path

import dagster as dg
from pydantic import Field, PrivateAttr

from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.exclusive import Held, writing
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.orchestration import late
from certification_pipeline.orchestration.sealed import sealed_in
from certification_pipeline.orchestration.slot import slot_given_back
from certification_pipeline.settings import RunSettings

_LOOK_AGAIN_SECONDS = 0.5
_GOING_ON = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


class ReleaseTurn(dg.ConfigurableResource[None]):
    """Held from a run's first step that writes a release until the run ends, however it ends.

    Two runs in one release would mix their attempts, and one would replace the plan under the other.

    Where each step is a process of its own (``by_step``), each holds it for itself, one after the other, and
    nobody holds it between two of them. There a release belongs to the run that has sealed its plan: until
    that has ended, no other seals one, and whoever goes on with the release waits.
    """

    says_again_seconds: float = Field(
        default=60.0, gt=0, description="how often a run that waits says for whom"
    )
    by_step: bool = Field(default=False, description="whether each step of a run is a process of its own")
    _held: ExitStack = PrivateAttr(default_factory=ExitStack)
    _releases: set[Path] = PrivateAttr(default_factory=set)
    _run: dg.DagsterRun | None = PrivateAttr(default=None)
    _instance: dg.DagsterInstance | None = PrivateAttr(default=None)

    def setup_for_execution(self, context: dg.InitResourceContext) -> None:
        """Whose turn it is to be; without a run (a test's resource) there is nobody to wait for but locks."""
        if self.by_step:
            self._run, self._instance = context.run, context.instance

    def begin(self, settings: RunSettings) -> None:
        """For a run that seals a plan. Raises ``PlanError`` while another writes that very release."""
        if settings.release_dir in self._releases:
            return
        with ExitStack() as taken:
            taken.enter_context(late.alone(settings))
            if other := self._sealed_by_another(settings.release_dir):
                raise late.PlanError(
                    f"another run is writing release {settings.release_id} (run {other})",
                    "wait until it has ended or terminate it, or give this one a release of its own",
                )
            self._keep(taken, settings.release_dir)

    def wait(self, directory: SubjectDir) -> None:
        """For a run that goes on with a release: after whoever writes it now, for as long as that takes.

        Two reds are rerun with two clicks, one run each: the second has its turn when the first is done.
        Who waits holds no slot of a pool meanwhile, and has one again before this returns.
        A release that is not there is the caller's matter. Raises ``EvidenceError`` when it cannot be locked,
        ``PlanError`` when the plan that this run has sealed is not there any more.
        """
        release = directory.path.parent
        if release in self._releases or not release.is_dir():
            return
        if who := self._taken(release):
            # It may be the very slot that the run which it waits for needs next.
            with slot_given_back():
                self._wait_for(who, directory)
        self._refuse_another_plan(directory)

    def _wait_for(self, who: str, directory: SubjectDir) -> None:
        say_at = time.monotonic()
        while who:
            if time.monotonic() >= say_at:
                dg.get_dagster_logger().info(
                    f"Waiting: {who} is writing release {directory.release_id}. "
                    "Terminate this run if that is not what you want."
                )
                say_at = time.monotonic() + self.says_again_seconds
            time.sleep(_LOOK_AGAIN_SECONDS)
            who = self._taken(directory.path.parent)

    def _taken(self, release: Path) -> str:
        """Who has it; empty: nobody else, from now on it is held here."""
        with ExitStack() as taken:
            try:
                taken.enter_context(writing(release))
            except Held as held:
                return f"process {held.pid or 'unknown'}"
            if other := self._sealed_by_another(release):
                return f"run {other}"
            self._keep(taken, release)
        return ""

    def _keep(self, taken: ExitStack, release: Path) -> None:
        self._held.push(taken.pop_all())
        self._releases.add(release)

    def _sealed_by_another(self, release: Path) -> str | None:
        """The run that has sealed a plan there and has not ended, other than this one.

        By its own record of it: of a plan that is there already the file names the run that was first.
        """
        if self._run is None or self._instance is None:
            return None
        for other in self._instance.get_runs(dg.RunsFilter(statuses=_GOING_ON)):
            sealed = None if other.run_id == self._run.run_id else sealed_in(self._instance, other.run_id)
            if sealed and sealed.release == release.name:
                return other.run_id
        return None

    def _refuse_another_plan(self, directory: SubjectDir) -> None:
        """What no run of Dagster keeps from: `certify run`, between two steps."""
        if self._run is None or self._instance is None:
            return
        sealed = sealed_in(self._instance, self._run.run_id)
        if sealed is None or sealed.release != directory.release_id:
            return
        with suppress(EvidenceError):  # the step says what is wrong with it
            plan = directory.read(directory.plan_path, CertificationPlan)
            if plan.plan_digest not in sealed.digests:
                raise late.PlanError(
                    f"release {directory.release_id} has another plan than the one this run has sealed: "
                    f"run {plan.run_id} has sealed it since",
                    "begin again, in a release of its own",
                )

    def teardown_after_execution(self, context: dg.InitResourceContext) -> None:
        """Let the next one write."""
        self._held.close()
        self._releases.clear()
