"""The tables people read, as pandas frames; terminal, Markdown, HTML and Dagster render the same frames.

Pivots hold :class:`Tally` values, so that a renderer can colour what ``str()`` already says.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from typing import Literal

import pandas as pd

from certification_pipeline.catalog.matrix import MatrixPairs
from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.cell import CellKey, CheckJudgement, RowJudgement
from certification_pipeline.evidence.next_step import rerun_cell
from certification_pipeline.report.causes import REASON_TITLES, Sample, causes, gaps, reasons, title_of
from certification_pipeline.report.in_short import in_short
from certification_pipeline.report.release import CellLine, ReleaseView, SubjectView
from certification_pipeline.report.tally import SYMBOL, WORD, Tally
from certification_pipeline.report.visible import compare, plain

Axis = Literal["strategy", "scenario"]

COUNTED_CLAIMS = (
    "extracted_rows",
    "loaded_rows",
    "final_rows",
    "inserted_rows",
    "updated_rows",
    "deleted_rows",
)
"""Run record fields (DESIGN section 7) that are row counts."""


def matrix_pivot(lines: Iterable[CellLine], columns: Axis) -> pd.DataFrame:
    """Route x strategy (or scenario), values :class:`Tally`; only combinations that exist have counts."""
    names: dict[Axis, Callable[[CellKey], str]] = {
        "strategy": lambda key: key.strategy.value,
        "scenario": lambda key: key.scenario,
    }
    order = {strategy.value: at for at, strategy in enumerate(Strategy)}
    frame = _pivot(
        ((line.key.route_id, names[columns](line.key), line.outcome) for line in lines),
        column_order=lambda name: (order.get(name, len(order)), name),
    )
    frame.index.name, frame.columns.name = "route", columns
    return frame


def release_matrix(release: ReleaseView, by: Axis) -> pd.DataFrame:
    """All subjects' matrices in one frame: engine, strategy (or scenario), then one column a route.

    Routes on which nothing could run here are left out while there are others: they are in the seeds' matrix.
    """
    parts = []
    for subject in release.subjects:
        pivot = (
            matrix_pivot(subject.ran or subject.lines, by).T.rename_axis(index=by, columns=None).reset_index()
        )
        pivot.insert(0, "engine", subject.subject.engine)
        parts.append(pivot)
    if not parts:
        return pd.DataFrame(columns=["engine", by])
    frame = pd.concat(parts, ignore_index=True)
    return frame.astype(object).where(frame.notna(), "")


def release_seeds_matrix(release: ReleaseView, matrix: MatrixPairs) -> pd.DataFrame:
    """All subjects' seeds' matrices in one frame: engine, source, then one column a sink."""
    parts = []
    for subject in release.subjects:
        grid = seeds_matrix(subject.lines, matrix).rename_axis(columns=None).reset_index()
        grid.insert(0, "engine", subject.subject.engine)
        parts.append(grid)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["engine", "source"])


def seeds_matrix(lines: Iterable[CellLine], matrix: MatrixPairs) -> pd.DataFrame:
    """Source x sink, values :class:`Tally` over the seeds' cases; a case nobody planned is untested.

    A case is the cell of the strategy's own scenario: what else is asked of a route is not the seeds'.
    """
    outcomes: dict[tuple[str, str, Strategy], list[Outcome]] = defaultdict(list)
    for line in lines:
        if line.key.scenario == f"strategy.{line.key.strategy}":
            outcomes[line.key.source, line.key.sink, line.key.strategy].append(line.outcome)
    frame = _pivot(
        (
            (source, sink, Outcome.worst(outcomes[source, sink, strategy]))
            for source, sink, strategy in matrix.cases()
        ),
    )
    frame = frame.reindex(index=list(matrix.sources), columns=list(matrix.sinks))
    frame = frame.map(lambda value: value if isinstance(value, Tally) else Tally())
    frame.index.name, frame.columns.name = "source", "sink"
    return frame


def cells_table(lines: Iterable[CellLine]) -> pd.DataFrame:
    """One row a cell, in the given order (a subject's lines come worst first)."""
    rows = [
        {
            "outcome": f"{SYMBOL[line.outcome]} {WORD[line.outcome]}",
            "engine": line.key.engine,
            "route": line.key.route_id,
            "strategy": line.key.strategy.value,
            "scenario": line.key.scenario,
            "seconds": line.seconds,
            "why": why(line),
            "finding": ", ".join(finding.id for finding in line.findings),
        }
        for line in lines
    ]
    return pd.DataFrame(
        rows, columns=["outcome", "engine", "route", "strategy", "scenario", "seconds", "why", "finding"]
    )


def why(line: CellLine) -> str:
    """One phrase for anything that is not a pass; empty for a pass."""
    if line.outcome is Outcome.PASSED:
        return ""
    if line.outcome is Outcome.FAILED:
        return title_of(line)
    if line.flaky:
        return "flaky: failed before, passed now"
    parts = [REASON_TITLES[line.reason] if line.reason else "", line.detail]
    return ": ".join(dict.fromkeys(part for part in parts if part))


def anomalies_table(samples: Iterable[Sample]) -> pd.DataFrame:
    """One row a sampled anomaly, values made visible."""
    rows = []
    for sample in samples:
        expected, actual = compare(sample.row.expected, sample.row.actual)
        rows.append(
            {
                "cell": sample.line.key.cell_id,
                "step": sample.step,
                "anomaly": sample.row.anomaly.value,
                "key": key_text(sample.row.key),
                "column": sample.row.column or "whole row",
                "expected": plain(expected) if sample.row.column else "",
                "actual": plain(actual) if sample.row.column else "",
            }
        )
    return pd.DataFrame(rows, columns=["cell", "step", "anomaly", "key", "column", "expected", "actual"])


def key_text(key: dict[str, str | None]) -> str:
    """``id=42, region=eu``, values made visible and capped."""
    return ", ".join(f"{name}={plain(compare(value, value)[0])}" for name, value in key.items())


def causes_table(subject: SubjectView) -> pd.DataFrame:
    """Why cells failed: one row a cause."""
    rows = [
        {
            "what went wrong": cause.title,
            "cells": len(cause.lines),
            "rows": sum(count for _, count in cause.anomalies),
            "strategies": ", ".join(cause.strategies),
            "scenarios": ", ".join(cause.scenarios),
            "see it again": cause.command,
        }
        for cause in causes(subject)
    ]
    return pd.DataFrame(
        rows, columns=["what went wrong", "cells", "rows", "strategies", "scenarios", "see it again"]
    )


def gaps_table(subject: SubjectView) -> pd.DataFrame:
    """Cells without a verdict: one row a reason and remedy."""
    rows = [
        {
            "outcome": f"{SYMBOL[gap.outcome]} {WORD[gap.outcome]}",
            "cells": len(gap.lines),
            "reason": gap.title,
            "what would help": gap.remedy,
        }
        for gap in gaps(subject)
    ]
    return pd.DataFrame(rows, columns=["outcome", "cells", "reason", "what would help"])


def claims_table(subject: SubjectView) -> pd.DataFrame:
    """What the engine reported against what the oracle counted, one row a run record field.

    ``agree`` and ``differ`` count the checks of that field against the oracle's counts; for ``final_rows``
    every load whose sink the oracle read. A field nobody reported shows ``0 of n``.
    """
    loads = 0
    reported: Counter[str] = Counter()
    agree: Counter[str] = Counter()
    differ: Counter[str] = Counter()
    for line in subject.lines:
        evidence = line.evidence
        for number, load in enumerate(evidence.loads if evidence else (), start=1):
            if load.ended != "result":
                continue
            loads += 1
            reported.update(f for f in COUNTED_CLAIMS if load.record and load.record.get(f) is not None)
            counted = sink_rows(line, number)
            claimed = (load.record or {}).get("final_rows")
            if counted is not None and claimed is not None:
                (agree if counted == claimed else differ)["final_rows"] += 1
        for judgement in evidence.judgements if evidence else ():
            if not isinstance(judgement, CheckJudgement) or judgement.comparison != "equal":
                continue
            if judgement.name in COUNTED_CLAIMS and judgement.name != "final_rows":
                (agree if judgement.outcome is Outcome.PASSED else differ)[judgement.name] += 1
    rows = [
        {"field": f, "reported": f"{reported[f]} of {loads}", "agree": agree[f], "differ": differ[f]}
        for f in COUNTED_CLAIMS
    ]
    return pd.DataFrame(rows, columns=["field", "reported", "agree", "differ"])


def sink_rows(line: CellLine, load: int) -> int | None:
    """Rows the oracle read in the sink right after the n-th load; ``None`` when it judged no rows there."""
    judgement = judged_after(line, load)
    return judgement.actual.rows if judgement and not judgement.remark else None


def judged_after(line: CellLine, load: int) -> RowJudgement | None:
    """The oracle's first row judgement after the n-th load (its step says ``after load n``)."""
    for judgement in line.evidence.judgements if line.evidence else ():
        if isinstance(judgement, RowJudgement) and re.match(rf"after load {load}\b", judgement.step):
            return judgement
    return None


def next_steps(release: ReleaseView) -> pd.DataFrame:
    """What to do: a command a cause, then the blockers, then what would give the rest a verdict."""
    steps: dict[str, tuple[str, str]] = {}
    for subject in release.subjects:
        for cause in causes(subject):
            text = f"{cells_text(len(cause.lines))} failed: {cause.title}"
            steps.setdefault(cause.command, (subject.subject.engine, text))
    for subject in release.subjects:
        reruns = {rerun_cell(line.key, subject.plan.release_id) for line in subject.failed}
        for view in subject.families:
            for blocker in view.blockers:
                if blocker.next_step not in reruns:
                    what = f"{view.title}: {blocker.message}"
                    steps.setdefault(blocker.next_step, (subject.subject.engine, what))
        for blocker in subject.blockers:
            if blocker.next_step in reruns:
                continue  # a cause says it better
            steps.setdefault(blocker.next_step, (subject.subject.engine, blocker.message))
    for gap in reasons(release.subjects):
        if gap.remedy:
            text = f"{cells_text(len(gap.lines))} {WORD[gap.outcome]}: {gap.title}"
            engines = sorted({line.key.engine for line in gap.lines})
            steps.setdefault(gap.remedy, (", ".join(engines), text))
    rows = [{"engine": engine, "why": text, "do": step} for step, (engine, text) in steps.items()]
    return pd.DataFrame(rows, columns=["engine", "why", "do"])


def families_table(subject: SubjectView) -> pd.DataFrame:
    """One row an evidence family: outcome, figures in short, the first blocker and what to do about it."""
    rows = [
        {
            "family": view.title,
            "outcome": f"{SYMBOL[view.outcome]} {WORD[view.outcome] if view.present else 'not there'}",
            "in short": in_short(view),
            "blockers": len(view.blockers),
            "why": view.blockers[0].message if view.blockers else "",
            "do": view.blockers[0].next_step if view.blockers else "",
        }
        for view in subject.families
    ]
    return pd.DataFrame(rows, columns=["family", "outcome", "in short", "blockers", "why", "do"])


def cells_text(count: int) -> str:
    """``1 cell``, ``2 cells``."""
    return f"{count:,} cell" + ("" if count == 1 else "s")


def _pivot(
    entries: Iterable[tuple[str, str, Outcome]],
    column_order: Callable[[str], tuple[int, str]] | None = None,
) -> pd.DataFrame:
    groups: dict[tuple[str, str], list[Outcome]] = defaultdict(list)
    for row, column, outcome in entries:
        groups[row, column].append(outcome)
    rows = list(dict.fromkeys(row for row, _ in groups))
    columns = list(dict.fromkeys(column for _, column in groups))
    if column_order is not None:
        rows, columns = sorted(rows), sorted(columns, key=column_order)
    body = [[Tally.of(groups.get((row, column), ())) for column in columns] for row in rows]
    return pd.DataFrame(
        body, index=pd.Index(rows, dtype=object), columns=pd.Index(columns, dtype=object), dtype=object
    )
