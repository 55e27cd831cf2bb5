"""How a benchmark shows what it does and what it measured: progress on stderr, a table or JSON on stdout."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence

Row = Mapping[str, str | float | int]
_BEGAN = time.monotonic()


def parser(description: str | None) -> argparse.ArgumentParser:
    """With ``--format table|json``."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--format", choices=("table", "json"), default="table")
    return made


def progress(what: str) -> None:
    """One line, with the seconds since the start."""
    print(f"[{time.monotonic() - _BEGAN:6.0f} s] {what}", file=sys.stderr, flush=True)


def show(name: str, rows: Sequence[Row], form: str) -> None:
    """All rows have the same columns."""
    if form == "json":
        print(json.dumps({"benchmark": name, "rows": list(rows)}, indent=2))
        return
    if not rows:
        return
    columns = list(rows[0])
    cells = [[_cell(row[column]) for column in columns] for row in rows]
    widths = [max(map(len, (column, *(row[at] for row in cells)))) for at, column in enumerate(columns)]
    numeric = [not isinstance(rows[0][column], str) for column in columns]
    for line in (columns, ["-" * width for width in widths], *cells):
        padded = (
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        )
        print("  ".join(padded).rstrip())


def _cell(value: str | float) -> str:
    if isinstance(value, float):
        return f"{value:.2f}" if value < 100 else f"{value:.0f}"
    return str(value)
