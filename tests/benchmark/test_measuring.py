"""Real loads by the reference engine, on a server of its own: what is measured, and what turns it red."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.vocabulary import Outcome, Strategy
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_pin import PinnedBaseline, write_pin
from certification_pipeline.evidence.benchmark_samples import BaselineKind, Metric, Role
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.families.benchmark.asked import Asked, AskedError
from certification_pipeline.gates.benchmark_history import benchmark_history
from certification_pipeline.gates.benchmark_pin import pin_baseline
from certification_pipeline.gates.families import verification_of
from certification_pipeline.gates.verification import Verification
from certification_pipeline.harness.engines.environment import prepare
from certification_pipeline.harness.engines.snapshot import snapshot
from certification_pipeline.harness.events import FamilyStep, RunEvent
from certification_pipeline.harness.workshop import DEFECT_VARIABLE
from certification_pipeline.pipeline.families import measure_benchmark
from certification_pipeline.pipeline.releases import seal_plans
from certification_pipeline.settings import RunSettings
from tests.benchmark.samples import words

pytestmark = pytest.mark.integration

SMALL = Asked(rows=300, loads=1, max_pairs=10)
CATALOG = load_catalog()
FILE = "benchmark_baseline.json"


class Place:
    """An evidence directory, and benchmarks in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.events: list[RunEvent] = []

    def measure(
        self,
        asked: Asked = SMALL,
        *,
        release: str = "r1",
        cancel: threading.Event | None = None,
        on_event: Callable[[RunEvent], None] = lambda _: None,
    ) -> BenchmarkBaseline | None:
        def hear(event: RunEvent) -> None:
            self.events.append(event)
            on_event(event)

        settings = RunSettings(
            engines=("reference",),
            routes=("postgres_to_*",),
            release_id=release,
            evidence_dir=self.root,
        )
        seal_plans(settings, CATALOG, hear)
        return measure_benchmark(
            settings, CATALOG, "reference", hear, cancel or threading.Event(), asked=asked
        )

    def verified(self, release: str = "r1") -> Verification:
        directory = EvidenceStore(self.root).release(release, "reference")
        return verification_of(directory, FILE, stamp("now"))


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "evidence")


@pytest.mark.nightly
def test_slow_loads_are_red_and_everything_is_recorded(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEFECT_VARIABLE, "slow_load")
    made = place.measure(Asked(rows=2000, loads=1, max_pairs=10))
    assert made is not None
    assert made.outcome is Outcome.FAILED
    assert words(made) == ["cpu_seconds.regressed"]
    found = made.measurement
    assert found is not None
    cpu = next(each for each in made.comparisons if each.metric is Metric.CPU)
    assert cpu.lower is not None
    assert cpu.lower > 1.2
    assert found.baseline.kind is BaselineKind.SELF
    assert found.baseline.artifact_digest != found.contender.artifact_digest
    assert found.artefact_sha256 is None, "nobody may be measured against a planted defect"
    assert len(found.samples) == 30
    firsts = [sample.role for sample in found.samples if sample.position == 0]
    assert sorted(firsts[:2]) == [Role.BASELINE, Role.CONTENDER]
    assert firsts == firsts[:2] * 5, "in turns"
    for sample in found.samples:
        assert sample.rows_found == 2000
        [load] = sample.loads
        assert load.client_cpu_seconds
        assert load.server_cpu_seconds is not None
        assert load.wall_seconds
        if sample.role is Role.RAW:
            assert sample.bytes_moved
            assert sample.bytes_moved > 2000 * 100
        else:
            assert load.peak_memory_bytes == pytest.approx(load.claimed_peak_memory_bytes, rel=0.2)
    verified = place.verified()
    assert verified.problems == ()
    assert verified.outcome is Outcome.FAILED
    steps = [event.text for event in place.events if isinstance(event, FamilyStep)]
    assert steps[0] == "pair 1 of 10"
    assert len(benchmark_history(EvidenceStore(place.root))) == len(Metric)
    with pytest.raises(EvidenceError, match="not green"):
        pin_baseline(EvidenceStore(place.root), EvidenceStore(place.root).release("r1", "reference"), "x")


