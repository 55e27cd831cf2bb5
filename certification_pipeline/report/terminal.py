"""The same frames and groups on a terminal, and the one screen a run ends with.

Everything that comes from evidence goes through :func:`visible` into ``Text``: no markup and no control
character of a row can reach the terminal.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.next_step import sign_release
from certification_pipeline.evidence.summary import UNSIGNED, ReleaseSummary, author_in_words
from certification_pipeline.report.causes import Sample, causes, reasons
from certification_pipeline.report.families import MATRIX, FamilyView
from certification_pipeline.report.in_short import in_short
from certification_pipeline.report.many import failures_in_short, subjects_table, worst_first
from certification_pipeline.report.markdown import cell_text
from certification_pipeline.report.release import ReleaseView, SubjectView
from certification_pipeline.report.tables import cells_text, key_text, matrix_pivot, next_steps
from certification_pipeline.report.tally import LEGEND, SYMBOL, VERDICT, Tally
from certification_pipeline.report.visible import both_sides, plain, visible

FEW = 3
"""Subjects that are told one by one, each with its matrix; of more, a line each and what stands out."""
BLOCKERS = 10
DETAILS = 3
LONGEST_BLOCKER = 240
SHOWN = 5
"""Causes, gaps and steps shown on the screen; the rest is counted and in the HTML report."""

STYLE: dict[Outcome, str] = {
    Outcome.PASSED: "green",
    Outcome.FAILED: "bold red",
    Outcome.CANT_TELL: "yellow",
    Outcome.UNTESTED: "bright_black",
    Outcome.INAPPLICABLE: "bright_black",
}


def frame_table(frame: pd.DataFrame, *, index: bool = True, title: str | None = None) -> Table:
    """A frame as a Rich table; numbers to the right, tallies coloured by their worst outcome."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    if index:
        table.add_column(str(frame.index.name or ""), no_wrap=True)
    for name in frame.columns:
        numeric = pd.api.types.is_numeric_dtype(frame[name])
        table.add_column(str(name), justify="right" if numeric else "left", overflow="fold")
    for name, row in zip(frame.index, frame.itertuples(index=False, name=None), strict=True):
        cells: list[Text] = [_cell(value) for value in row]
        table.add_row(*([Text(visible(str(name)))] if index else []), *cells)
    return table


def print_frame(
    console: Console, frame: pd.DataFrame, *, index: bool = True, empty: str = "nothing to show"
) -> None:
    """Print a frame, or one line when it is empty."""
    console.print(frame_table(frame, index=index) if not frame.empty else Text(empty))


def final_screen(console: Console, release: ReleaseView, report: Path | None) -> None:
    """Print what is certified, what is not and why, what is untested, what to do next, where to read on."""
    if len(release.subjects) > FEW:
        _many(console, release)
    else:
        _verdicts(console, release)
        for subject in release.subjects:
            _held_to(console, subject)
        for subject in release.subjects:
            _failures(console, subject)
        for subject in release.subjects:
            _families(console, subject)
    _open(console, release)
    _next(console, release)
    _authors(console, release)
    if report is not None:
        console.print(Text.assemble(("\nReport  ", "bold"), str(report)), soft_wrap=True)


def print_decision(console: Console, decision: Decision) -> None:
    """One gate's decision: verdict, then each blocker with its next step."""
    outcome = decision.outcome
    text = Text(f"{SYMBOL[outcome]} {outcome.value}", STYLE[outcome])
    text.append(
        f" {decision.KIND} of {visible(decision.subject.engine)} {visible(decision.subject.version)}", "bold"
    )
    text.append(f"  release {visible(decision.release_id)}", "default")
    console.print(text, soft_wrap=True)
    if isinstance(decision, ReleaseSummary):
        _line(console, Text(f"signed: {visible(author_in_words(decision))}", "dim"))
        if decision.signed_by is None:
            told = f"    → {visible(sign_release(decision.release_id))}"
            console.print(Text(told, "dim"), soft_wrap=True)
    for blocker in decision.blockers[:BLOCKERS]:
        _line(console, Text(visible(blocker.code), "red"))
        _line(console, Text(visible(blocker.message)), 4)
        console.print(Text(f"    → {visible(blocker.next_step)}", "cyan"), soft_wrap=True)
    if len(decision.blockers) > BLOCKERS:
        _line(console, Text(f"… and {len(decision.blockers) - BLOCKERS} more blockers, in the file", "dim"))


