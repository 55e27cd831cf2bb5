"""Evidence as Dagster metadata: the report room's frames, and figures that plot over time.

Tables rather than Markdown, which the UI hides behind a click. A page has about sixty characters for a table
before it cuts it off: what a person needs first stands left, commands to copy stand last, and long names may
break. Names of numbers are stable: a line per name is drawn over all runs.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from math import isnan
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.cell import RowSample
from certification_pipeline.orchestration.clicks import click_for, links
from certification_pipeline.orchestration.names import EVIDENCE
from certification_pipeline.report.causes import causes, samples_of
from certification_pipeline.report.markdown import cell_text, frame_markdown
from certification_pipeline.report.release import CellLine, ReleaseView, SubjectView
from certification_pipeline.report.tables import (
    causes_table,
    cells_table,
    key_text,
    matrix_pivot,
    next_steps,
)
from certification_pipeline.report.tally import Tally
from certification_pipeline.report.visible import both_sides, plain

Metadata = dict[str, dg.MetadataValue]

MOST_ROWS = 200
"""Rows of a metadata table; events are kept for ever, the whole table is in the files."""
MOST_SAMPLES = 20
SAMPLES_A_CELL = 3
LONGEST_SAMPLE = 72
LONGEST_WORD = 20
"""Longer ones may break after each of their parts."""
LONGEST_PAGE = 20_000
LONGEST = 160
"""Characters shown of a table's cell, commands excepted."""


def cells_metadata(view: SubjectView, *constant: str) -> Metadata:
    """What went wrong, a sample of the rows, the cells (failing ones first), and their counts.

    ``constant`` names the columns (route, strategy) that are the same in every row and left out.
    """
    found = causes(view)
    shown: Metadata = {}
    if found:
        wrong = causes_table(view)[["what went wrong", "cells", "rows", "strategies", "scenarios"]]
        shown["1_what_went_wrong"] = table(
            wrong.drop(columns=["strategies"] if "strategy" in constant else [])
        )
        shown["2_see_it_again"] = dg.MetadataValue.text(found[0].command)
        if "strategy" not in constant:  # there it is the button beside
            clicks = [click_for(cause.command, view.subject.engine) for cause in found]
            shown["2_where_to_click"] = page(links(click for click in clicks if click))
    samples = _row_samples(view)
    if not samples.empty:
        shown["3_row_samples"] = table(samples.drop(columns=list(constant)))
    claimed = [line for line in view.lines if line.outcome is not Outcome.INAPPLICABLE]
    cells = cells_table(claimed)[["outcome", "why", "route", "strategy", "scenario", "seconds"]]
    shown["4_cells"] = table(cells.drop(columns=list(constant)))
    return {**shown, **_not_claimed(view), **figures(view.lines)}


def _not_claimed(view: SubjectView) -> Metadata:
    """What the engine does not say it can: to read up on, not to act on."""
    lines = [line for line in view.lines if line.outcome is Outcome.INAPPLICABLE]
    if not lines:
        return {}
    frame = cells_table(lines)[["route", "strategy", "scenario", "why"]]
    return {"5_not_claimed": page(frame_markdown(frame.head(MOST_ROWS), index=False))}


def _row_samples(view: SubjectView) -> pd.DataFrame:
    """A few rows of each failing cell: what should be in the sink and what is."""
    rows = []
    for line in view.failed:
        for sample in list(samples_of(line))[:SAMPLES_A_CELL]:
            expected, found = _both_sides(sample.row)
            rows.append(
                {
                    "anomaly": sample.row.anomaly.value,
                    "key": key_text(sample.row.key),
                    "column": sample.row.column or "whole row",
                    "expected": expected,
                    "found": found,
                    "route": line.key.route_id,
                    "strategy": line.key.strategy.value,
                    "scenario": line.key.scenario,
                    "step": sample.step,
                }
            )
    return pd.DataFrame(rows[:MOST_SAMPLES])


def _both_sides(row: RowSample) -> tuple[str, str]:
    expected, found = (plain(side) for side in both_sides(row))
    return _cut(expected, LONGEST_SAMPLE), _cut(found, LONGEST_SAMPLE)


def figures(lines: Sequence[CellLine]) -> Metadata:
    """Counts per outcome, the share that passed of what was judged, and the cells' seconds."""
    count = {outcome: sum(line.outcome is outcome for line in lines) for outcome in Outcome}
    judged = count[Outcome.PASSED] + count[Outcome.FAILED] + count[Outcome.CANT_TELL]
    return {
        "cells": dg.MetadataValue.int(len(lines)),
        "passed": dg.MetadataValue.int(count[Outcome.PASSED]),
        "failed": dg.MetadataValue.int(count[Outcome.FAILED]),
        "cant_tell": dg.MetadataValue.int(count[Outcome.CANT_TELL]),
        "untested": dg.MetadataValue.int(count[Outcome.UNTESTED]),
        "flaky": dg.MetadataValue.int(sum(line.flaky for line in lines)),
        "pass_rate": dg.MetadataValue.float(round(count[Outcome.PASSED] / judged, 4) if judged else 0.0),
        "seconds": dg.MetadataValue.float(round(sum(line.seconds or 0.0 for line in lines), 1)),
    }


def page(markdown: str) -> dg.MarkdownMetadataValue:
    """A page to read; the beginning of a long one, as Dagster keeps every event for ever."""
    cut = markdown if len(markdown) <= LONGEST_PAGE else markdown[:LONGEST_PAGE] + "\n\n… more in the file"
    return dg.MetadataValue.md(cut)


