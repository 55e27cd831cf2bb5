"""Each figure about the events is the artifact's; loads that disagree come first and say why."""

from __future__ import annotations

import re
from pathlib import Path

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.cell import CellEvidence
from certification_pipeline.evidence.openlineage import OpenLineageReport
from certification_pipeline.gates.decide import decide
from certification_pipeline.report.sections.openlineage import MOST_LISTED, openlineage_view
from tests.openlineage import releases
from tests.report.shown import shown
from tests.report.test_families import words
from tests.report.test_html import HOSTILE
from tests.report.with_families import family, loaded, page

WRONG = 99


def wrong_count(cell: CellEvidence) -> CellEvidence:
    """The engine claims other rows than the oracle counted."""
    loads = (cell.loads[0].model_copy(update={"record": {"final_rows": WRONG}}), *cell.loads[1:])
    return cell.model_copy(update={"loads": loads})


def made(root: Path, change: releases.Change = releases.same) -> OpenLineageReport:
    directory = releases.release(root, change=change)
    report = releases.exported(directory)
    decide(directory, "run-1")
    return report


def test_jobs_loads_and_events_are_counted(tmp_path: Path) -> None:
    report = made(tmp_path)
    release = loaded(tmp_path)
    assert family(release, "openlineage").outcome is Outcome.PASSED
    text = words(page(release))
    assert f"{report.run_count} loads of 2 jobs, {report.event_count} events" in text
    assert f"{report.run_count} START, {report.run_count} RUNNING, {report.run_count} COMPLETE" in text
    assert f"after {report.judged_runs} of the loads" in text
    assert "all agree with the oracle" in text


def test_loads_that_disagree_come_first_with_their_problems(tmp_path: Path) -> None:
    report = made(tmp_path, wrong_count)
    view = openlineage_view(report)
    assert {item.run_id for item in view.disagree} == {i.run_id for i in report.items if not i.passed}
    assert len(view.disagree) + len(view.agree) == len(report.items)
    text = page(loaded(tmp_path))
    assert text.index("✗ wrong count") < text.index("loads that agree")
    problem = next(problem for item in report.items for problem in item.problems)
    assert problem.message in words(text)
    row = re.search(r"<tr><td><span class=\"mono\">.*?</tr>", text, re.DOTALL)
    assert row
    numbers = re.findall(r'<td class="num">([^<]*)</td>', row[0])
    item = view.disagree[0]
    shown = [item.rows, item.claimed_rows, item.oracle_rows, item.output_columns, item.oracle_columns]
    assert numbers[:5] == ["–" if number is None else f"{number:,}" for number in shown]
    assert str(WRONG) in numbers


def test_the_drawing_has_each_way_between_systems_with_all_its_loads(tmp_path: Path) -> None:
    report = made(tmp_path)
    drawn = openlineage_view(report).drawn
    assert 'data-from="source postgres" data-to="sink duckdb"' in drawn
    assert f"{len(report.items)} loads, 0 of them disagree" in drawn


def test_a_dataset_of_any_other_name_is_drawn_under_it(tmp_path: Path) -> None:
    report = made(tmp_path)
    items = (report.items[0].model_copy(update={"input": HOSTILE, "output": None}), *report.items[1:])
    drawn = openlineage_view(report.model_copy(update={"items": items})).drawn
    assert "unknown dataset" in drawn
    assert "<script>" not in drawn
    assert "&lt;script&gt;" in drawn


def test_many_loads_are_counted_not_listed(tmp_path: Path) -> None:
    report = made(tmp_path)
    many = report.model_copy(update={"items": report.items * MOST_LISTED})
    view = openlineage_view(many)
    assert len(view.agree) == MOST_LISTED
    assert (view.agreeing, view.hidden) == (len(many.items), len(many.items) - MOST_LISTED)


def test_ten_thousand_loads_that_disagree_stay_under_three_megabytes(tmp_path: Path) -> None:
    report = made(tmp_path, wrong_count)
    (bad, *_) = openlineage_view(report).disagree
    problem = bad.problems[0].model_copy(update={"message": "<\0" * 2_000})
    items = (bad.model_copy(update={"problems": (problem,) * 3}),) * 10_000
    assert len(shown(report.model_copy(update={"items": items})).encode()) < 3_000_000
