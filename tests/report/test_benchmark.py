"""Each figure of a benchmark on the page is the artifact's own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_figures import pairs_of
from certification_pipeline.evidence.benchmark_samples import Metric
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.gates.benchmark_history import HistoryRow, rows_of
from certification_pipeline.report.families import FamilyView
from certification_pipeline.report.html import write_html
from certification_pipeline.report.in_short import _line
from certification_pipeline.report.release import ReleaseView
from certification_pipeline.report.sections.benchmark import MOST_SAMPLES, benchmark_view, figure_text
from tests.benchmark.samples import HARDWARE, judged, measurement, sample, setup
from tests.report.sample import make_catalog, make_release
from tests.report.shown import said, shown


@pytest.mark.parametrize("slower", [1.0, 1.4, 1.1])
def test_ratio_bounds_and_margin_are_those_of_the_artifact(slower: float) -> None:
    made = judged(measurement(slower))
    text = said(made)
    (compared,) = (each for each in made.comparisons if each.gated)
    for number in (compared.ratio, compared.lower, compared.upper):
        assert f"{number:.4f}" in text
    assert f"allowed {compared.allowed:g}" in text
    assert figure_text(compared.contender, compared.metric) in text
    assert f"{compared.to_raw:,.2f} ×" in text
    for blocker in made.blockers:
        assert blocker.code in text


def test_every_pair_is_drawn_with_its_own_ratio() -> None:
    made = judged(measurement(1.2, pairs=12))
    assert made.measurement
    (plot,) = benchmark_view(made).plots
    drawn = re.findall(r"<title>pair (\d+): ([0-9.]+)</title>", plot.drawn)
    pairs = pairs_of(made.measurement, Metric.CPU)
    assert drawn == [(str(pair.number), f"{pair.contender / pair.baseline:.4f}") for pair in pairs]


def test_a_regression_is_red_on_the_page_and_says_what_to_do() -> None:
    made = judged(measurement(1.5))
    assert made.outcome is Outcome.FAILED
    text = said(made)
    assert "✗ failed" in text
    assert "certify benchmark --engine reference" in text


def test_the_rate_of_false_alarms_is_shown_with_its_bound() -> None:
    made = judged(measurement())
    assert made.aa
    text = said(made)
    assert f"{made.aa.false_alarms:,} false alarms and {made.aa.inconclusive:,} undecided" in text
    assert f"in {made.aa.trials:,} trials, a rate of {made.aa.rate * 100:.2f} %" in text
    assert f"at most {made.aa.upper_bound * 100:.2f} %" in text


def test_every_process_is_listed_with_its_rows_and_problem() -> None:
    found = measurement(pairs=10)
    evil = "<img src=x onerror=alert(1)>\u202e"
    broken = sample(9, found.samples[-1].role, 0.05, problem=evil, rows_found=7)
    made = judged(found.model_copy(update={"samples": (*found.samples[:-1], broken)}))
    text = shown(made)
    assert f"All {len(found.samples)} processes" in text
    assert "7 of 1,000" in text
    assert "<img" not in text
    assert "\u202e" not in text


def test_more_processes_than_are_listed_are_counted() -> None:
    found = measurement()
    many = judged(found).model_copy(
        update={"measurement": found.model_copy(update={"samples": found.samples * 20})}
    )
    view = benchmark_view(many)
    assert len(view.samples) == MOST_SAMPLES
    assert view.hidden == len(found.samples) * 20 - MOST_SAMPLES


def test_what_was_not_to_be_had_is_a_dash() -> None:
    assert figure_text(None, Metric.RATE) == "–"
    assert figure_text(90_000_000.0, Metric.MEMORY) == "85.8 MiB"
    assert figure_text(12_345.6, Metric.RATE) == "12,346 rows/s"


def test_too_few_pairs_are_said_to_be_too_few() -> None:
    made = judged(measurement(pairs=2))
    assert "2 pairs, too few to tell" in _line(made)
    assert shown(made)


# --- over time -------------------------------------------------------------------------------------


def history(*releases: BenchmarkBaseline) -> list[HistoryRow]:
    return [row for made in releases for row in rows_of(made)]


def released(name: str, slower: float = 1.0, **changes: object) -> BenchmarkBaseline:
    return judged(measurement(slower, **changes)).model_copy(update={"release_id": name})


def test_releases_measured_alike_are_drawn_over_time_each_with_its_figure() -> None:
    earlier, now = released("r1"), released("r2", 1.5)
    (plot,) = benchmark_view(now, history(earlier, now)).plots
    assert plot.releases == 2
    for made in (earlier, now):
        (compared,) = (each for each in made.comparisons if each.gated)
        word = "passed" if compared.outcome is Outcome.PASSED else "failed"
        shown_ = f"{made.release_id}: {figure_text(compared.contender, compared.metric)}, {word}"
        assert f"<title>{shown_}</title>" in plot.over_time


def test_figures_of_another_machine_or_workload_are_left_out() -> None:
    now = released("r2")
    faster = released("r1", hardware=HARDWARE.model_copy(update={"cores": 64}))
    other = released("r0", setup=setup(rows=5))
    (plot,) = benchmark_view(now, history(other, faster, now)).plots
    assert (plot.releases, plot.over_time) == (1, "")


def test_a_page_on_disk_draws_the_releases_of_its_store(tmp_path: Path) -> None:
    """Given figures have no history; those measured in other releases are found beside."""
    store = EvidenceStore(tmp_path)
    for at, name in enumerate(("r1", "r2")):
        found = judged(measurement(seed=at + 1)).model_copy(update={"release_id": name})
        store.release(name, "reference").write(found)
    view = FamilyView("benchmark", "Benchmark", "b.json", found.outcome, True, (), found)
    subject = replace(make_release().subjects[1], families=(view,))
    write_html(ReleaseView("r2", (subject,), store), make_catalog(), tmp_path / "page.html")
    assert "of the 2 releases here" in (tmp_path / "page.html").read_text(encoding="utf-8")
