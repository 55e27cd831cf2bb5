from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor

from rich.console import Console

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.cli.progress import RunProgress
from certification_pipeline.harness.events import CellFinished, CellStarted, CellStep, RunPlanned


def progress(*, terminal: bool) -> tuple[RunProgress, io.StringIO]:
    out = io.StringIO()
    return RunProgress(Console(file=out, force_terminal=terminal, width=120)), out


def test_events_from_many_threads_are_all_counted() -> None:
    shown, out = progress(terminal=False)

    def cell(number: int) -> None:
        shown.on_event(CellStarted("dlt", f"c{number}"))
        shown.on_event(CellStep("dlt", f"c{number}", "load 1"))
        shown.on_event(CellFinished("dlt", f"c{number}", Outcome.PASSED, 0.1))

    with shown, ThreadPoolExecutor(8) as pool:
        shown.on_event(RunPlanned("dlt", 300, 200, "sha256:00"))
        list(pool.map(cell, range(200)))
    assert shown.finished["dlt"] == 200
    assert len([line for line in out.getvalue().splitlines() if "✓ passed dlt c" in line]) == 200
    assert "200/200 ✓ passed" in out.getvalue()


def test_on_a_terminal_passes_are_quiet_and_failures_are_not() -> None:
    shown, out = progress(terminal=True)
    with shown:
        shown.on_event(RunPlanned("dlt", 3, 3, "sha256:00"))
        shown.on_event(CellFinished("dlt", "good", Outcome.PASSED, 0.1))
        shown.on_event(CellFinished("dlt", "bad", Outcome.FAILED, 0.1, "rows lost\x1b]0;title\x07"))
        shown.on_event(CellStarted("dlt", "now"))
        picture = Console(file=(drawn := io.StringIO()), width=120)
        picture.print(shown._picture())
    assert "✗ failed" in out.getvalue()
    assert "\x1b]0;" not in out.getvalue()
    assert "✓ passed dlt good" not in out.getvalue()
    for words in ("2/3", "✗ 1 failed", "✓ 1 passed", "dlt now"):
        assert words in drawn.getvalue()
