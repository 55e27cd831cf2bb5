"""Many subjects in one release, told in a line each: the worst first, and what stands out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pandas as pd

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.report.causes import causes
from certification_pipeline.report.release import SubjectView
from certification_pipeline.report.tables import cells_text
from certification_pipeline.report.tally import SYMBOL, VERDICT, WORD, WORST_FIRST

CAUSES_OF_ONE = 3
"""Causes told of each subject; the rest is counted."""


def worst_first(subjects: Iterable[SubjectView]) -> list[SubjectView]:
    """By verdict, then by how much failed and how much is undecided."""

    def trouble(subject: SubjectView) -> tuple[int, int, int, str]:
        red, unclear = subject.tally.count(Outcome.FAILED), subject.tally.count(Outcome.CANT_TELL)
        return WORST_FIRST.index(subject.outcome), -red, -unclear, subject.subject.engine

    return sorted(subjects, key=trouble)


def subjects_table(subjects: Sequence[SubjectView]) -> pd.DataFrame:
    """One row a subject, in the given order: verdict, engine, version, cells by outcome."""
    shown = [outcome for outcome in WORST_FIRST if any(s.tally.count(outcome) for s in subjects)]
    return pd.DataFrame(
        [
            {
                "verdict": f"{SYMBOL[subject.outcome]} {VERDICT[subject.outcome]}",
                "engine": subject.subject.engine,
                "version": subject.subject.version,
                **{WORD[outcome]: subject.tally.count(outcome) for outcome in shown},
            }
            for subject in subjects
        ]
    )


def failures_in_short(subjects: Iterable[SubjectView]) -> list[tuple[str, str]]:
    """What failed, one pair a cause: ``engine: what went wrong``, and how many cells and where."""
    lines: list[tuple[str, str]] = []
    for subject in subjects:
        found = causes(subject)
        name = subject.subject.engine
        for cause in found[:CAUSES_OF_ONE]:
            known = f"known: {cause.known}; " if cause.known else ""
            lines.append((f"{name}: {cause.title}", f"{known}{cells_text(len(cause.lines))}; {cause.where}"))
        if len(found) > CAUSES_OF_ONE:
            lines.append((f"{name}: {len(found) - CAUSES_OF_ONE} more causes", "in the report"))
    return lines
