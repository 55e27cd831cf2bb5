"""Crash lines as text: on a terminal, and as the Markdown page ``crash_points.md`` of a release."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.files import write_atomically
from certification_pipeline.evidence.page import escape
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.report.crash import (
    ACTION,
    CrashView,
    DeliveryView,
    crash_table,
    crash_views,
    delivery_table,
    delivery_views,
    legend,
)
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import ReleaseView
from certification_pipeline.report.tables import key_text
from certification_pipeline.report.terminal import STYLE, print_frame
from certification_pipeline.report.visible import both_sides, plain, short, visible

PAGE = "crash_points.md"
_LINE_COLUMNS = ["point", "boundary", "kill before", "kill after", "cut after"]
_SAMPLES = 12


def print_crash_lines(
    console: Console, views: Sequence[CrashView], deliveries: Sequence[DeliveryView]
) -> None:
    """Each explored cell: its boundaries from first to last, a sign a trial; then rows that went wrong."""
    if not views and not deliveries:
        console.print("no cell was explored; `certify matrix --scenario rec.crash_points` does it")
        return
    for view in views:
        outcome = view.line.outcome
        key = view.line.key
        head = Text(f"\n{key.engine}  {key.cell_id}", "bold")
        console.print(head, soft_wrap=True)
        console.print(Text(view.sentence, STYLE[outcome]), soft_wrap=True)
        print_frame(console, crash_table([view])[_LINE_COLUMNS], index=False)
        for point, sample in _samples(view):
            console.print(Text.assemble((f"  {point}: ", STYLE[Outcome.FAILED]), sample), soft_wrap=True)
    if views:
        console.print(
            Text(f"\nOf two signs the first is with the folder kept. {legend()}", "dim"), soft_wrap=True
        )
    if deliveries:
        console.print(Text("\nWhat so many kills prove, at 95 % confidence", "bold"))
        print_frame(console, delivery_table(deliveries), index=False)


def crash_markdown(release: ReleaseView) -> str | None:
    """The page; ``None`` when no cell of the release was explored."""
    lines = [line for subject in release.subjects for line in subject.lines]
    views, deliveries = crash_views(lines), delivery_views(lines)
    if not views and not deliveries:
        return None
    parts = [f"# Where a crash is safe: release {escape(release.release_id)}"]
    if views:
        parts.append(f"A sign a trial; of two the first is with the engine's folder kept. {legend()}.")
    for view in views:
        key = view.line.key
        parts += [f"## {escape(key.engine)}: {escape(key.cell_id)}", f"{view.sentence}."]
        parts.append(frame_markdown(crash_table([view])[_LINE_COLUMNS], index=False))
        parts += (
            ["\n".join(f"- {escape(point)}: {escape(sample)}" for point, sample in _samples(view))]
            if view.reds or view.stuck
            else []
        )
    if deliveries:
        parts += ["## What so many kills prove, at 95 % confidence"]
        parts.append(frame_markdown(delivery_table(deliveries), index=False))
    return "\n\n".join(parts) + "\n"


def write_crash_lines(release: ReleaseView, store: EvidenceStore) -> None:
    """``crash_points.md`` beside the report, where cells were explored."""
    text = crash_markdown(release)
    if text is not None:
        path = store.release_path(release.release_id) / PAGE
        write_atomically(path, text.encode("utf-8", "replace"))


def _samples(view: CrashView) -> list[tuple[str, str]]:
    told = []
    for result, judgement, row in view.reds[:_SAMPLES]:
        expected, actual = both_sides(row)
        column = f" {visible(row.column)}" if row.column else ""
        wanted = f"expected {plain(expected)}, found {plain(actual)}"
        said = f"{row.anomaly.value} {key_text(row.key)}{column}: {wanted}"
        told.append((result.point.address, f"{said} ({visible(judgement.step)})"))
    for result, message in view.stuck[:_SAMPLES]:
        way = f"{ACTION[result.trial.action]}, folder {result.trial.folder}"
        told.append((result.point.address, f"stuck ({way}); the engine said: {short(message)}"))
    hidden = len(view.reds) - _SAMPLES
    if hidden > 0:
        told.append(("…", f"and {hidden} more trials with wrong rows, in the cell's file"))
    return told
