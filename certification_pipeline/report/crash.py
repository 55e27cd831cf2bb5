"""Crash lines for people: each boundary of a load, and what became of the rows when it was broken there.

Pure: from a cell's evidence to values that terminal, Markdown and HTML render. Every verdict is worked out
from the judgements (``evidence/trials.py``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence, RowJudgement, RowSample
from certification_pipeline.evidence.delivery import DeliveryCount
from certification_pipeline.evidence.disruption import Break, CrashPoint, Folder
from certification_pipeline.evidence.trials import (
    CrashResult,
    Trial,
    TrialVerdict,
    crash_results,
    delivery_count,
)
from certification_pipeline.report.release import CellLine

SIGN: dict[TrialVerdict, str] = {
    TrialVerdict.SAFE: "✓",
    TrialVerdict.REPEATS: "r",
    TrialVerdict.GAPS: "g",
    TrialVerdict.LOST: "L",
    TrialVerdict.WRONG: "W",
    TrialVerdict.DUPLICATE: "D",
    TrialVerdict.TORN: "T",
    TrialVerdict.STUCK: "S",
    TrialVerdict.UNWITNESSED: "?",
    TrialVerdict.UNTESTED: "–",
}
MEANING: dict[TrialVerdict, str] = {
    TrialVerdict.SAFE: "safe",
    TrialVerdict.REPEATS: "repeats rows, as declared",
    TrialVerdict.GAPS: "loses rows, as declared",
    TrialVerdict.LOST: "lost rows",
    TrialVerdict.WRONG: "wrong rows",
    TrialVerdict.DUPLICATE: "duplicate rows",
    TrialVerdict.TORN: "torn: a reader saw a third state",
    TrialVerdict.STUCK: "stuck: every rerun fails",
    TrialVerdict.UNWITNESSED: "the fault did not fire",
    TrialVerdict.UNTESTED: "not tried",
}
ACTION: dict[Break, str] = {
    "kill_before": "kill before",
    "kill_after": "kill after",
    "cut_after": "cut after",
}


@dataclass(frozen=True, slots=True)
class Mark:
    """One trial, made or not."""

    action: Break
    folder: Folder
    verdict: TrialVerdict
    rows: str
    """``17 duplicate``; empty where no row was wrong."""
    healed: bool
    ended: str

    @property
    def words(self) -> str:
        """All of it, for who cannot see the drawing."""
        wrong = (
            f" ({self.rows}{', right again after the next load' if self.healed else ''})" if self.rows else ""
        )
        return f"{ACTION[self.action]}, folder {self.folder}: {MEANING[self.verdict]}{wrong}"


@dataclass(frozen=True, slots=True)
class PointView:
    """One boundary with its trials."""

    point: CrashPoint
    marks: tuple[Mark, ...]

    @property
    def worst(self) -> TrialVerdict:
        """Of its trials; ``untested`` when there are none."""
        order = list(TrialVerdict)
        return min((mark.verdict for mark in self.marks), key=order.index, default=TrialVerdict.UNTESTED)

    def signs(self, action: Break) -> str:
        """The trials of that way to break it, folder kept first; empty where none was planned."""
        return "".join(SIGN[mark.verdict] for mark in self.marks if mark.action == action)


@dataclass(frozen=True, slots=True)
class CrashView:
    """One explored cell."""

    line: CellLine
    points: tuple[PointView, ...]
    reds: tuple[tuple[CrashResult, RowJudgement, RowSample], ...]
    """Of each trial that went wrong, its first wrong judgement with a row."""
    stuck: tuple[tuple[CrashResult, str], ...] = ()
    """Trials after which every rerun failed, with what the engine said last."""

    @property
    def counts(self) -> tuple[tuple[TrialVerdict, int], ...]:
        """How many trials ended how, worst first."""
        seen = Counter(mark.verdict for point in self.points for mark in point.marks)
        return tuple((verdict, seen[verdict]) for verdict in TrialVerdict if seen[verdict])

    @property
    def sentence(self) -> str:
        """``14 boundaries, 84 trials: 4 duplicate rows, 80 safe``."""
        trials = sum(count for _, count in self.counts)
        told = ", ".join(f"{count} {MEANING[verdict]}" for verdict, count in self.counts)
        boundaries = f"{len(self.points)} boundar{'y' if len(self.points) == 1 else 'ies'}"
        return f"{boundaries}, {trials} trials: {told or 'none was made'}"


@dataclass(frozen=True, slots=True)
class DeliveryView:
    """What so many kills showed of one cell."""

    line: CellLine
    count: DeliveryCount


def crash_views(lines: Iterable[CellLine]) -> tuple[CrashView, ...]:
    """The explored cells among them, those with the worst outcome first."""
    return tuple(_view(line) for line in lines if line.evidence is not None and line.evidence.crash_line)


def delivery_views(lines: Iterable[CellLine]) -> tuple[DeliveryView, ...]:
    """The cells whose loads were killed many times."""
    return tuple(
        DeliveryView(line, count)
        for line in lines
        if line.evidence is not None and (count := delivery_count(line.evidence)) is not None
    )


def crash_table(views: Iterable[CrashView]) -> pd.DataFrame:
    """A row a boundary: each way to break the load there with a sign a trial, folder kept first."""
    rows = [
        {
            "engine": view.line.key.engine,
            "cell": view.line.key.cell_id,
            "point": one.point.number,
            "boundary": one.point.address,
            **{ACTION[action]: one.signs(action) for action in ACTION},
            "worst": one.worst.value,
        }
        for view in views
        for one in view.points
    ]
    return pd.DataFrame(rows, columns=["engine", "cell", "point", "boundary", *ACTION.values(), "worst"])


def trials_table(views: Iterable[CrashView]) -> pd.DataFrame:
    """A row a trial, with nothing folded: what a program reads."""
    rows = [
        {
            "engine": view.line.key.engine,
            "cell": view.line.key.cell_id,
            "point": one.point.number,
            "boundary": one.point.address,
            "action": mark.action,
            "folder": mark.folder,
            "ended": mark.ended,
            "verdict": mark.verdict.value,
            "rows": mark.rows,
            "healed": mark.healed,
        }
        for view in views
        for one in view.points
        for mark in one.marks
    ]
    names = ["engine", "cell", "point", "boundary", "action", "folder", "ended", "verdict", "rows", "healed"]
    return pd.DataFrame(rows, columns=names)


def delivery_table(views: Iterable[DeliveryView]) -> pd.DataFrame:
    """A row a cell: kills, what they lost and repeated, and what that proves at 95 %."""
    rows = [
        {
            "engine": view.line.key.engine,
            "cell": view.line.key.cell_id,
            "kills": view.count.n,
            "lost": _of(view.count.lost, view.count.lost_at_most),
            "repeated": _of(view.count.duplicates, view.count.duplicates_at_most),
            "otherwise wrong": _of(view.count.other, view.count.other_at_most),
        }
        for view in views
    ]
    return pd.DataFrame(rows, columns=["engine", "cell", "kills", "lost", "repeated", "otherwise wrong"])


def legend() -> str:
    """``✓ safe, r repeats rows …``."""
    return ", ".join(f"{SIGN[verdict]} {MEANING[verdict]}" for verdict in SIGN)


def _of(seen: int, bound: float) -> str:
    return f"{seen} (≤ {bound:.1%})"


def _view(line: CellLine) -> CrashView:
    assert line.evidence is not None
    assert line.evidence.crash_line is not None
    crash_line = line.evidence.crash_line
    results = crash_results(line.evidence)
    made = {result.trial.key: result for result in results}
    marks: dict[int, list[Mark]] = {}
    for key in crash_line.planned():
        found = made.get(key)
        marks.setdefault(key.point, []).append(
            Mark(
                action=key.action,
                folder=key.folder,
                verdict=found.verdict if found else TrialVerdict.UNTESTED,
                rows=_rows(found.seen) if found else "",
                healed=found.seen.healed if found else False,
                ended=found.trial.ended if found else "",
            )
        )
    points = tuple(PointView(point, tuple(marks.get(point.number, ()))) for point in crash_line.points)
    return CrashView(line, points, tuple(_reds(results)), tuple(_stuck(line.evidence, results)))


def _rows(seen: Trial) -> str:
    return ", ".join(f"{count} {anomaly.value.replace('_', ' ')}" for anomaly, count in seen.rows.items())


def _stuck(cell: CellEvidence, results: Iterable[CrashResult]) -> Iterator[tuple[CrashResult, str]]:
    for result in results:
        if result.verdict is TrialVerdict.STUCK:
            said = [load.message for load in cell.loads if load.step.startswith(result.trial.step)]
            yield result, next((message for message in reversed(said) if message), "nothing")


def _reds(results: Iterable[CrashResult]) -> Iterator[tuple[CrashResult, RowJudgement, RowSample]]:
    for result in results:
        for judgement in result.seen.judgements:
            failed = isinstance(judgement, RowJudgement) and judgement.outcome is Outcome.FAILED
            if isinstance(judgement, RowJudgement) and failed and judgement.samples:
                yield result, judgement, judgement.samples[0]
                break
