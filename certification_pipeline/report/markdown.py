"""Frames as Markdown tables, for artifacts, pull requests and Dagster's metadata."""

from __future__ import annotations

import pandas as pd

from certification_pipeline.report.visible import visible


def frame_markdown(frame: pd.DataFrame, *, index: bool = True) -> str:
    """A GitHub-flavoured table; an empty frame says so. Cell text cannot break out of its cell."""
    if frame.empty:
        return "_none_\n"
    corner = str(frame.index.name or "")
    header = ([corner] if index else []) + [str(column) for column in frame.columns]
    rows = [
        ([str(name)] if index else []) + [cell_text(value) for value in row]
        for name, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True)
    ]
    lines = [_line(header), _line(["---"] * len(header)), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n"


def cell_text(value: object) -> str:
    """A frame's value as one line of text: three decimals for seconds, nothing for missing."""
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3f}"
    return "" if value is None else visible(str(value))


def _line(cells: list[str]) -> str:
    return "| " + " | ".join(_escape(cell) for cell in cells) + " |"


def _escape(text: str) -> str:
    for char in "\\`*_{}[]<>|":
        text = text.replace(char, "\\" + char) if char not in "<>" else text
    return text.replace("<", "&lt;").replace(">", "&gt;")
