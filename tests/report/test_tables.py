from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from certification_pipeline.catalog.vocabulary import Anomaly, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.cell import CheckJudgement, Dataset, Fingerprint, RowJudgement
from certification_pipeline.report.causes import MANY_REMEDIES, causes, gaps, reasons, title_of
from certification_pipeline.report.markdown import frame_markdown
from certification_pipeline.report.release import ReleaseView, Selection, SubjectView
from certification_pipeline.report.tables import (
    anomalies_table,
    causes_table,
    cells_table,
    claims_table,
    gaps_table,
    matrix_pivot,
    next_steps,
    release_matrix,
    seeds_matrix,
)
from certification_pipeline.report.tally import Tally
from tests.report.sample import RELEASE, changed, judge, make_catalog, make_cells, make_plan, make_subject


@pytest.fixture(scope="module")
def dlt() -> SubjectView:
    return make_subject("dlt")


@pytest.fixture(scope="module")
def reference() -> SubjectView:
    return make_subject("reference")


def test_tally_folds_as_outcomes_do() -> None:
    tally = Tally.of([Outcome.PASSED, Outcome.FAILED, Outcome.PASSED, Outcome.UNTESTED])
    assert str(tally) == "✗ 1 – 1 ✓ 2"
    assert tally.outcome is Outcome.FAILED
    assert tally.words == "1 failed, 1 untested, 2 passed"


def test_an_empty_tally_is_never_a_pass() -> None:
    assert Tally.of([]).outcome is None
    assert str(Tally.of([])) == ""
    assert Tally.of([]).words == "not planned"
    assert str(Tally.of([Outcome.INAPPLICABLE])) == "·"


def test_the_verdict_is_the_gates(dlt: SubjectView, reference: SubjectView) -> None:
    assert dlt.outcome is Outcome.FAILED
    assert reference.outcome is Outcome.PASSED
    assert ReleaseView(RELEASE, (reference, dlt)).outcome is Outcome.FAILED
    assert ReleaseView(RELEASE, ()).outcome is Outcome.UNTESTED


def test_pivots_count_every_cell_once(dlt: SubjectView) -> None:
    for axis in ("strategy", "scenario"):
        frame = matrix_pivot(dlt.lines, axis)
        assert sum(tally.total for row in frame.itertuples(index=False) for tally in row) == len(dlt.lines)


def test_strategies_stand_in_the_vocabularys_order(reference: SubjectView) -> None:
    assert list(matrix_pivot(reference.ran, "strategy").columns) == [s.value for s in Strategy]


def test_one_red_cell_turns_its_field_and_no_other(reference: SubjectView) -> None:
    plan = make_plan("reference")
    cells = {cell.key.cell_id: cell for cell in make_cells(plan)}
    victim = next(cell for cell in cells.values() if cell.key.scenario == "batch.wide")
    check = CheckJudgement(step="load 1", name="final_rows", expected=1, observed=2)
    cells[victim.key.cell_id] = changed(victim, judgements=(check,))
    before, after = matrix_pivot(reference.ran, "strategy"), matrix_pivot(judge(plan, cells).ran, "strategy")
    differing = [(r, c) for r in before.index for c in before.columns if before.loc[r, c] != after.loc[r, c]]
    assert differing == [(victim.key.route_id, victim.key.strategy.value)]


def test_a_planned_cell_without_evidence_shows_and_never_passes() -> None:
    plan = make_plan("reference")
    cells = {cell.key.cell_id: cell for cell in make_cells(plan)}
    gone = next(iter(cells))
    del cells[gone]
    subject = judge(plan, cells)
    line = next(line for line in subject.lines if line.key.cell_id == gone)
    assert line.outcome is Outcome.UNTESTED
    assert line.reason is ReasonCode.NO_OUTCOME
    assert subject.outcome is Outcome.FAILED
    assert any(gap.reason is ReasonCode.NO_OUTCOME for gap in gaps(subject))


def test_a_seeds_case_is_the_strategys_own_cell(dlt: SubjectView) -> None:
    """A red drift or type cell of the same strategy is not one of the seeds' 237."""
    catalog = make_catalog()
    own = [line for line in dlt.lines if line.key.scenario == f"strategy.{line.key.strategy}"]
    assert len(own) < len(dlt.lines)
    all_lines, own_lines = (seeds_matrix(lines, catalog.matrix) for lines in (dlt.lines, own))
    assert all_lines.map(str).equals(own_lines.map(str))


def test_seeds_matrix_has_all_237_cases_whatever_was_planned(dlt: SubjectView) -> None:
    catalog = make_catalog()
    for lines in (dlt.lines, ()):
        frame = seeds_matrix(lines, catalog.matrix)
        assert frame.shape == (6, 5)
        assert sum(tally.total for row in frame.itertuples(index=False) for tally in row) == 237
    empty = seeds_matrix((), catalog.matrix)
    assert {tally.outcome for row in empty.itertuples(index=False) for tally in row} == {Outcome.UNTESTED}


