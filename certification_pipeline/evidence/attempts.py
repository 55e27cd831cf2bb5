"""Reruns: what a cell's earlier attempts say about its newest one (law 9)."""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import Attempt, CellEvidence


def carry_attempts(previous: CellEvidence | None, new: CellEvidence) -> CellEvidence:
    """``new`` with the history of ``previous``, and the outcome that follows from both.

    History is carried while the same cell of the same subject is judged by the same version of its
    scenario. Seed, rows and plan may differ: reseeding until it is green must not hide a failure.
    """
    attempts = _history(previous, new) if previous is not None else new.attempts
    carried = new.model_copy(update={"attempts": attempts})
    outcome = carried.recompute()
    return carried.model_copy(update={"outcome": outcome, "passed": outcome is Outcome.PASSED})


def _history(previous: CellEvidence, new: CellEvidence) -> tuple[Attempt, ...]:
    same = (previous.key, previous.subject, previous.release_id, previous.scenario_version)
    if same != (new.key, new.subject, new.release_id, new.scenario_version):
        return new.attempts
    last = Attempt(run_id=previous.run_id, finished_at=previous.finished_at, outcome=previous.judged())
    this = (new.run_id, new.finished_at)
    known = {
        (attempt.run_id, attempt.finished_at): attempt
        for attempt in (*previous.attempts, last, *new.attempts)
    }
    known.pop(this, None)  # writing the same attempt again is not a rerun
    return tuple(sorted(known.values(), key=lambda attempt: attempt.finished_at))