def _many(console: Console, release: ReleaseView) -> None:
    """One line a subject, the worst first; then one line a cause, and the families that are not green."""
    _head(console, release)
    subjects = worst_first(release.subjects)
    console.print(_indent(frame_table(subjects_table(subjects), index=False)))
    if red := failures_in_short(subjects):
        _heading(console, "What failed")
    for what, where in red:
        _line(console, Text.assemble((visible(what), "red"), (f"  {where}", "dim")))
    for subject in subjects:
        _families(console, subject, every=False)


def _verdicts(console: Console, release: ReleaseView) -> None:
    _head(console, release)
    for subject in release.subjects:
        outcome = subject.outcome
        text = Text(f"{SYMBOL[outcome]} {VERDICT[outcome]:<14}", STYLE[outcome])
        text.append(f" {name_of(subject)}", "default bold")
        text.append(f"  {subject.tally.words}", "default")
        console.print(text, soft_wrap=True)
    if not release.subjects:
        console.print("No subject has evidence in this release: nothing is certified.")


def _head(console: Console, release: ReleaseView) -> None:
    head = Text.assemble(("\nRelease ", "bold"), (visible(release.release_id), "bold"))
    if release.subjects:
        plan = release.subjects[0].plan
        head.append(f"  profile {plan.profile}, {plan.rows:,} rows, seed {plan.seed}")
    console.print(head, soft_wrap=True)


def _held_to(console: Console, subject: SubjectView) -> None:
    """Routes and strategies that were run. Strategies go down: there are more of them than routes."""
    if subject.ran:
        _heading(console, f"{name_of(subject)} by strategy and route")
        pivot = matrix_pivot(subject.ran, "strategy").T
        pivot.index.name = "strategy"
        pivot.columns = [name.replace("_to_", " → ") for name in pivot.columns]
        console.print(_indent(frame_table(pivot)))
        console.print(_indent(Text(LEGEND, "dim")))


def _failures(console: Console, subject: SubjectView) -> None:
    red = causes(subject)
    if not red:
        return
    _heading(
        console,
        f"{name_of(subject)} failed {cells_text(len(subject.failed))}, for {_plural(len(red), 'cause')}",
    )
    for number, cause in enumerate(red[:SHOWN], start=1):
        rows = "".join(
            f", {count:,} rows {anomaly.value.replace('_', ' ')}" for anomaly, count in cause.anomalies
        )
        _line(
            console,
            Text.assemble(
                (f"{number}. {visible(cause.title)}", "red"), f"  {cells_text(len(cause.lines))}{rows}"
            ),
        )
        _line(console, Text(f"{cause.where}; {', '.join(cause.scenarios)}", "dim"), 5)
        if cause.known:
            _line(console, Text(f"known: {cause.known} ({cause.findings[0].document})", "dim"), 5)
        if cause.samples:
            _line(console, _sample(cause.samples[0]), 5)
        elif cause.facts:
            _line(console, Text(cause.facts[0]), 5)
    _more(console, len(red), "causes")


def _sample(sample: Sample) -> Text:
    row = sample.row
    expected, actual = both_sides(row)
    column = f" {visible(row.column)}" if row.column else ""
    text = Text(f"{visible(sample.step)}: {key_text(row.key)}{column}: expected ")
    text.append(plain(expected), "green").append(", found ").append(plain(actual), "red")
    return text


