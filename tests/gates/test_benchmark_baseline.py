"""Seed 003's benchmark gate, and the false greens of dpone 0.88: each ends red or as wrong usage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import (
    BaselineFigure,
    BenchmarkAction,
    BenchmarkBaseline,
    Direction,
)
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.store import EvidenceStore, SubjectDir
from certification_pipeline.evidence.suite import ItemName
from certification_pipeline.gates.benchmark_baseline import allowed_threshold, benchmark_baseline
from certification_pipeline.gates.benchmark_request import BenchmarkRequest, RequestError, benchmark_request
from certification_pipeline.gates.decide import write_benchmark
from tests.evidence.builders import ENGINE, PROFILE, RELEASE, SUBJECT, provenance, release
from tests.gates.benchmarks import BASELINE, METRICS
from tests.gates.releases import codes, decide, report, suite, verified, write_json
from tests.gates.test_forgery import changed, forge, nodes, nulled, removed

REQUIRED = {ItemName.BENCHMARK_BASELINE}
FILE = "benchmark_baseline.json"


def judged(metrics: str = METRICS, baseline: str = BASELINE, ratio: float = 0.1) -> BenchmarkBaseline:
    request = benchmark_request(metrics, baseline, ratio)
    return benchmark_baseline(request, RELEASE, SUBJECT, PROFILE, provenance(50))


def found(made: BenchmarkBaseline) -> list[str]:
    return [blocker.code.removeprefix("benchmark_baseline.") for blocker in made.blockers]


@pytest.fixture
def reported(tmp_path: Path) -> SubjectDir:
    directory, _ = release(tmp_path)
    report(directory)
    return directory


def written(directory: SubjectDir, made: BenchmarkBaseline) -> Any:
    directory.write(made, markdown(made))
    return json.loads((directory.path / FILE).read_text())


# --- judging ---------------------------------------------------------------------------------------


def test_the_seeds_quickstart_is_green() -> None:
    made = judged()
    assert made.passed
    assert made.blockers == ()
    [item] = made.items
    assert item.model_dump(mode="json") == {
        "metric": "throughput_rows_per_second",
        "direction": "higher",
        "actual": 95000.0,
        "baseline": 100000.0,
        "allowed_regression_ratio": 0.1,
        "allowed_threshold": 90000.0,
        "passed": True,
        "action": "none",
    }
    assert (made.source, made.output_dir, made.allowed_regression_ratio) == ("given", ".", 0.1)


@pytest.mark.parametrize(
    ("direction", "value", "ratio", "worst", "beyond"),
    [
        ("higher", 100000, 0.10, 90000, 89999.99),
        ("lower", 100, 0.10, 110, 110.00000000000001),
        ("lower", 3, 0.1, 3.3, 3.3000000000000003),  # 3 * 1.1 in floats lets this one through
        ("lower", 0.07, 0.1, 0.077, 0.07700000000000001),
        ("higher", 5, 0, 5, 4.999999999999999),
        ("lower", 0, 0.5, 0, 5e-324),
    ],
)
def test_exactly_at_the_threshold_passes_and_the_next_float_does_not(
    direction: str, value: float, ratio: float, worst: float, beyond: float
) -> None:
    baseline = json.dumps({"m": {"value": value, "direction": direction}})
    assert judged(json.dumps({"m": worst}), baseline, ratio).passed
    made = judged(json.dumps({"m": beyond}), baseline, ratio)
    assert made.outcome is Outcome.FAILED
    assert found(made) == ["m.regressed"]
    assert made.items[0].action is BenchmarkAction.INVESTIGATE


def test_every_disagreement_is_a_blocker_with_a_next_step() -> None:
    metrics = '{"extra": 1, "slow": 50, "fine": 10}'
    baseline = json.dumps({m: {"value": 20, "direction": "lower"} for m in ("slow", "fine", "gone")})
    made = judged(metrics, baseline)
    assert made.outcome is Outcome.FAILED
    assert found(made) == ["extra.extra", "gone.missing", "slow.regressed"]
    assert [item.metric for item in made.items] == ["extra", "fine", "gone", "slow"]
    assert [item.passed for item in made.items] == [False, True, False, False]
    for blocker in made.blockers:
        assert f"certify benchmark --engine {ENGINE} --release-id {RELEASE} " in blocker.next_step
        assert "--allowed-regression-ratio 0.1" in blocker.next_step
    assert "before changing the baseline" in made.blockers[2].next_step


FIGURES = st.floats(0, 1e300, allow_nan=False)
RATIOS = st.floats(0, 1, exclude_max=True)


@given(FIGURES, FIGURES, FIGURES, RATIOS, st.sampled_from(Direction))
def test_a_better_value_is_never_judged_worse(
    one: float, other: float, value: float, ratio: float, direction: Direction
) -> None:
    worse, better = sorted((one, other), reverse=direction is Direction.LOWER)

    def passes(actual: float) -> bool:
        request = BenchmarkRequest(
            metrics={"m": actual},
            baseline={"m": BaselineFigure(value=value, direction=direction)},
            allowed_regression_ratio=ratio,
        )
        return benchmark_baseline(request, RELEASE, SUBJECT, PROFILE, provenance()).passed

    assert passes(better) or not passes(worse)
    assert passes(value), "as good as the baseline is no regression"


@given(FIGURES.filter(bool), RATIOS)
def test_the_threshold_lies_on_the_worse_side_of_the_baseline(value: float, ratio: float) -> None:
    assert 0 <= allowed_threshold(BaselineFigure(value=value, direction=Direction.HIGHER), ratio) <= value
    assert value <= allowed_threshold(BaselineFigure(value=value, direction=Direction.LOWER), ratio) < 2e300


# --- false greens of dpone 0.88: red, or refused -----------------------------------------------------


def test_a_missing_metric_where_lower_is_better_is_red() -> None:
    made = judged("{}", '{"p99": {"value": 10, "direction": "lower"}}')
    assert made.outcome is Outcome.FAILED
    assert found(made) == ["p99.missing"]
    assert made.items[0].actual is None


@pytest.mark.parametrize("ratio", [5, 1, 1.0000000001, -0.1, float("nan"), float("inf"), -float("inf")])
def test_a_ratio_outside_zero_to_one_is_refused(ratio: float) -> None:
    with pytest.raises(RequestError, match="--allowed-regression-ratio"):
        judged(ratio=ratio)


@pytest.mark.parametrize(
    ("baseline", "said"),
    [
        ("{}", "is empty"),
        ('{"m": {"value": 1, "direction": "higer"}}', "m.direction"),
        ('{"m": {"value": 1, "direction": "HIGHER"}}', "m.direction"),
        ('{"m": {"value": 1, "direction": null}}', "m.direction"),
        ('{"m": {"value": 1}}', "m.direction"),
        ('{"m": {"direction": "lower"}}', "m.value"),
        ('{"m": {"value": "1", "direction": "lower"}}', "m.value"),
        ('{"m": {"value": true, "direction": "lower"}}', "m.value"),
        ('{"m": {"value": -1, "direction": "lower"}}', "m.value"),
        ('{"m": {"value": 0, "direction": "higher"}}', "m.value"),
        ('{"m": {"value": NaN, "direction": "lower"}}', "JSON"),
        ('{"m": {"value": Infinity, "direction": "lower"}}', "JSON"),
        ('{"m": {"value": 1e999, "direction": "lower"}}', "finite"),
        ('{"m": {"value": 1, "direction": "lower", "unit": "s"}}', "m.unit"),
        ('{"m": {"value": 1, "value": 2, "direction": "lower"}}', "twice"),
        ('{"m": 1}', ": m: "),
        ("[]", "an object"),
        ("null", "an object"),
        ("", "JSON"),
        ('{"m"', "JSON"),
    ],
)
def test_a_malformed_baseline_is_refused(baseline: str, said: str) -> None:
    with pytest.raises(RequestError, match=r"--baseline-json.*" + said) as refused:
        judged('{"m": 1}', baseline)
    assert refused.value.remedy


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ('"95000"', ": m: "),
        ("true", ": m: "),
        ("null", ": m: "),
        ("-1", ": m: "),
        ("[1]", ": m: "),
        ("NaN", "JSON"),
        ("-Infinity", "JSON"),
        ("1e999", "finite"),
        ("1" + "0" * 400, ": m: "),
        ("1e301", ": m: "),
        ('1, "m": 2', "twice"),
        ('1, "": 2', "'': String should match"),
        ('1, "no blanks": 2', "'no blanks': "),
        ('1, "\\n": 2', r"'\\n': String should match"),
    ],
)
def test_a_malformed_metric_is_refused(value: str, said: str) -> None:
    with pytest.raises(RequestError, match=r"--metrics-json.*" + said):
        judged(f'{{"m": {value}}}', '{"m": {"value": 1, "direction": "lower"}}')


def test_both_sides_may_be_files(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text(METRICS)
    (tmp_path / "b.json").write_text(BASELINE)
    assert judged(f"@{tmp_path / 'm.json'}", f"@{tmp_path / 'b.json'}").items == judged().items


@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe", b'{"m": 1' + b" " * (1 << 20) + b"}"])
def test_a_file_that_cannot_be_used_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "m.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RequestError, match="--metrics-json"):
        judged(f"@{path}")
    with pytest.raises(RequestError, match="cannot read"):
        judged(f"@{tmp_path}")


# --- in the suite ----------------------------------------------------------------------------------


def test_a_required_benchmark_turns_the_suite_green_or_red(reported: SubjectDir) -> None:
    assert codes(suite(reported, require=REQUIRED)) == ["benchmark_baseline.missing"]
    written(reported, judged())
    green = suite(reported, require=REQUIRED)
    assert green.passed
    item = next(each for each in green.items if each.name is ItemName.BENCHMARK_BASELINE)
    assert item.identity_status == "verified"
    assert item.summary == {
        "source": "given",
        "metrics": 1,
        "passed": 1,
        "allowed_regression_ratio": 0.1,
    }
    written(reported, judged('{"throughput_rows_per_second": 89999}'))
    for red in (suite(reported, require=REQUIRED), suite(reported)):
        assert red.outcome is Outcome.FAILED
        assert codes(red) == ["benchmark_baseline.not_passed"]
        assert "throughput_rows_per_second.regressed" in red.blockers[0].message


def test_the_missing_blocker_says_a_command_that_works(reported: SubjectDir) -> None:
    [blocker] = suite(reported, require=REQUIRED).blockers
    assert blocker.next_step == f"certify benchmark --engine {ENGINE} --release-id {RELEASE}"


GREEN: dict[str, Any] = {"passed": True, "outcome": "passed", "evidence_status": "PASS", "blockers": []}


def test_a_red_file_edited_to_green_is_found(reported: SubjectDir) -> None:
    value = written(reported, judged('{"throughput_rows_per_second": 1}'))
    write_json(reported.path / FILE, value | GREEN, resealed=True)
    assert codes(suite(reported)) == ["benchmark_baseline.not_verified", "benchmark_baseline.not_passed"]
    item = value["items"][0] | {"passed": True, "action": "none"}
    write_json(reported.path / FILE, value | GREEN | {"items": [item]}, resealed=True)
    assert codes(suite(reported)) == ["benchmark_baseline.not_verified", "benchmark_baseline.not_passed"]
    item |= {"actual": 95000.0}
    write_json(reported.path / FILE, value | GREEN | {"items": [item]}, resealed=True)
    assert codes(suite(reported)) == ["benchmark_baseline.not_verified", "benchmark_baseline.not_passed"]
    write_json(reported.path / FILE, value | GREEN | {"items": []}, resealed=True)
    assert codes(suite(reported)) == ["benchmark_baseline.not_verified", "benchmark_baseline.not_passed"]


@pytest.mark.parametrize(
    "changes",
    [
        {"baseline": {}, "items": [], "metrics": {}},
        {"allowed_regression_ratio": 5.0},
        {"baseline": {"throughput_rows_per_second": {"value": 0.0, "direction": "higher"}}},
        {"baseline": {"throughput_rows_per_second": {"value": 1.0, "direction": "higer"}}},
        {"metrics": {"throughput_rows_per_second": True}},
        {"metrics": {"throughput_rows_per_second": "95000"}},
        {"source": "measured"},
    ],
)
def test_what_may_not_be_asked_may_not_be_typed(reported: SubjectDir, changes: dict[str, Any]) -> None:
    value = written(reported, judged())
    write_json(reported.path / FILE, value | changes, resealed=True)
    assert "benchmark_baseline.not_verified" in codes(suite(reported))


def test_a_baseline_that_cannot_fail_is_found_even_when_all_else_agrees(reported: SubjectDir) -> None:
    request = BenchmarkRequest(
        metrics={"m": 1.0},
        baseline={"m": BaselineFigure(value=0, direction=Direction.HIGHER)},
        allowed_regression_ratio=0.1,
    )
    written(reported, benchmark_baseline(request, RELEASE, SUBJECT, PROFILE, provenance(50)))
    [blocker] = suite(reported).blockers
    assert blocker.code == "benchmark_baseline.not_verified"
    assert "cannot fail" in blocker.message


GIVEN = {"metrics", "baseline", "run_id", "producer", "environment", "content_digest", "created_at"}
"""What a caller may say, and what only a signature could prove."""


@pytest.mark.parametrize("how", [changed, removed, nulled])
@pytest.mark.parametrize("green", [True, False])
def test_every_field_the_gate_made_is_recomputed(reported: SubjectDir, how: Any, green: bool) -> None:
    value = written(reported, judged() if green else judged('{"throughput_rows_per_second": 1}'))
    before = suite(reported)
    missed = []
    for at in nodes(value):
        # The ratio at the top is asked for, too: changing it alone makes the items disagree.
        if at[0] in GIVEN:
            continue
        write_json(reported.path / FILE, forge(value, at, how), resealed=True)
        after = codes(suite(reported))
        if not any(code.endswith(("not_verified", "release_id_mismatch")) for code in after):
            missed.append(at)
    assert missed == []
    assert before.passed is green


def test_any_edit_without_a_new_digest_is_found(reported: SubjectDir) -> None:
    value = written(reported, judged())
    missed = []
    for at in nodes(value):
        write_json(reported.path / FILE, forge(value, at, changed))
        if suite(reported).passed:
            missed.append(at)
    assert missed == []


def test_a_benchmark_older_than_the_plan_or_of_another_subject_is_red(reported: SubjectDir) -> None:
    request = benchmark_request(METRICS, BASELINE, 0.1)
    written(reported, benchmark_baseline(request, RELEASE, SUBJECT, PROFILE, provenance(-1)))
    assert codes(suite(reported)) == ["benchmark_baseline.not_verified"]
    other = SUBJECT.model_copy(update={"version": "0.0.9"})
    written(reported, benchmark_baseline(request, RELEASE, other, PROFILE, provenance(50)))
    [blocker] = suite(reported).blockers
    assert "subject.version" in blocker.message


def test_a_benchmark_of_another_release_is_a_mismatch(reported: SubjectDir) -> None:
    value = written(reported, judged())
    write_json(reported.path / FILE, value | {"release_id": "other"}, resealed=True)
    assert codes(suite(reported)) == ["benchmark_baseline.release_id_mismatch"]


def test_figures_changed_after_the_decision_are_found(tmp_path: Path) -> None:
    """What the caller gave is nobody's to recompute, but the index and the suite hold its digest."""
    directory, _ = release(tmp_path)
    written(directory, judged())
    assert decide(directory, require=REQUIRED).passed
    assert verified(directory).passed
    written(directory, judged('{"throughput_rows_per_second": 96000}'))
    judged_again = suite(directory, require=REQUIRED)
    item = next(item for item in judged_again.items if item.name is ItemName.BENCHMARK_BASELINE)
    assert item.passed, "a claim that agrees with itself"
    assert "strategy_certification_bundle.not_verified" in codes(judged_again)
    assert not verified(directory).passed
    written(directory, judged())
    assert verified(directory).passed


def test_without_a_plan_nothing_is_written(tmp_path: Path) -> None:
    directory = EvidenceStore(tmp_path).release(RELEASE, ENGINE)
    with pytest.raises(EvidenceError, match="certification_automation_plan"):
        write_benchmark(directory, "run-1", benchmark_request(METRICS, BASELINE, 0.1))
    assert not directory.path.exists()


def test_the_page_says_the_verdict_and_whose_figures_they_are() -> None:
    page = markdown(judged('{"throughput_rows_per_second": 1, "extra": 2}'))
    assert page.startswith(f"# FAIL: benchmark baseline of {ENGINE} ")
    assert "given by the caller: a claim" in page
    assert "| throughput_rows_per_second | failed | 1.0 | 100000.0 | higher | 90000.0 |" in page
    assert "benchmark_baseline.extra.extra" in page
