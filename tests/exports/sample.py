"""A release with every outcome, at fixed times, and with texts no format likes."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import Attempt
from certification_pipeline.evidence.exports.release import ExportedSubject
from certification_pipeline.evidence.store import SubjectDir
from certification_pipeline.gates.exported import exported
from tests.evidence.builders import START, cell, check, key, planned, provenance, release, row_judgement
from tests.gates.releases import decide

ODD = 'lost\x00\x1b[31m <row> & "quote" ]]> \ud800 \ufffe \r\n\tnext'

CELLS = (
    planned(key()),
    planned(key(Strategy.INCREMENTAL_MERGE, "incr.cursor_ties")),
    planned(key(Strategy.SCD2, "obs.counts")),
    planned(key(Strategy.BACKFILL, "strategy.backfill")),
    planned(key(Strategy.CDC, "strategy.cdc"), "inapplicable", False, ReasonCode.NOT_DECLARED),
    planned(key(sink="clickhouse"), "untested", False, ReasonCode.SERVICE_UNAVAILABLE),
)
"""Passed, failed, broken bench, flaky, not claimed, out of reach."""


def every_outcome(root: Path) -> SubjectDir:
    directory, plan = release(root, CELLS, without=CELLS[3].key.cell_id)
    directory.write(cell(plan, CELLS[1], (row_judgement(), check(passes=False)), minutes=11))
    directory.write(
        cell(
            plan, CELLS[2], (), minutes=11, reason=ReasonCode.HARNESS_ERROR, detail="<the bench> broke & fell"
        )
    )
    before = Attempt(run_id="run-0", finished_at=START + timedelta(minutes=5), outcome=Outcome.FAILED)
    directory.write(cell(plan, CELLS[3], minutes=12, attempts=(before,)))
    decide(directory)
    return directory


def sample(root: Path) -> ExportedSubject:
    return exported(every_outcome(root), provenance(70))


def saying(subject: ExportedSubject, text: str) -> ExportedSubject:
    """The same, with ``text`` wherever somebody outside may have a say."""
    rows = tuple(
        row.model_copy(update={"detail": text, "remedy": text, "case_id": f"{row.case_id}{text}"})
        for row in subject.report.results
    )
    named = subject.report.subject.model_copy(update={"version": text, "artifact_digest": text})
    report = subject.report.model_copy(update={"results": rows, "subject": named, "profile": text})
    blockers = tuple(b.model_copy(update={"message": text}) for b in subject.summary.blockers)
    return ExportedSubject(
        report, subject.summary.model_copy(update={"blockers": blockers}), subject.attempts
    )