def what_to_do(view: SubjectView) -> Metadata:
    """The next steps that the report and the final screen of ``certify run`` show, each with its click."""
    frame = next_steps(ReleaseView(view.plan.release_id, (view,))).drop(columns="engine")
    return with_clicks("2_what_to_do", frame, "do", view)


def blockers(found: Sequence[Blocker], engine: str) -> Metadata:
    """What stands in the way, and what to do about it."""
    rows = [{"blocker": b.code, "says": plainly(b.message), "do": b.next_step} for b in found]
    frame = pd.DataFrame(rows, columns=["blocker", "says", "do"])
    return with_clicks("3_what_blocks", frame, "do", engine)


def with_clicks(name: str, frame: pd.DataFrame, steps: str, at: SubjectView | str) -> Metadata:
    """The table with the click before the command, and the clicks as links: a table's cell cannot be one.

    ``at``: whose page it is, or just the engine. Nothing for an empty frame.
    """
    if frame.empty:
        return {}
    whose = (at, None) if isinstance(at, str) else (at.subject.engine, at.plan.profile)
    clicks = [click_for(step, *whose) for step in frame[steps]]
    shown = frame.rename(columns={steps: BY_HAND})
    shown.insert(len(shown.columns) - 1, CLICK, [click.says if click else "" for click in clicks])
    there = [click for click in clicks if click]
    return {name: table(shown), **({f"{name[0]}_where_to_click": page(links(there))} if there else {})}


CLICK, BY_HAND = "click", "or by hand"
_CELL = re.compile(r"([a-z]+)_to_([a-z]+)__([a-z_0-9]+?)__([a-z_0-9]+\.[a-z_0-9]+)")
_BECAUSE = re.compile(r"[a-z_]+\.not_passed(?::[\w./-]+\.json)?: its outcome is failed: ")


def plainly(message: str) -> str:
    """A message that quotes the message it rests on, and so on down: what it comes from, in words that break.

    ``report.not_passed: its outcome is failed: matrix_cell.not_passed:a_to_b__scd2__x.y: 2 lost`` is
    ``a → b, scd2, x.y: 2 lost``.
    """
    said = _BECAUSE.sub("", message).replace("its outcome is failed: ", "")
    said = _CELL.sub(r"\1 → \2, \3, \4", said).replace("matrix_cell.not_passed:", "")
    return "; ".join(dict.fromkeys(said.split("; ")))


def matrix(view: SubjectView) -> Metadata:
    """Route by route what is not green; strategy x route behind a click, as every report shows it."""
    routes: dict[str, list[CellLine]] = {}
    for line in view.ran:
        routes.setdefault(line.key.route_id, []).append(line)
    green = (Outcome.PASSED, Outcome.INAPPLICABLE)
    rows = [
        {
            "route": route.replace("_to_", " → "),
            "cells": str(Tally.of(line.outcome for line in lines)),
            "not green": ", ".join(sorted({x.key.strategy.value for x in lines if x.outcome not in green})),
        }
        for route, lines in routes.items()
    ]
    whole = matrix_pivot(view.ran, "strategy").T.rename_axis(index="strategy").reset_index()
    return {
        "1_matrix": table(pd.DataFrame(rows, columns=["route", "cells", "not green"])),
        "4_by_strategy": page(frame_markdown(whole, index=False)),
    }


def table(frame: pd.DataFrame) -> dg.TableMetadataValue:
    """A frame as a table; its first rows when it is long."""
    columns = [str(name) for name in frame.columns]
    return dg.MetadataValue.table(
        records=[
            dg.TableRecord(dict(zip(columns, map(_value, columns, row), strict=True)))
            for row in frame.head(MOST_ROWS).itertuples(index=False, name=None)
        ],
        schema=dg.TableSchema(columns=[dg.TableColumn(name, "string") for name in columns]),
    )


def _value(column: str, value: object) -> str:
    text = _figure(column, value) if isinstance(value, float) and not isnan(value) else cell_text(value)
    if column == BY_HAND:  # to copy
        return text
    return _outcome(text) if column == "outcome" else breakable(_cut(text, LONGEST))


_LARGE = 100.0


def _figure(column: str, value: float) -> str:
    """A ratio to three digits: with one, a tenth is nothing."""
    return f"{value:.1f}" if column == "seconds" or abs(value) >= _LARGE else f"{value:.3g}"


def _outcome(text: str) -> str:
    """Mark and word on one line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


_WORD = re.compile(rf"\S{{{LONGEST_WORD},}}")
_PART = re.compile(r"(?<=[a-z0-9][_./:=])(?=\w)", re.ASCII | re.IGNORECASE)


def breakable(text: str) -> str:
    """Where a long name may go on in the next line: the UI makes a column as wide as its longest word."""
    return _WORD.sub(lambda word: _PART.sub("\N{ZERO WIDTH SPACE}", word[0]), text)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def file_paths(directory: Path, *names: str) -> Metadata:
    """Artifacts: links that `certify ui` answers on the same port, and the directory to go to by hand."""
    shown: Metadata = {name.replace(".", "_"): evidence_link(directory / name) for name in names}
    return {**shown, "directory": dg.MetadataValue.path(str(directory.resolve()))}


def evidence_link(path: Path) -> dg.UrlMetadataValue:
    """Where the evidence room has it; its first page for what lies in no release and is not published.

    Relative to the origin: whatever host and port the browser reached Dagster by.
    """
    parts = path.parts
    place = next((at for at in range(len(parts) - 1, -1, -1) if parts[at] in _ROOMS), None)
    below = "/".join(parts[place:]) if place is not None else ""
    return dg.MetadataValue.url(f"{EVIDENCE}/{quote(below)}")


_ROOMS = (layout.RELEASES, layout.PUBLISHED)
