"""A reader beside an overwrite: one transaction is never seen half, two are; who hardly read saw nothing."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import RowJudgement
from certification_pipeline.evidence.trials import TrialVerdict, crash_results
from certification_pipeline.harness.exploration import reader
from tests.exploration.conftest import Lab

pytestmark = pytest.mark.integration

REFRESH = Strategy.FULL_REFRESH


def test_one_transaction_is_never_seen_half(lab: Lab) -> None:
    explored = lab.explore("rec.partial_replace", REFRESH)
    line = explored.bench.crash_line
    assert line is not None
    assert line.whole
    assert {(key.action, key.folder) for key in line.planned()} == {
        ("kill_before", "kept"),
        ("kill_after", "kept"),
    }
    assert explored.outcome is Outcome.PASSED
    reading = [fault for fault in explored.bench.faults if fault.fault == "reader.concurrent"]
    assert len(reading) == 1 + len(line.trials)
    assert all(fault.witness and int(str(fault.witness["readings"])) >= 3 for fault in reading)


def test_a_table_that_is_emptied_first_is_seen_torn(lab: Lab) -> None:
    explored = lab.explore("rec.partial_replace", REFRESH, "empties_first")
    torn = [
        judgement
        for judgement in explored.bench.judgements
        if isinstance(judgement, RowJudgement) and judgement.anomalies.get(Anomaly.TORN)
    ]
    assert torn
    sample = torn[-1].samples[0]
    assert sample.actual == "an empty table"
    assert "after the load began" in str(sample.key["read"])
    assert TrialVerdict.TORN in {result.verdict for result in crash_results(explored.cell)}
    assert explored.outcome is Outcome.FAILED


def test_a_reader_who_hardly_read_has_seen_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "READINGS", 1_000_000)
    explored = lab.explore("rec.partial_replace", REFRESH, "empties_first")
    assert explored.reason is ReasonCode.NO_WITNESS
    assert explored.outcome is Outcome.CANT_TELL