@pytest.mark.nightly
def test_a_fast_load_of_too_few_rows_is_red_at_once(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEFECT_VARIABLE, "drop_last_batch")
    made = place.measure()
    assert made is not None
    assert made.outcome is Outcome.FAILED
    assert "contender.load_failed" in words(made)
    assert made.measurement is not None
    assert len(made.measurement.samples) == 3, "one pair, and no more"
    assert place.verified().outcome is Outcome.FAILED


@pytest.mark.nightly
def test_what_was_pinned_is_run_beside_its_successor(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = CATALOG.engines["reference"].driver
    artefact, digest = snapshot("reference", driver), prepare("reference", driver).artifact_digest
    assert artefact is not None
    pin = PinnedBaseline(
        engine="reference",
        version="0.1.0",
        artifact_digest=digest,
        sha256=sha256(artefact),
        release_id="earlier",
        pinned_at=utc_now(),
    )
    write_pin(place.root, pin, artefact)
    monkeypatch.setenv(DEFECT_VARIABLE, "drop_last_batch")  # ends after one pair
    made = place.measure()
    assert made is not None
    assert made.measurement is not None
    baseline = made.measurement.baseline
    assert (baseline.kind, baseline.release_id) == (BaselineKind.PINNED, "earlier")
    assert (baseline.artifact_digest, baseline.sha256) == (digest, pin.sha256)
    assert "baseline.load_failed" not in words(made)
    [side] = [sample for sample in made.measurement.samples if sample.role is Role.BASELINE]
    assert side.rows_found == 300
    # An edited artefact is not a first release.
    path = place.root / "baselines" / "reference" / pin.file
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(EvidenceError, match="is not the file that was pinned"):
        place.measure(release="r2")


@pytest.mark.nightly
def test_cancelled_it_leaves_what_was_there(place: Place) -> None:
    cancel = threading.Event()

    def stop(event: RunEvent) -> None:
        if isinstance(event, FamilyStep):
            cancel.set()

    assert place.measure(cancel=cancel, on_event=stop) is None
    assert not list(place.root.rglob("benchmark_*"))


@pytest.mark.nightly
def test_other_sinks_and_strategies_are_measured_too(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(DEFECT_VARIABLE, "drop_last_batch")  # ends after one pair
    made = place.measure(Asked(sink="duckdb", strategy=Strategy.INCREMENTAL_MERGE, rows=300, loads=1))
    assert made is not None
    assert made.measurement is not None
    by_role = {sample.role: sample for sample in made.measurement.samples}
    assert by_role[Role.BASELINE].rows_found == 300
    assert by_role[Role.BASELINE].problem is None
    assert by_role[Role.CONTENDER].problem is not None
    assert by_role[Role.RAW].rows_found == 300


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (Asked(sink="nowhere"), "--route"),
        (Asked(source="api", strategy=Strategy.XMIN), "--strategy"),
        (Asked(strategy=Strategy.CDC), "--strategy"),
        (Asked(pairs=9), "--pairs"),
        (Asked(pairs=30), "--max-pairs"),
        (Asked(ratio=1.0), "--allowed-regression-ratio"),
        (Asked(ratio=float("nan")), "--allowed-regression-ratio"),
        (Asked(baseline="nowhere.zip"), "--baseline"),
    ],
)
def test_what_cannot_be_measured_is_refused(asked: Asked, said: str) -> None:
    with pytest.raises(AskedError, match=said) as refused:
        asked.check(CATALOG, "reference")
    assert refused.value.remedy


@pytest.mark.nightly
def test_the_engine_as_it_is_passes_against_itself(place: Place) -> None:
    made = place.measure(Asked())
    assert made is not None
    assert made.outcome is not Outcome.FAILED, made.blockers
    assert made.aa is not None
    assert made.aa.rate < 0.05
    assert json.loads(made.model_dump_json())["measurement"]["baseline"]["kind"] == "self"
