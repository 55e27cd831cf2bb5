"""What a calibration tells while it goes on: here a red cell is the good news."""

from __future__ import annotations

import sys
import threading
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.text import Text

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.calibration import Trial
from certification_pipeline.harness.events import RunEvent, ServiceStarted
from certification_pipeline.report.visible import visible


class CalibrationProgress:
    """Give :meth:`on_event` and :meth:`on_trial` to the run. Draws on standard error."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self._done = 0
        self._lock = threading.Lock()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("trials"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
        )
        self._task = self._bar.add_task("calibrating", total=None)

    def __enter__(self) -> CalibrationProgress:
        if self.console.is_terminal:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def on_event(self, event: RunEvent) -> None:
        """Services that are up; trials tell the rest."""
        if isinstance(event, ServiceStarted):
            self.console.print(f"{event.system} {visible(event.version)} is up", soft_wrap=True)

    def on_trial(self, trial: Trial, total: int) -> None:
        """One trial is done and kept."""
        with self._lock:
            self._done += 1
            self._bar.update(self._task, total=total, completed=self._done)
            line = self._line(trial, total)
        if not self.console.is_terminal or trial.outcome is not _WANTED[trial.defect is None]:
            self.console.print(line, soft_wrap=True)

    def _line(self, trial: Trial, total: int) -> Text:
        good = trial.outcome is _WANTED[trial.defect is None]
        said = _SAID[trial.defect is None].get(trial.outcome, "? nothing is known")
        text = Text(f"{self._done:>4}/{total} ", "dim")
        text.append(said, "green" if good else "red")
        text.append(f" {trial.defect or 'the clean engine'} by {trial.cell} {trial.seconds:.2f} s")
        if trial.detail:
            text.append(f"  {visible(trial.detail[:200])}", "dim")
        return text


_WANTED = {True: Outcome.PASSED, False: Outcome.FAILED}
"""Of a control, and of a defect."""
_SAID = {
    True: {Outcome.PASSED: "✓ passed", Outcome.FAILED: "✗ false alarm"},
    False: {Outcome.PASSED: "✗ not seen", Outcome.FAILED: "✓ killed"},
}