def _families(console: Console, subject: SubjectView, *, every: bool = True) -> None:
    """One line a family; one that is not green says what stands in the way first, and the way on."""
    if not [view for view in subject.families if every or _told(view)]:
        return
    _heading(console, f"{name_of(subject)}, evidence families")
    width = max(len(view.title) for view in subject.families)
    said: set[str] = set()
    for view in subject.families:
        if not (every or _told(view)):
            continue
        text = Text(f"{SYMBOL[view.outcome]} {view.title:<{width}}", STYLE[view.outcome])
        text.append(f"  {visible(in_short(view))}", "default")
        _line(console, text)
        if not _told(view) or view.blockers[0].next_step in said:
            continue  # what a bundle holds was told of the artifact itself
        said.add(view.blockers[0].next_step)
        first, more = view.blockers[0], len(view.blockers) - 1
        others = f" (and {more} more)" if more else ""
        _line(console, Text(f"{visible(first.message[:LONGEST_BLOCKER])}{others}", "dim"), 4)
        console.print(Text(f"    → {visible(first.next_step)}", "cyan"), soft_wrap=True)


def _told(view: FamilyView) -> bool:
    """Of the matrix, each cause is told by itself."""
    return view.name != MATRIX and bool(view.blockers)


def _open(console: Console, release: ReleaseView) -> None:
    found = reasons(release.subjects)
    if not found:
        return
    _heading(console, f"No verdict for {cells_text(sum(len(gap.lines) for gap in found))}")
    for gap in found[:SHOWN]:
        _line(
            console,
            Text(
                f"{SYMBOL[gap.outcome]} {cells_text(len(gap.lines))}: {visible(gap.title)}",
                STYLE[gap.outcome],
            ),
        )
        if gap.details:
            more = f"; {len(gap.details) - DETAILS} more" if len(gap.details) > DETAILS else ""
            _line(console, Text(f"{visible('; '.join(gap.details[:DETAILS]))}{more}", "dim"), 4)
        if gap.remedy:
            _line(console, Text(f"→ {visible(gap.remedy)}"), 4)
    _more(console, len(found), "reasons")


def _next(console: Console, release: ReleaseView) -> None:
    whole = next_steps(release)
    told = {view.blockers[0].next_step for s in release.subjects for view in s.families if _told(view)}
    frame = whole[~whole["do"].isin(told)]
    _heading(console, "What to do next")
    if whole.empty:
        _line(console, Text("Nothing is open." if release.subjects else "certify run"))
    elif frame.empty:
        _line(console, Text("What the families above say."))
    for number, step in enumerate(frame.head(SHOWN).itertuples(index=False), start=1):
        _line(console, Text(f"{number}. {visible(str(step.why))} ({step.engine})", "dim"))
        # Never wrapped by us: a command must survive being copied.
        console.print(Text(f"     {visible(str(step.do))}", "cyan"), soft_wrap=True)
    _more(console, len(frame), "steps")


def _authors(console: Console, release: ReleaseView) -> None:
    """Who signed, or that nobody did: evidence without an author must not look like evidence with one."""
    if unsigned := [name_of(subject) for subject in release.subjects if subject.unsigned]:
        whose = "" if len(unsigned) == len(release.subjects) else f"  ({', '.join(unsigned)})"
        console.print(Text.assemble(("\nSigned  ", "bold"), (UNSIGNED, "yellow"), whose), soft_wrap=True)
        console.print(Text(f"    → {visible(sign_release(release.release_id))}", "cyan"), soft_wrap=True)
    for author in dict.fromkeys(s.author for s in release.subjects if not s.unsigned):
        console.print(Text.assemble(("\nSigned  ", "bold"), visible(author)), soft_wrap=True)


def name_of(subject: SubjectView) -> str:
    """``dlt 1.20.0``."""
    return visible(f"{subject.subject.engine} {subject.subject.version}")


def _cell(value: object) -> Text:
    if isinstance(value, Tally):
        return Text(str(value), STYLE[value.outcome] if value.outcome else "")
    return Text(cell_text(value))


def _plural(count: int, what: str) -> str:
    return f"{count} {what}" + ("" if count == 1 else "s")


def _more(console: Console, total: int, what: str) -> None:
    if total > SHOWN:
        _line(console, Text(f"… and {total - SHOWN} more {what}, in the report", "dim"))


def _heading(console: Console, text: str) -> None:
    console.print(Text(f"\n{text}", "bold"))


def _line(console: Console, text: Text, indent: int = 2) -> None:
    console.print(_indent(text, indent))


def _indent(item: RenderableType, by: int = 2) -> Padding:
    return Padding(item, (0, 0, 0, by), expand=False)
