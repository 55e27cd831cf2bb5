"""One planted defect a blocker, and what a forger may try with the file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.benchmark import BenchmarkAction, BenchmarkBaseline
from certification_pipeline.evidence.benchmark_samples import BaselineKind, Measurement, Metric, Role
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.benchmark.samples import HARDWARE, judged, load, measurement, setup, words
from tests.evidence.builders import SUBJECT, release
from tests.gates.releases import codes, report, suite, write_json
from tests.gates.test_forgery import changed, forge, nodes, nulled, removed

FILE = "benchmark_baseline.json"


def edit(found: Measurement, where: int, **changes: Any) -> Measurement:
    samples = list(found.samples)
    samples[where] = samples[where].model_copy(update=changes)
    return found.model_copy(update={"samples": tuple(samples)})


def of(made: BenchmarkBaseline, metric: Metric) -> Any:
    return next(each for each in made.comparisons if each.metric is metric)


# --- judging ---------------------------------------------------------------------------------------


def test_the_same_speed_is_green() -> None:
    made = judged(measurement())
    assert (made.outcome, words(made)) == (Outcome.PASSED, [])
    [item] = made.items
    assert (item.metric, item.passed, item.action) == ("cpu_seconds", True, BenchmarkAction.NONE)
    cpu = of(made, Metric.CPU)
    assert cpu.lower <= cpu.ratio <= cpu.upper <= cpu.allowed == 1.1
    assert cpu.to_raw == pytest.approx(0.13 / 0.08, rel=0.05)
    assert made.metrics["rows_per_second"] == pytest.approx(10_000)
    assert made.baseline["rows_per_second"].direction == "higher"
    assert made.aa is not None
    assert (made.aa.false_alarms, made.aa.basis) == (0, "successive baseline processes")


def test_a_regression_is_red() -> None:
    made = judged(measurement(1.2))
    assert made.outcome is Outcome.FAILED
    assert words(made) == ["cpu_seconds.regressed"]
    assert made.items[0].action is BenchmarkAction.INVESTIGATE
    assert "certify benchmark --engine" in made.blockers[0].next_step
    assert judged(measurement(1.2), ratio=0.4).passed, "as much as that is allowed"


def test_what_is_faster_is_green() -> None:
    assert judged(measurement(0.5)).passed


def test_an_interval_across_the_margin_is_inconclusive() -> None:
    made = judged(measurement(1.1, noise=0.05))
    assert made.outcome is Outcome.CANT_TELL
    assert words(made) == ["cpu_seconds.inconclusive"]
    assert not made.items[0].passed


def test_nine_pairs_are_too_few_however_clear() -> None:
    for slower in (1.0, 3.0):
        made = judged(measurement(slower, pairs=9, noise=0.001))
        assert made.outcome is Outcome.CANT_TELL
        assert words(made) == ["cpu_seconds.too_few_pairs"]


def test_no_samples_are_no_pass() -> None:
    made = judged(measurement(pairs=0))
    assert made.outcome is Outcome.CANT_TELL
    assert words(made) == ["cpu_seconds.no_samples"]
    assert made.metrics == {}
    assert made.aa is None


def test_a_client_whose_cpu_cannot_be_read_proves_nothing() -> None:
    found = measurement()
    blind = tuple(
        s.model_copy(
            update={"loads": tuple(x.model_copy(update={"client_cpu_seconds": None}) for x in s.loads)}
        )
        for s in found.samples
    )
    made = judged(found.model_copy(update={"samples": blind}))
    assert words(made) == ["cpu_seconds.no_samples"]


def test_without_the_servers_cpu_the_client_alone_is_gated_and_the_page_says_so() -> None:
    found = measurement()
    blind = tuple(
        s.model_copy(
            update={"loads": tuple(x.model_copy(update={"server_cpu_seconds": None}) for x in s.loads)}
        )
        for s in found.samples
    )
    made = judged(found.model_copy(update={"samples": blind}))
    assert made.passed
    assert of(made, Metric.SERVER_CPU).pairs == 0
    assert "CPU of: the client only" in markdown(made)


def test_samples_of_another_machine_are_red() -> None:
    other = HARDWARE.model_copy(update={"cores": 64}).key
    made = judged(edit(measurement(), 3, hardware_key=other))
    assert made.outcome is Outcome.FAILED
    assert words(made) == ["samples.other_hardware"]
    assert "64 cores" in made.blockers[0].message


@pytest.mark.parametrize(
    "changes",
    [
        {"problem": "load 2 of 4: error data: it broke"},
        {"rows_found": 999},
        {"rows_found": 1001},
        {"rows_found": None},
        {"loads": ()},
    ],
)
@pytest.mark.parametrize("role", Role)
def test_a_benchmark_of_a_wrong_load_is_red(role: Role, changes: dict[str, Any]) -> None:
    made = judged(edit(measurement(), list(Role).index(role), **changes))
    assert made.outcome is Outcome.FAILED
    assert f"{role}.load_failed" in words(made)


def test_wall_time_is_advisory_unless_asked() -> None:
    found = measurement()
    slow = tuple(
        s.model_copy(update={"loads": (load(0.1, wall=0.9), load(0.1, wall=0.9))})
        if s.role is Role.CONTENDER
        else s
        for s in found.samples
    )
    slow_found = found.model_copy(update={"samples": slow})
    made = judged(slow_found)
    assert made.passed
    assert of(made, Metric.WALL).outcome is Outcome.FAILED
    assert of(made, Metric.RATE).ratio == pytest.approx(1 / 9)
    assert of(made, Metric.RATE).lower <= of(made, Metric.RATE).upper < of(made, Metric.RATE).allowed
    gated = slow_found.model_copy(update={"setup": setup(gated=(Metric.CPU, Metric.WALL))})
    assert words(judged(gated)) == ["wall_seconds.regressed"]


def test_a_first_release_says_that_it_is_held_against_itself() -> None:
    found = measurement()
    itself = found.model_copy(
        update={
            "baseline": found.baseline.model_copy(
                update={"kind": BaselineKind.SELF, "artifact_digest": SUBJECT.artifact_digest}
            )
        }
    )
    made = judged(itself)
    assert made.aa is not None
    assert (made.aa.basis, made.aa.trials, made.aa.pairs) == ("pairs of this run", 1024, 10)
    assert "a first release has nothing to regress from yet" in markdown(made)


@pytest.mark.nightly
def test_the_decision_seldom_cries_wolf_and_catches_a_fifth() -> None:
    """By simulation, with the spread that CPU time showed on a busy machine (10 %)."""
    same = [judged(measurement(1.0, pairs=20, noise=0.1, seed=seed)).outcome for seed in range(60)]
    assert Outcome.FAILED not in same
    worse = [judged(measurement(1.3, pairs=20, noise=0.1, seed=seed)).outcome for seed in range(60)]
    assert worse.count(Outcome.FAILED) >= 50
    assert Outcome.PASSED not in worse


# --- in the suite ----------------------------------------------------------------------------------


@pytest.fixture
def reported(tmp_path: Path) -> SubjectDir:
    directory, _ = release(tmp_path)
    report(directory)
    return directory


def written(directory: SubjectDir, made: BenchmarkBaseline) -> Any:
    directory.write(made, markdown(made))
    return json.loads((directory.path / FILE).read_text())


def test_the_suite_believes_no_verdict_and_recomputes_it(reported: SubjectDir) -> None:
    written(reported, judged(measurement()))
    green = suite(reported)
    assert green.passed, codes(green)
    item = next(each for each in green.items if each.name == "benchmark_baseline")
    assert item.summary["source"] == "measured"
    assert item.summary["pairs"] == 10
    written(reported, judged(measurement(1.2)))
    assert codes(suite(reported)) == ["benchmark_baseline.not_passed"]


def test_a_red_file_edited_to_green_is_found(reported: SubjectDir) -> None:
    made = judged(measurement(1.5))
    value = written(reported, made)
    green = json.loads(judged(measurement()).model_dump_json())
    for field in ("outcome", "passed", "evidence_status", "blockers", "items", "comparisons", "metrics"):
        value[field] = green[field]
    write_json(reported.path / FILE, value, resealed=True)
    assert codes(suite(reported)) == ["benchmark_baseline.not_verified", "benchmark_baseline.not_passed"]


FACTS = {"run_id", "producer", "environment", "content_digest", "created_at", "measurement"}
"""What only measuring again could disprove, and what only a signature could."""


@pytest.mark.parametrize("how", [changed, removed, nulled])
@pytest.mark.parametrize("slower", [1.0, 1.5])
def test_every_field_made_of_samples_is_recomputed(reported: SubjectDir, how: Any, slower: float) -> None:
    value = written(reported, judged(measurement(slower)))
    missed = []
    for at in nodes(value):
        if at[0] in FACTS:
            continue
        write_json(reported.path / FILE, forge(value, at, how), resealed=True)
        found = codes(suite(reported))
        if not any(code.endswith(("not_verified", "release_id_mismatch")) for code in found):
            missed.append(at)
    assert missed == []


def refused(directory: SubjectDir, found: Measurement) -> str:
    written(directory, judged(found))
    blockers = {blocker.code: blocker.message for blocker in suite(directory).blockers}
    return blockers.get("benchmark_baseline.not_verified", "")


def test_facts_that_contradict_each_other_are_found(reported: SubjectDir) -> None:
    found = measurement()
    another = found.contender.model_copy(update={"artifact_digest": "sha256:" + "c" * 64})
    assert "is not the subject" in refused(reported, found.model_copy(update={"contender": another}))
    assert "not the contender" in refused(reported, edit(found, 1, artifact_digest="sha256:" + "c" * 64))
    assert "a second baseline" in refused(reported, edit(found, 3, pair=0))
    assert "1 loads, asked were 2" in refused(reported, edit(found, 0, loads=found.samples[0].loads[:1]))
    memory = found.model_copy(update={"setup": setup(gated=(Metric.MEMORY,))})
    assert "cpu_seconds must be" in refused(reported, memory)
    kept = found.model_copy(update={"artefact_sha256": "sha256:" + "d" * 64})
    assert "benchmark_artefact.zip" in refused(reported, kept)


def test_measuring_on_until_the_figures_please_is_found(reported: SubjectDir) -> None:
    assert "the rule stops at 10" in refused(reported, measurement(pairs=20))
    open_for_long = measurement(1.1, noise=0.05, pairs=20)
    assert refused(reported, open_for_long) == "", "an open question is what more pairs are for"
    assert "the rule stops at 20" in refused(reported, measurement(1.1, noise=0.05, pairs=25))
