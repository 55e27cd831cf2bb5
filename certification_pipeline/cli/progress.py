"""What a run tells while it goes on, drawn on standard error: a live picture, or plain lines in a log."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn
from rich.text import Text

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.harness.events import (
    CellFinished,
    CellStarted,
    CellStep,
    EngineMissing,
    EnginePreparing,
    EngineReady,
    FamilyFinished,
    FamilyStarted,
    FamilyStep,
    RunEvent,
    RunPlanned,
    ServiceStarted,
)
from certification_pipeline.report.tally import SYMBOL, WORD, WORST_FIRST
from certification_pipeline.report.terminal import STYLE
from certification_pipeline.report.visible import visible

SHOWN_CELLS = 8
SHOWN_ENGINES = 16
"""Lines of the picture; a taller one than the screen could not be redrawn in place."""


class RunProgress:
    """Give :meth:`on_event` to the run. Safe to call from many threads; draws from one."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr)
        self.finished: Counter[str] = Counter()
        """Cells with an outcome, by engine."""
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._planned: Counter[str] = Counter()
        self._running: dict[tuple[str, str], str] = {}
        self._total = 0
        self._lock = threading.Lock()
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=40),
            MofNCompleteColumn(),
            TextColumn("cells"),
            TimeRemainingColumn(),
            console=self.console,
        )
        self._task: TaskID = self._bar.add_task("certifying", total=None)
        self._live: Live | None = None

    def __enter__(self) -> RunProgress:
        if self.console.is_terminal:
            self._live = Live(
                get_renderable=self._picture, console=self.console, refresh_per_second=8, transient=True
            )
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def on_event(self, event: RunEvent) -> None:
        """Take one event in; print a line where it is worth one."""
        with self._lock:
            line = self._take(event)
        if line is not None:
            self.console.print(line, soft_wrap=True)

    def _take(self, event: RunEvent) -> Text | None:  # noqa: PLR0911 - one return an event
        match event:
            case RunPlanned():
                self._total += event.to_run
                self._planned[event.engine] += event.to_run
                self._outcomes.setdefault(event.engine, Counter())
                self._bar.update(self._task, total=self._total)
                return Text(f"{event.engine}: {event.to_run} of {event.total} planned cells can run here")
            case ServiceStarted():
                return Text(
                    f"{event.system} {visible(event.version)} is up ({event.provider}, {event.seconds:.1f} s)"
                )
            case EnginePreparing():
                return Text(f"{event.engine}: {visible(event.detail)}")
            case EngineReady():
                return Text(f"{event.engine} {visible(event.version)} is ready")
            case EngineMissing():
                symbol = SYMBOL[Outcome.UNTESTED]
                return Text(f"{symbol} {event.engine} cannot be started here: {visible(event.detail[:300])}")
            case CellStarted():
                self._running[event.engine, event.cell_id] = ""
                return None
            case CellStep():
                self._running[event.engine, event.cell_id] = event.text
                return None
            case CellFinished():
                return self._finish(event)
            case FamilyStarted():
                self._running[event.engine, event.family] = ""
                return None
            case FamilyStep():
                self._running[event.engine, event.family] = event.text
                return None
            case FamilyFinished():
                return self._made(event)

    def _finish(self, event: CellFinished) -> Text | None:
        self._running.pop((event.engine, event.cell_id), None)
        self.finished[event.engine] += 1
        self._outcomes.setdefault(event.engine, Counter())[event.outcome] += 1
        self._bar.advance(self._task)
        if self._live is not None and event.outcome is Outcome.PASSED:
            return None  # quiet when all is well; the picture counts it
        done = self.finished.total()
        text = Text(f"{done:>4}/{self._total} ", "dim")
        text.append(f"{SYMBOL[event.outcome]} {WORD[event.outcome]}", STYLE[event.outcome])
        text.append(f" {event.engine} {event.cell_id} {event.seconds:.2f} s")
        if event.detail:
            text.append(f"  {visible(event.detail[:200])}", "dim")
        return text

    def _made(self, event: FamilyFinished) -> Text:
        self._running.pop((event.engine, event.family), None)
        text = Text(f"{event.engine} {event.family}: ")
        text.append(f"{SYMBOL[event.outcome]} {WORD[event.outcome]}", STYLE[event.outcome])
        text.append(f" {event.seconds:.1f} s")
        if event.detail:
            text.append(f"  {visible(event.detail[:200])}", "dim")
        return text

    def _picture(self) -> Group:
        with self._lock:
            running = list(self._running.items())
            counts = {engine: dict(counter) for engine, counter in self._outcomes.items()}
            planned = dict(self._planned)
        room = max(1, min(SHOWN_ENGINES, self.console.height - SHOWN_CELLS - 3))
        names = sorted(counts, key=lambda name: [-counts[name].get(outcome, 0) for outcome in _TROUBLE])
        width = max([len(name) for name in names[:room]], default=0)
        lines = [_counts_line(name, counts[name], planned.get(name, 0), width) for name in names[:room]]
        if len(names) > room:
            lines.append(Text(f"… and {len(names) - room} more engines, with less trouble", "dim"))
        for (engine, cell), step in running[:SHOWN_CELLS]:
            lines.append(
                Text(f"  {engine} {cell}  {visible(step)}", "dim", no_wrap=True, overflow="ellipsis")
            )
        return Group(self._bar, *lines)


_TROUBLE = (Outcome.FAILED, Outcome.CANT_TELL)


def _counts_line(engine: str, counts: dict[Outcome, int], planned: int, width: int) -> Text:
    """``dlt  12/140  ✗ 1 failed  ✓ 11 passed``: one engine, one line."""
    text = Text(
        f"{engine:<{width}} {sum(counts.values()):>4}/{planned:<4}", no_wrap=True, overflow="ellipsis"
    )
    for outcome in WORST_FIRST:
        if number := counts.get(outcome):
            text.append(f" {SYMBOL[outcome]} {number} {WORD[outcome]} ", STYLE[outcome])
    return text