def test_causes_group_cells_by_what_went_wrong(dlt: SubjectView) -> None:
    found = {cause.title: cause for cause in causes(dlt)}
    assert sum(len(cause.lines) for cause in found.values()) == len(dlt.failed) == 14
    scale = found["rows corrupt in amount, payload"]
    assert len(scale.lines) == 4
    assert dict(scale.anomalies) == {"corrupt": 4 * 9_312}
    assert len(scale.samples) == 3, "the same row on four routes is one sample"
    ended = found["load ended: 'error: internal' instead of 'error: authentication'"]
    assert any("password authentication failed" in fact for fact in ended.facts)


def test_a_cause_names_the_command_that_shows_it_again(dlt: SubjectView) -> None:
    cause = next(c for c in causes(dlt) if c.title == "rows lost")
    assert cause.command.startswith("certify run --engine dlt --route postgres_to_duckdb")
    assert "--scenario incr.cursor_ties" in cause.command


def test_gaps_keep_reason_and_remedy(dlt: SubjectView) -> None:
    found = gaps(dlt)
    assert sum(len(gap.lines) for gap in found) == len(dlt.undecided) == 228
    assert found[0].outcome is Outcome.CANT_TELL, "what we broke ourselves comes first"
    assert all(gap.remedy for gap in found)


def test_reasons_give_a_remedy_only_where_all_share_it(dlt: SubjectView, reference: SubjectView) -> None:
    found = {gap.reason: gap for gap in reasons([dlt, reference])}
    assert found[ReasonCode.SERVICE_UNAVAILABLE].remedy == MANY_REMEDIES
    assert len(found[ReasonCode.SERVICE_UNAVAILABLE].lines) == 454
    assert found[ReasonCode.HARNESS_ERROR].remedy.startswith("run the cell again")


def test_claims_differ_only_where_the_oracle_counted_otherwise(
    dlt: SubjectView, reference: SubjectView
) -> None:
    def differ(subject: SubjectView) -> dict[str, int]:
        return dict(Counter(claims_table(subject).set_index("field")["differ"].to_dict()))

    assert set(differ(reference).values()) == {0}
    assert differ(dlt)["final_rows"] > 0


def test_next_steps_name_each_command_once(dlt: SubjectView, reference: SubjectView) -> None:
    steps = next_steps(ReleaseView(RELEASE, (dlt, reference)))
    assert steps["do"].is_unique
    assert steps.iloc[0]["why"].startswith("4 cells failed")
    assert "certify doctor" in set(steps["do"])


def test_failing_cells_come_first(dlt: SubjectView) -> None:
    outcomes = list(cells_table(dlt.lines)["outcome"])
    assert outcomes[:14] == ["✗ failed"] * 14
    assert outcomes[14] == "? can't tell"


def test_selection_narrows_and_leaves_the_verdict(dlt: SubjectView) -> None:
    chosen = dlt.select(Selection(routes=("*_to_sqlite",), scenarios=("obs.*",)))
    assert chosen.lines
    assert {line.key.sink for line in chosen.lines} == {"sqlite"}
    assert chosen.outcome is dlt.outcome
    assert release_matrix(ReleaseView(RELEASE, (chosen,)), "scenario")["scenario"].tolist() == [
        "obs.counts",
        "obs.taxonomy",
    ]


def test_anomalies_have_samples(dlt: SubjectView) -> None:
    frame = anomalies_table(sample for cause in causes(dlt) for sample in cause.samples)
    assert "crème brûlée 🍮\\nsecond line" in set(frame["expected"])


@pytest.mark.parametrize("table", [causes_table, gaps_table, claims_table])
def test_tables_have_their_columns_even_when_empty(table: object) -> None:
    empty = judge(make_plan("reference").model_copy(update={"cells": ()}), {})
    frame = table(empty)  # type: ignore[operator]
    assert list(frame.columns)
    assert isinstance(frame, pd.DataFrame)


def test_markdown_cells_cannot_break_out() -> None:
    frame = pd.DataFrame([{"a": "x | y\n# z <b>`*", "b": 1.23456}])
    text = frame_markdown(frame, index=False)
    assert text.count("\n") == 3
    assert "\\|" in text
    assert "<b>" not in text
    assert "1.235" in text
    assert frame_markdown(frame.head(0)) == "_none_\n"


def test_a_sink_that_cannot_be_read_is_told_by_why_not_by_the_rows_it_lost() -> None:
    def line(table: str) -> Any:
        remark = f"delta table ns.{table}: metaData has no `format`"
        nothing = Fingerprint(rows=0, digest="unreadable")
        judgement = RowJudgement(
            step="after load 1", expected=nothing, actual=nothing, anomalies={Anomaly.LOST: 5}, remark=remark
        )
        load = SimpleNamespace(sink=Dataset(system="delta", namespace="ns", name=table))
        return SimpleNamespace(evidence=SimpleNamespace(judgements=(judgement,), loads=(load,)))

    assert {title_of(line(table)) for table in ("narrow", 'odd: "one"')} == {
        "delta: metaData has no `format`"
    }
