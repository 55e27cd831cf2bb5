"""An upgrade as a page: what turned red first, then the rest of what changed, then whether state resumes."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import pandas as pd
from pydantic import JsonValue

from certification_pipeline.catalog.engines import unversioned
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.report.diff import (
    REGRESSIONS,
    Change,
    SubjectDiff,
    changes_table,
    compare_subjects,
    facts_table,
)
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import CellLine, SubjectView
from certification_pipeline.report.tables import cells_table
from certification_pipeline.report.tally import SYMBOL, WORD

UPGRADE_PAGE = "upgrade.md"
"""Beside the engines of the release that certifies the upgrade."""
_GREEN = (Change.FIXED, Change.NOW_PASSES)


@dataclass(frozen=True)
class Upgrade:
    """The version before and the new one; ``state``: the new one going on from an earlier one's state."""

    before: SubjectView
    after: SubjectView
    state: SubjectView | None
    note: str
    """From whose state, or why that was not tested."""

    @cached_property
    def diff(self) -> SubjectDiff:
        """Cell by cell."""
        return compare_subjects(self.before, self.after)

    @property
    def resumed(self) -> tuple[CellLine, ...]:
        """The cells that went on from an earlier version's state."""
        if self.state is None:
            return ()
        return tuple(line for line in self.state.lines if line.planned.disposition == "run")

    @property
    def outcome(self) -> Outcome:
        """Failed with a regression or a state that is not taken over; ``cantTell`` with nothing compared."""
        return Outcome.worst((self.diff.outcome, *(line.outcome for line in self.resumed)))

    @property
    def said(self) -> str:
        """``2 cells that passed do not any more; 14 cells compared; state: 3 of 3 passed``."""
        regressed = len(self.diff.regressions)
        first = f"{regressed} cells that passed do not any more" if regressed else "no regression"
        if not self.diff.compared:
            first = "no cell has a verdict on both sides"
        passed = sum(line.outcome is Outcome.PASSED for line in self.resumed)
        state = f"{passed} of {len(self.resumed)} passed" if self.resumed else "not tested"
        return f"{first}; {self.diff.compared} cells compared; state: {state}"

    def document(self) -> JsonValue:
        """For machines."""
        return {
            "outcome": self.outcome.value,
            "said": self.said,
            "diff": self.diff.document(),
            "state": {
                "note": self.note,
                "release_id": self.state.plan.release_id if self.state else None,
                "cells": [
                    {"cell": line.key.cell_id, "outcome": line.outcome.value, "detail": line.detail}
                    for line in self.resumed
                ],
            },
        }


def regressions_table(upgrade: Upgrade) -> pd.DataFrame:
    """Every cell that is not the same, those that passed and do not any more first."""
    return changes_table(upgrade.diff)


def state_table(upgrade: Upgrade) -> pd.DataFrame:
    """One row a cell that went on from an earlier version's state."""
    return cells_table(upgrade.resumed)[["outcome", "route", "strategy", "why", "seconds"]]


def upgrade_markdown(upgrade: Upgrade) -> str:
    """The whole page."""
    diff, frame = upgrade.diff, changes_table(upgrade.diff)
    left, right = upgrade.before, upgrade.after

    def part(title: str, *kinds: Change) -> list[str]:
        chosen = frame[frame["what"].isin([kind.value for kind in kinds])]
        return [f"## {title}", frame_markdown(chosen, index=False)]

    rest = [kind for kind in Change if kind not in {*REGRESSIONS, *_GREEN, Change.SAME}]
    counts = ", ".join(f"{number} {kind.value}" for kind, number in diff.counts.items()) or "no cell"
    parts = [
        f"# Upgrade of {unversioned(right.subject.engine)}: {left.subject.version} → {right.subject.version}",
        f"{SYMBOL[upgrade.outcome]} **{WORD[upgrade.outcome]}**: {upgrade.said}.",
        f"Before: release {left.plan.release_id}; after: release {right.plan.release_id}; "
        f"{right.plan.rows:,} rows, seed {right.plan.seed}. {counts}.",
        *part("Turned red", Change.BROKE, Change.LOST),
        *part("Turned green", *_GREEN),
        *part("Otherwise different", *rest),
        "## The state of an earlier version",
        upgrade.note,
        *([frame_markdown(state_table(upgrade), index=False)] if upgrade.resumed else []),
        "## What else differs",
        frame_markdown(facts_table(diff), index=False),
    ]
    return "\n\n".join(parts) + "\n"
