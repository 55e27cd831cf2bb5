"""Evidence as Dagster metadata: the report room's frames, and figures that plot over time.

Tables rather than Markdown, which the UI hides behind a click. The UI sorts by name: the digits put first
what a person needs first. Names of numbers are stable: a line per name is drawn over all runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.cell import RowSample
from certification_pipeline.orchestration.names import EVIDENCE
from certification_pipeline.report.causes import causes, samples_of
from certification_pipeline.report.markdown import cell_text
from certification_pipeline.report.release import CellLine, ReleaseView, SubjectView
from certification_pipeline.report.tables import (
    causes_table,
    cells_table,
    key_text,
    matrix_pivot,
    next_steps,
)
from certification_pipeline.report.visible import both_sides, plain

Metadata = dict[str, dg.MetadataValue]

MOST_ROWS = 200
"""Rows of a metadata table; events are kept for ever, the whole table is in the files."""
MOST_SAMPLES = 20
SAMPLES_A_CELL = 3
LONGEST_SAMPLE = 72
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
    samples = _row_samples(view)
    if not samples.empty:
        shown["3_row_samples"] = table(samples.drop(columns=list(constant)))
    cells = cells_table(view.lines)[["outcome", "route", "strategy", "scenario", "why", "seconds"]]
    shown["4_cells_worst_first"] = table(cells.drop(columns=list(constant)))
    return {**shown, **figures(view.lines)}


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


def what_to_do(view: SubjectView) -> dg.TableMetadataValue:
    """The next steps that the report and the final screen of ``certify run`` show."""
    return table(next_steps(ReleaseView(view.plan.release_id, (view,))).drop(columns="engine"))


def blockers(found: Iterable[Blocker]) -> dg.TableMetadataValue:
    """What stands in the way, and what to do about it."""
    rows = [{"blocker": b.code, "says": b.message, "do": b.next_step} for b in found]
    return table(pd.DataFrame(rows, columns=["blocker", "says", "do"]))


def matrix(view: SubjectView) -> dg.TableMetadataValue:
    """Strategy x route, as every report shows it: ✓ passed, ✗ failed, ? can't tell, – untested."""
    return table(matrix_pivot(view.ran, "strategy").T.rename_axis(index="strategy").reset_index())


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
    text = f"{value:.1f}" if isinstance(value, float) and value == value else cell_text(value)  # noqa: PLR0124
    return text if column in _COMMANDS else _cut(text, LONGEST)


def _cut(text: str, longest: int) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


_COMMANDS = ("do",)


def file_paths(directory: Path, *names: str) -> Metadata:
    """Artifacts: absolute paths to copy, and links that `certify ui` answers on the same port."""
    shown: Metadata = {}
    for name in names:
        title = name.replace(".", "_")
        shown[title] = dg.MetadataValue.path(str(directory.resolve() / name))
        shown[f"{title}_link"] = evidence_link(directory / name)
    return shown


def evidence_link(path: Path) -> dg.UrlMetadataValue:
    """Where the evidence room has it; its first page for what lies in no release and is not published.

    Relative to the origin: whatever host and port the browser reached Dagster by.
    """
    parts = path.parts
    place = next((at for at in range(len(parts) - 1, -1, -1) if parts[at] in _ROOMS), None)
    below = "/".join(parts[place:]) if place is not None else ""
    return dg.MetadataValue.url(f"{EVIDENCE}/{quote(below)}")


_ROOMS = (layout.RELEASES, layout.PUBLISHED)
