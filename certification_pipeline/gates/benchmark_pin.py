"""Pinning: the artefact of a release whose benchmark is green becomes the baseline of those after it.

Called at the moment of publication, or by ``certify benchmark --pin``. It copies what was measured; it runs
nothing.
"""

from __future__ import annotations

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.artifact import utc_now
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.benchmark_pin import PinnedBaseline, write_pin
from certification_pipeline.evidence.benchmark_samples import ARTEFACT
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.verification import EvidenceFile, read_plan

FILE = layout.FAMILY_ARTIFACTS[Family.BENCHMARK]


def pin_baseline(store: EvidenceStore, directory: SubjectDir, run_id: str) -> PinnedBaseline:
    """Pin what this release measured. EvidenceError when its benchmark is not green *now*, from disk."""
    data = directory.read_bytes(FILE)
    verify = VERIFIERS[BenchmarkBaseline.schema_name()]
    verified = verify(directory, EvidenceFile(FILE, data), read_plan(directory), stamp(run_id))
    if verified.problems or verified.outcome is not Outcome.PASSED:
        why = verified.problems[0] if verified.problems else f"is not green: {verified.outcome.value}"
        step = verified.because[0].next_step if verified.because else "Measure again: certify benchmark"
        raise EvidenceError(str(directory.path / FILE), None, why, step)
    found = directory.load(data, FILE, BenchmarkBaseline)
    if found.measurement is None:
        remedy = "Measure: certify benchmark, without --metrics-json"
        raise EvidenceError(str(directory.path / FILE), "source", "given figures pin nothing", remedy)
    if found.measurement.artefact_sha256 is None:
        remedy = "Name it yourself at the next measurement: --baseline"
        raise EvidenceError(
            str(directory.path / FILE),
            "measurement.artefact_sha256",
            "this engine's artefact cannot be kept as a file, or was measured with a planted defect",
            remedy,
        )
    pin = PinnedBaseline(
        engine=found.subject.engine,
        version=found.subject.version,
        artifact_digest=found.subject.artifact_digest,
        sha256=found.measurement.artefact_sha256,
        release_id=found.release_id,
        pinned_at=utc_now(),
    )
    return write_pin(store.root, pin, directory.read_bytes(ARTEFACT))


def pin_if_measured(store: EvidenceStore, directory: SubjectDir, run_id: str) -> PinnedBaseline | None:
    """As :func:`pin_baseline` ``None`` when the release measured nothing that can be kept."""
    try:
        found = directory.read(FILE, BenchmarkBaseline)
    except EvidenceError as error:
        if error.kind is ProblemKind.MISSING:
            return None
        raise
    if found.measurement is None or found.measurement.artefact_sha256 is None:
        return None
    return pin_baseline(store, directory, run_id)
