"""A known defect explains what it shows, and hides nothing else."""

from __future__ import annotations

import pytest

from certification_pipeline.catalog.findings import Finding, Shows
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Anomaly, Outcome
from certification_pipeline.evidence.cell import (
    CellEvidence,
    CheckJudgement,
    Fingerprint,
    LoadEvidence,
    RowJudgement,
)
from certification_pipeline.gates.findings import explanation
from tests.report.sample import changed, make_cells, make_plan

ENGINE = load_catalog().engines["dlt"]
SAID = "Must pass schema, or at least one RecordBatch"


@pytest.fixture(scope="module")
def cell() -> CellEvidence:
    """Some cell of dlt, emptied; each test says what it shows."""
    first = next(c for c in make_cells(make_plan("dlt")) if c.key.route_id == "postgres_to_duckdb")
    return changed(first, judgements=(), loads=(), reason=None)


def rows(
    *, remark: str | None = None, columns: tuple[str, ...] = (), step: str = "after load 1", **counts: int
) -> RowJudgement:
    return RowJudgement(
        step=step,
        expected=Fingerprint(rows=2, digest="a"),
        actual=Fingerprint(rows=2, digest="b"),
        anomalies={Anomaly(name): count for name, count in counts.items()},
        columns=dict.fromkeys(columns, 1),
        remark=remark,
    )


def check(name: str, step: str = "load 1") -> CheckJudgement:
    return CheckJudgement(step=step, name=name, expected="result", observed="error: data")


def load(message: str | None, step: str = "load 1") -> LoadEvidence:
    return LoadEvidence(step=step, run_id="r", ended="error", message=message, seconds=1)


def finding(name: str = "dlt-01", **shows: object) -> Finding:
    return Finding(
        id=name,
        title="a defect",
        engine="dlt",
        versions="1.31.0",
        cause="engine",
        cells=("postgres_to_duckdb/*",),
        shows=Shows.model_validate(shows),
        reproduction="reproductions/dlt/x.py",
    )


def shown(cell: CellEvidence, *judgements: RowJudgement | CheckJudgement, loads: object = ()) -> CellEvidence:
    made = changed(cell, judgements=judgements, loads=loads)
    assert made.recompute() is Outcome.FAILED
    return made


def test_what_a_finding_says_is_explained(cell: CellEvidence) -> None:
    known = finding(anomalies=["corrupt"], columns=["c_json*"])
    seen = shown(cell, rows(corrupt=3, columns=("c_json", "c_jsonb")))
    assert [found.id for found in explanation(seen, ENGINE, [known])] == ["dlt-01"]


def test_a_new_anomaly_or_column_in_a_known_red_cell_is_not_hidden(cell: CellEvidence) -> None:
    known = finding(anomalies=["corrupt"], columns=["c_json*"])
    for judgements in (
        (rows(corrupt=3, lost=1, columns=("c_json",)),),
        (rows(corrupt=3, columns=("c_json", "c_uuid")),),
        (rows(corrupt=3, columns=("c_json",)), rows(stale=1)),
        (rows(corrupt=3, columns=("c_json",)), check("loaded_rows")),
        (rows(corrupt=3, columns=("c_json",)), rows()),
    ):
        assert explanation(shown(cell, *judgements), ENGINE, [known]) == ()


def test_a_message_explains_the_load_that_said_it_and_no_other(cell: CellEvidence) -> None:
    known = finding(message=SAID)
    ended = check("load_ended")
    assert explanation(shown(cell, ended, loads=(load(f"ValueError: {SAID}"),)), ENGINE, [known])
    for loads in ((load("disk full"),), (load(None),), (), (load(SAID, step="load 2"),)):
        assert not explanation(shown(cell, ended, loads=loads), ENGINE, [known])
    both = (load(SAID), load("disk full", "load 2"))
    assert not explanation(shown(cell, ended, check("load_ended", "load 2"), loads=both), ENGINE, [known])
    assert not explanation(shown(cell, ended, rows(lost=1), loads=(load(SAID),)), ENGINE, [known])


def test_a_remark_explains_the_table_it_is_about(cell: CellEvidence) -> None:
    known = finding(anomalies=["lost"], remark="no `format`", checks=["final_rows"])
    unread = rows(lost=2, remark="the table has no `format`")
    assert explanation(shown(cell, unread), ENGINE, [known])
    assert explanation(shown(cell, unread, check("final_rows")), ENGINE, [known])
    assert not explanation(shown(cell, unread, check("run_id")), ENGINE, [known])
    assert not explanation(shown(cell, rows(lost=2, remark="no such table")), ENGINE, [known])
    assert not explanation(shown(cell, rows(lost=2)), ENGINE, [known]), (
        "rows lost of a table that can be read"
    )


def test_all_that_a_finding_says_must_be_there(cell: CellEvidence) -> None:
    known = finding(anomalies=["corrupt"], message=SAID)
    assert not explanation(shown(cell, rows(corrupt=1)), ENGINE, [known])
    seen = shown(cell, rows(corrupt=1), check("load_ended"), loads=(load(SAID),))
    assert explanation(seen, ENGINE, [known])


def test_a_finding_that_names_its_steps_explains_no_other_crash_point(cell: CellEvidence) -> None:
    at, elsewhere = (
        "trial 4 of 9, kill after sink COMMIT f #1: ",
        "trial 5 of 9, kill before sink COMMIT f #1: ",
    )
    known = finding(anomalies=["duplicate"], checks=["recovers"], steps=["*, kill after sink COMMIT f #1: *"])
    twice = rows(step=f"{at}after load 3", duplicate=2)
    assert explanation(shown(cell, twice, check("recovers", f"{at}load 9")), ENGINE, [known])
    for other in (
        rows(step=f"{elsewhere}after load 5", duplicate=2),
        check("recovers", f"{elsewhere}load 6"),
    ):
        assert not explanation(shown(cell, twice, other), ENGINE, [known])
        assert not explanation(shown(cell, other), ENGINE, [known])
    stuck = finding(message=SAID, checks=["recovers"], steps=["*, kill after sink COMMIT f #1: *"])
    for step, explained in ((at, True), (elsewhere, False)):
        seen = shown(cell, check("recovers", f"{at}load 9"), loads=(load(SAID, f"{step}load 8"),))
        assert bool(explanation(seen, ENGINE, [stuck])) is explained, "the message must be from there, too"


def test_two_findings_explain_a_cell_together(cell: CellEvidence) -> None:
    one = finding("dlt-01", anomalies=["corrupt"], columns=["c_json"])
    two = finding("dlt-02", anomalies=["lost"])
    seen = shown(cell, rows(corrupt=1, lost=1, columns=("c_json",)))
    assert explanation(seen, ENGINE, [one]) == ()
    assert [found.id for found in explanation(seen, ENGINE, [one, two])] == ["dlt-01", "dlt-02"]


def test_another_engine_or_cell_is_not_meant(cell: CellEvidence) -> None:
    seen = shown(cell, rows(corrupt=1))
    known = finding(anomalies=["corrupt"])
    assert explanation(seen, ENGINE, [known])
    assert explanation(seen, ENGINE.pinned("1.30.0"), [known])
    assert not explanation(seen, load_catalog().engines["reference"], [known])
    elsewhere = known.model_copy(update={"cells": ("postgres_to_sqlite/*",)})
    assert not explanation(seen, ENGINE, [elsewhere])


def test_a_failure_without_a_judgement_is_never_explained(cell: CellEvidence) -> None:
    assert explanation(changed(cell, judgements=()), ENGINE, [finding(anomalies=["corrupt"])]) == ()
