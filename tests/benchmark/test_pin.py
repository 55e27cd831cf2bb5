"""Pinning is for green benchmarks alone, and a damaged pin is not a first release."""

from __future__ import annotations

from pathlib import Path

import pytest

from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark_pin import PINNED, read_pin
from certification_pipeline.evidence.benchmark_samples import ARTEFACT
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.earlier import keep_failure
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.benchmark_history import benchmark_history, comparable
from certification_pipeline.gates.benchmark_pin import pin_baseline, pin_if_measured
from certification_pipeline.gates.benchmark_request import benchmark_request
from certification_pipeline.gates.decide import write_benchmark
from tests.benchmark.samples import HARDWARE, judged, measurement
from tests.evidence.builders import ENGINE, RELEASE, SUBJECT, release
from tests.gates.benchmarks import BASELINE, METRICS

KEPT = b"the artefact of that release"


@pytest.fixture
def directory(tmp_path: Path) -> SubjectDir:
    return release(tmp_path)[0]


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path)


def write(directory: SubjectDir, slower: float = 1.0, *, artefact: bytes | None = KEPT) -> None:
    digest = sha256(artefact) if artefact is not None else None
    made = judged(measurement(slower, artefact_sha256=digest))
    if artefact is not None:
        (directory.path / ARTEFACT).write_bytes(artefact)
    directory.write(made, markdown(made))


def test_a_green_benchmark_is_pinned_and_found_again(store: EvidenceStore, directory: SubjectDir) -> None:
    assert read_pin(store.root, ENGINE) is None
    write(directory)
    pin = pin_baseline(store, directory, "run-9")
    assert (pin.engine, pin.release_id, pin.artifact_digest) == (ENGINE, RELEASE, SUBJECT.artifact_digest)
    assert read_pin(store.root, ENGINE) == (pin, KEPT)
    assert pin_if_measured(store, directory, "run-9") is not None


def test_a_red_benchmark_is_not(store: EvidenceStore, directory: SubjectDir) -> None:
    write(directory, 1.5)
    with pytest.raises(EvidenceError, match="not green: failed"):
        pin_baseline(store, directory, "run-9")
    assert not (store.root / layout.BASELINES).exists()


def test_nor_one_that_is_green_after_it_was_red_with_nothing_changed(
    store: EvidenceStore, directory: SubjectDir
) -> None:
    write(directory, 1.5)
    keep_failure(directory, layout.FAMILY_ARTIFACTS[Family.BENCHMARK])
    write(directory)
    with pytest.raises(EvidenceError, match="not green: cantTell"):
        pin_baseline(store, directory, "run-9")
    assert not (store.root / layout.BASELINES).exists()


def test_nor_one_whose_artefact_was_exchanged(store: EvidenceStore, directory: SubjectDir) -> None:
    write(directory)
    (directory.path / ARTEFACT).write_bytes(b"a slow one, so that all later ones look fast")
    with pytest.raises(EvidenceError, match="not the file that was measured"):
        pin_baseline(store, directory, "run-9")


def test_nor_given_figures_nor_what_cannot_be_kept(store: EvidenceStore, directory: SubjectDir) -> None:
    assert pin_if_measured(store, directory, "run-9") is None
    write_benchmark(directory, "run-1", benchmark_request(METRICS, BASELINE, 0.1))
    with pytest.raises(EvidenceError, match="given figures pin nothing"):
        pin_baseline(store, directory, "run-9")
    assert pin_if_measured(store, directory, "run-9") is None
    write(directory, artefact=None)
    with pytest.raises(EvidenceError, match="planted defect"):
        pin_baseline(store, directory, "run-9")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (f'"engine": "{ENGINE}"', '"engine": "other"', "content_digest"),
        ('"sha256": "sha256:', '"sha256": "md5:', "sha256"),
        ("{", "", "JSON"),
        ('"version"', '"extra": 1, "version"', "extra"),
    ],
)
def test_a_damaged_pin_is_named(
    store: EvidenceStore, directory: SubjectDir, old: str, new: str, said: str
) -> None:
    write(directory)
    pin = pin_baseline(store, directory, "run-9")
    path = store.root / layout.BASELINES / ENGINE / PINNED
    text = path.read_text()
    path.write_text(text.replace(old, new))
    with pytest.raises(EvidenceError, match=said):
        read_pin(store.root, ENGINE)
    path.write_text(text)
    (path.parent / pin.file).unlink()
    with pytest.raises(EvidenceError, match="zip"):
        read_pin(store.root, ENGINE)


def test_history_keeps_machines_apart(store: EvidenceStore, directory: SubjectDir) -> None:
    write(directory)
    assert benchmark_history(store, engines=["another"]) == ()
    rows = benchmark_history(store)
    assert {row.metric for row in rows} >= {"cpu_seconds", "rows_per_second"}
    assert {row.hardware_key for row in rows} == {HARDWARE.key}
    assert comparable(rows, rows[0].series) == rows
    assert comparable(rows, rows[0].series.replace("2 cores", "64 cores")) == ()
    cpu = next(row for row in rows if row.metric == "cpu_seconds")
    assert cpu.gated
    assert cpu.lower is not None
    assert cpu.ratio is not None
    assert cpu.lower <= cpu.ratio
    (directory.path / "benchmark_baseline.json").write_text("{}")
    assert benchmark_history(store) == ()
