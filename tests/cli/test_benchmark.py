from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Answer, Certify
from tests.gates.benchmarks import BASELINE, METRICS


@pytest.fixture
def copy(evidence: Path, tmp_path: Path) -> Path:
    """Evidence a command may write to."""
    return Path(shutil.copytree(evidence, tmp_path / "evidence"))


def benchmark(certify: Certify, root: Path, *more: Any, metrics: str = METRICS) -> Answer:
    seeds = ("--baseline-json", BASELINE, "--allowed-regression-ratio", "0.10", "--engine", "reference")
    return certify("benchmark", "--metrics-json", metrics, *seeds, "--evidence-dir", root, *more)


def test_the_seeds_quickstart_writes_into_the_latest_release(certify: Certify, copy: Path) -> None:
    answer = benchmark(certify, copy, "--format", "json")
    assert answer.code == 0, answer.err
    subject = copy / "releases/green/reference"
    there = json.loads((subject / "benchmark_baseline.json").read_text())
    assert json.loads(answer.out) == there
    assert there["source"] == "given"
    assert (there["release_id"], there["subject"]["engine"]) == ("green", "reference")
    assert (subject / "benchmark_baseline.md").read_text().startswith("# PASS")


def test_required_it_turns_suite_and_summary_green(certify: Certify, copy: Path) -> None:
    for command in ("suite", "release-summary"):
        assert certify(command, "--require-benchmark", "--evidence-dir", copy).code == 1
    answer = benchmark(certify, copy)
    assert answer.code == 0
    assert "certify release-summary --engine reference --release-id green --require-benchmark" in answer.err
    for command in ("suite", "release-summary"):
        answer = certify(command, "--require-benchmark", "--evidence-dir", copy)
        assert answer.code == 0, answer.out


def test_a_regression_is_red_everywhere(certify: Certify, copy: Path) -> None:
    answer = benchmark(certify, copy, metrics='{"throughput_rows_per_second": 89999}')
    assert answer.code == 1
    assert "benchmark_baseline.throughput_rows_per_second.regressed" in answer.out
    assert "→ Run the same benchmark again" in answer.out
    answer = certify("release-summary", "--require-benchmark", "--evidence-dir", copy)
    assert answer.code == 1
    assert "benchmark_baseline.not_passed" in answer.out


def test_passed_edited_into_the_file_is_not_verified(certify: Certify, copy: Path) -> None:
    benchmark(certify, copy, metrics='{"throughput_rows_per_second": 1}')
    path = copy / "releases/green/reference/benchmark_baseline.json"
    path.write_text(path.read_text().replace('"passed": false', '"passed": true'))
    answer = certify("suite", "--require-benchmark", "--evidence-dir", copy)
    assert answer.code == 1
    assert "benchmark_baseline.not_verified" in answer.out


@pytest.mark.parametrize(
    "more",
    [
        ("--allowed-regression-ratio", "5"),
        ("--allowed-regression-ratio", "nan"),
        ("--allowed-regression-ratio", "much"),
        ("--baseline-json", "{}"),
        ("--baseline-json", '{"m": {"value": 1, "direction": "up"}}'),
        ("--metrics-json", "{'m': 1}"),
        ("--metrics-json", '{"m": "1"}'),
        ("--metrics-json", "@nowhere.json"),
        ("--release-id", "gren"),
        ("--engine", "dlt"),
    ],
)
def test_a_malformed_request_is_wrong_usage_and_writes_nothing(
    certify: Certify, copy: Path, more: tuple[str, str]
) -> None:
    answer = benchmark(certify, copy, *more)
    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert not list(copy.rglob("benchmark_baseline.*"))


def test_figures_are_about_one_engine(certify: Certify, copy: Path) -> None:
    shutil.copytree(copy / "releases/red/dlt", copy / "releases/green/dlt")
    words = ("benchmark", "--metrics-json", METRICS, "--baseline-json", BASELINE, "--evidence-dir", copy)
    answer = certify(*words)
    assert answer.code == 2
    assert "dlt, reference" in answer.err
    assert certify(*words, "--release-id", "red").code == 0


def test_files_can_be_given(certify: Certify, copy: Path, tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text(METRICS)
    assert benchmark(certify, copy, metrics="@metrics.json").code == 0


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metrics-json", METRICS), "--baseline-json: is not given"),
        (("--baseline-json", "{}"), "--metrics-json: is not given"),
        (("--metrics-json", METRICS, "--baseline-json", "{}", "--pin"), "--pin: nothing is measured"),
        (("--metrics-json", METRICS, "--baseline-json", "{}", "--rows", "100"), "--rows: nothing is"),
        (("--route", "postgres"), "--route"),
        (("--route", "postgres_to_nowhere"), "--route"),
        (("--strategy", "guess"), "--strategy"),
        (("--strategy", "cdc"), "--strategy"),
        (("--pairs", "3"), "--pairs"),
        (("--pairs", "30", "--max-pairs", "20"), "--max-pairs"),
        (("--allowed-regression-ratio", "1"), "--allowed-regression-ratio"),
        (("--baseline", "nowhere.zip"), "--baseline"),
    ],
)
def test_what_cannot_be_measured_is_wrong_usage(
    certify: Certify, copy: Path, words: tuple[str, ...], said: str
) -> None:
    answer = certify("benchmark", "--engine", "reference", *words, "--evidence-dir", copy)
    assert answer.code == 2
    assert said in answer.err
    assert "Traceback" not in answer.err
    assert not list(copy.rglob("benchmark_*"))


def test_between_several_engines_one_must_be_named(certify: Certify, copy: Path) -> None:
    release = next((copy / "releases").iterdir())
    (release / "second").mkdir()
    for words in (
        ("benchmark", "--metrics-json", METRICS, "--baseline-json", BASELINE),
        ("replay", "plan", "--run-id", "x", "--partition", "2024-01-01"),
    ):
        answer = certify(*words, "--evidence-dir", copy)
        assert answer.code == 2
        assert "--engine is needed" in answer.err
        assert "second" in answer.err
