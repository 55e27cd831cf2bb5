"""Evidence families in the main job: sealed in the plan, made after the cells, missed when missing."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.families.work import Producer, Work
from certification_pipeline.gates.benchmark_baseline import benchmark_baseline
from certification_pipeline.gates.benchmark_request import benchmark_request
from certification_pipeline.harness.events import CellFinished, FamilyFinished, RunEvent, ServiceStarted
from certification_pipeline.harness.worker import HARNESS_LOG
from certification_pipeline.settings import SettingsError
from tests.gates.benchmarks import BASELINE, METRICS
from tests.pipeline.conftest import Release, Run

pytestmark = pytest.mark.integration

ONE_CELL = {"scenarios": ("batch.empty",), "strategies": ("full_refresh",), "families": ("benchmark",)}
CANARY = "tidal-canary-4711"


def produce(work: Work) -> BenchmarkBaseline:
    """Stands for a family: an artifact that the suite can verify, made from nothing but figures."""
    request = benchmark_request(METRICS, BASELINE, 0.1)
    plan = work.plan
    made = benchmark_baseline(request, plan.release_id, plan.subject, plan.profile, stamp(work.run_id))
    return work.directory.write(made, markdown(made))


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    """With a profile that makes one family, for the reference engine."""
    shipped = load_catalog()
    embedded = shipped.profiles["embedded"].model_copy(
        update={"families": {Family.BENCHMARK: ("reference",)}}
    )
    return shipped.model_copy(update={"profiles": {**shipped.profiles, "embedded": embedded}})


@pytest.fixture
def producers(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[Family, Producer]], None]:
    return lambda made: monkeypatch.setattr("certification_pipeline.pipeline.families.PRODUCERS", made)


Producers = Callable[[Mapping[Family, Producer]], None]


def only(make: Callable[[Work], BenchmarkBaseline], *systems: str) -> dict[Family, Producer]:
    return {Family.BENCHMARK: Producer(lambda plan: systems, make)}


def finished(release: Release) -> list[FamilyFinished]:
    return [event for event in release.events if isinstance(event, FamilyFinished)]


def codes(release: Release) -> set[str]:
    return {blocker.code for blocker in release.decided.suite.blockers}


def test_a_family_is_sealed_made_and_counted(run: Run, producers: Producers) -> None:
    producers(only(produce))
    release = run(**ONE_CELL)
    assert release.plan.families == (Family.BENCHMARK,)
    assert [event.outcome for event in finished(release)] == [Outcome.PASSED]
    item = next(i for i in release.decided.suite.items if i.name == "benchmark_baseline")
    assert (item.required, item.identity_status, item.outcome) == (True, "verified", Outcome.PASSED)


def test_a_family_that_breaks_is_missing_and_leaves_its_traceback(run: Run, producers: Producers) -> None:
    def broken(work: Work) -> BenchmarkBaseline:
        work.shop.redactor.register(CANARY)
        raise ZeroDivisionError(f"on purpose, with {CANARY}")

    producers(only(broken))
    release = run(**ONE_CELL)
    assert "benchmark_baseline.missing" in codes(release)
    assert release.decided.outcome is Outcome.FAILED
    [event] = finished(release)
    assert event.outcome is Outcome.CANT_TELL
    assert "ZeroDivisionError: on purpose" in str(event.detail)
    log = (release.directory.path.parent / HARNESS_LOG).read_text()
    assert "Traceback" in log
    assert CANARY not in log + str(event.detail)


@pytest.mark.nightly
def test_the_rest_is_made_when_it_broke_before(run: Run, producers: Producers) -> None:
    def broken(work: Work) -> BenchmarkBaseline:
        raise ZeroDivisionError

    producers(only(broken))
    run(**ONE_CELL)
    producers(only(produce))
    rest = run(resume=True, routes=())
    assert rest.ran() == []
    assert len(finished(rest)) == 1
    assert "benchmark_baseline.missing" not in codes(rest)
    assert finished(run(resume=True, routes=())) == [], "what is there is not made again"


@pytest.mark.nightly
def test_a_family_alone_can_be_made_again(run: Run, producers: Producers) -> None:
    producers(only(produce))
    run(**ONE_CELL)
    again = run(families=("bench*",), routes=())
    assert again.ran() == []
    assert len(finished(again)) == 1
    cells_only = run(scenarios=("batch.empty",))
    assert len(cells_only.ran()) == 1
    assert finished(cells_only) == [], "measuring does not follow from a cell that is run again"
    artifact = cells_only.directory.path / "benchmark_baseline.json"
    artifact.write_text(artifact.read_text().replace("95000", "95001"))
    mended = run(scenarios=("batch.empty",))
    assert len(finished(mended)) == 1, "what no longer verifies is made again"
    assert "95001" not in artifact.read_text()


@pytest.mark.nightly
def test_passed_after_failed_is_flaky_and_not_green(run: Run, producers: Producers) -> None:
    def regressed(work: Work) -> BenchmarkBaseline:
        request = benchmark_request(METRICS.replace("95000", "9"), BASELINE, 0.1)
        plan = work.plan
        made = benchmark_baseline(request, plan.release_id, plan.subject, plan.profile, stamp(work.run_id))
        return work.directory.write(made, markdown(made))

    producers(only(regressed))
    failed = run(**ONE_CELL)
    assert "benchmark_baseline.not_passed" in codes(failed)
    producers(only(produce))
    lucky = run(families=("benchmark",), routes=())
    [blocker] = [b for b in lucky.decided.suite.blockers if b.code == "benchmark_baseline.not_passed"]
    assert "benchmark.flaky" in blocker.message
    assert lucky.decided.suite.outcome is Outcome.CANT_TELL
    [kept] = (lucky.directory.path / "superseded").glob("benchmark_baseline.*.json")
    assert json.loads(kept.read_text())["outcome"] == "failed"
    once_more = run(families=("benchmark",), routes=())
    assert once_more.decided.suite.outcome is Outcome.CANT_TELL, "a failure is not forgotten by repetition"
    assert [kept] == list((lucky.directory.path / "superseded").glob("benchmark_baseline.*.json"))


@pytest.mark.nightly
def test_only_the_services_it_needs_are_started(run: Run, producers: Producers) -> None:
    producers(only(produce, "duckdb"))
    release = run(**ONE_CELL)
    started = [event.system for event in release.events if isinstance(event, ServiceStarted)]
    assert started.count("duckdb") == 1


@pytest.mark.nightly
def test_a_narrower_plan_cannot_drop_a_family(run: Run, producers: Producers) -> None:
    """Sealing the same release without the family would turn it green by leaving out what is red."""
    producers(only(produce))
    run(**ONE_CELL)
    before = run(resume=True, routes=()).plan
    after = run(families=("matrix",), routes=(), release_id="r1")
    assert after.plan == before
    assert any(isinstance(event, CellFinished) for event in after.events), "its cells were asked for"


def test_without_evidence_that_can_be_written_nothing_is_hidden(run: Run, producers: Producers) -> None:
    def full(work: Work) -> BenchmarkBaseline:
        raise EvidenceError("benchmark_baseline.json", None, "no space left on device", "Free some space")

    producers(only(full))
    with pytest.raises(EvidenceError, match="no space left"):
        run(**ONE_CELL)


def test_a_cancelled_run_makes_no_family(run: Run, producers: Producers) -> None:
    cancel = threading.Event()
    made: list[Work] = []

    def note(work: Work) -> BenchmarkBaseline:
        made.append(work)
        return produce(work)

    def stop(event: RunEvent) -> None:
        cancel.set()

    producers(only(note))
    release = run(**ONE_CELL, cancel=cancel, on_event=stop)
    assert made == []
    assert "benchmark_baseline.missing" in codes(release)


def test_a_family_nobody_knows_is_refused(tmp_path: Path, catalog: Catalog) -> None:
    from certification_pipeline.settings import load_settings

    settings = load_settings(families=("benchmrk",), evidence_dir=tmp_path)
    with pytest.raises(SettingsError, match="--family 'benchmrk' matches nothing") as refused:
        settings.check(catalog)
    assert "benchmark" in refused.value.remedy
