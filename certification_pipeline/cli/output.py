"""Where answers go: tables and JSON on standard output, everything else on standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence

import pandas as pd
from pydantic import JsonValue
from rich.console import Console

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.cli.options import Format
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.gates.exit_code import exit_code
from certification_pipeline.report.markdown import cell_text
from certification_pipeline.report.terminal import print_decision, print_frame


def console() -> Console:
    """The console of answers; wide in a pipe: nothing is folded for a screen that is not there."""
    return Console() if sys.stdout.isatty() else Console(width=200)


def show(frame: pd.DataFrame, form: Format, *, index: bool = True, empty: str = "nothing to show") -> None:
    """A frame as a table, or as a JSON list of rows."""
    if form is Format.TABLE:
        print_frame(console(), frame, index=index, empty=empty)
        return
    rows = frame.reset_index() if index else frame
    emit([{str(k): _plain(v) for k, v in row.items()} for row in rows.to_dict("records")])


def answer(decisions: Sequence[Decision], form: Format) -> int:
    """Decisions as JSON, or each with its blockers; returns the exit code."""
    if form is Format.JSON:
        emit([decision.model_dump(mode="json") for decision in decisions])
    else:
        for decision in decisions:
            print_decision(console(), decision)
    return exit_code(Outcome.worst(decision.outcome for decision in decisions))


def emit(value: JsonValue | Mapping[str, JsonValue]) -> None:
    """JSON on standard output, nothing else."""
    sys.stdout.write(json.dumps(value, indent=2, ensure_ascii=False, default=str) + "\n")


def _plain(value: object) -> JsonValue:
    if isinstance(value, bool | int | str) or value is None:
        return value
    if isinstance(value, float):
        return None if pd.isna(value) else value
    return cell_text(value)
