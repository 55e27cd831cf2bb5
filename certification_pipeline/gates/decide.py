"""All gates of one subject in their order, each written before the next rests on it.

The one place in this room that writes: the gates themselves only read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.bundle import OpsEvidenceBundle, StrategyCertificationBundle
from certification_pipeline.evidence.decision import Decision
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.seal.keys import PublicKey, Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex, ItemName
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates import chain
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.benchmark_baseline import benchmark_baseline
from certification_pipeline.gates.benchmark_request import BenchmarkRequest
from certification_pipeline.gates.bundle_writer import (
    BundleRequest,
    asked_before,
    write_evidence,
    write_strategy,
)
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.certification_suite import certification_suite, suite_index
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.levels.writing import write_levels
from certification_pipeline.gates.release_summary import release_summary
from certification_pipeline.gates.seal import seal_decisions, seal_evidence
from certification_pipeline.gates.verification import SealedPlan, provenance_of, read_plan
from certification_pipeline.gates.verifiers import Verifiers


@dataclass(frozen=True)
class Decided:
    """What :func:`decide` wrote. ``outcome`` is the release summary's."""

    report: CertificationReport
    strategy: StrategyCertificationBundle
    evidence: OpsEvidenceBundle
    suite: CertificationSuite
    index: ArtifactIndex
    summary: ReleaseSummary

    @property
    def outcome(self) -> Outcome:
        """May this subject's release go out?"""
        return self.summary.outcome


def decide(
    directory: SubjectDir,
    run_id: str,
    *,
    suite_id: str | None = None,
    require: Collection[ItemName] = (),
    paths: Mapping[ItemName, str] | None = None,
    signer: Signer | None = None,
    trusted: Collection[PublicKey] = (),
) -> Decided:
    """Write report, bundles, suite with its index, artifact index and release summary, JSON and Markdown.

    Evidence and decisions are signed by ``signer``; without one they are unsigned, and say so. Statements
    from outside count when one of ``trusted``, or ``signer`` itself, signed them.
    EvidenceError when there is no plan that can be read, or nothing can be written.
    """
    verifiers = VERIFIERS.remembering()
    report = write_report(directory, run_id)
    sealed, now = read_plan(directory), stamp(run_id)
    strategy = write_strategy(directory, sealed, now, verifiers, asked_before(directory, sealed))
    evidence = write_evidence(directory, sealed, now, verifiers)
    suite = certification_suite(
        directory,
        now,
        suite_id=suite_id or directory.release_id,
        require=require,
        paths=paths,
        verifiers=verifiers,
    )
    suite = _write_suite(directory, suite)
    index, summary = write_summary(
        directory, run_id, require=require, signer=signer, trusted=trusted, verifiers=verifiers
    )
    return Decided(report, strategy, evidence, suite, index, summary)


def no_evidence(directory: SubjectDir) -> tuple[str, ...]:
    """Decisions that lie there and are none: typed by hand, edited, of another release. To be asked before
    deciding again, which replaces them: whoever put them there must hear it.
    """
    found = []
    for model in _DECISIONS:
        path = f"{model.KIND}.json"
        try:
            directory.read(path, model)
        except EvidenceError as error:
            if error.kind is not ProblemKind.MISSING:
                found.append(f"{path}: {error.field or 'the file'}: {error.problem}")
    return tuple(found)


_DECISIONS: tuple[type[Decision], ...] = (
    CertificationReport,
    StrategyCertificationBundle,
    OpsEvidenceBundle,
    CertificationSuite,
    ArtifactIndex,
    ReleaseSummary,
)


def read_matrix(directory: SubjectDir, run_id: str) -> CertificationReport:
    """Recompute ``certification_report`` from the plan and the cells on disk; nothing is written."""
    # By its whole path, unlike the gates, which write relative ones into evidence: a person reads this.
    sealed = SealedPlan(*directory.read_with_digest(directory.plan_path, CertificationPlan))
    cells = directory.scan(sealed.plan)
    return certification_report(sealed.plan, cells, stamp(run_id), plan_sha256=sealed.sha256)


def write_report(directory: SubjectDir, run_id: str) -> CertificationReport:
    """As :func:`read_matrix`, and written."""
    report = read_matrix(directory, run_id)
    return directory.write(report, markdown(report))


def write_benchmark(directory: SubjectDir, run_id: str, request: BenchmarkRequest) -> BenchmarkBaseline:
    """Judge given figures about the subject of the sealed plan; EvidenceError when there is no plan."""
    plan = read_plan(directory).plan
    made = benchmark_baseline(request, plan.release_id, plan.subject, plan.profile, stamp(run_id))
    return directory.write(made, markdown(made))


def write_strategy_bundle(
    directory: SubjectDir, run_id: str, request: BundleRequest | None = None
) -> StrategyCertificationBundle:
    """Evaluate and write ``strategy_certification_bundle``; without a request, what was asked for before.

    EvidenceError when there is no plan.
    """
    sealed = read_plan(directory)
    request = asked_before(directory, sealed) if request is None else request
    return write_strategy(directory, sealed, stamp(run_id), VERIFIERS.remembering(), request)


def write_evidence_bundle(directory: SubjectDir, run_id: str) -> OpsEvidenceBundle:
    """Evaluate and write ``ops_evidence_bundle``; EvidenceError when there is no plan."""
    return write_evidence(directory, read_plan(directory), stamp(run_id), VERIFIERS.remembering())


def write_suite(
    directory: SubjectDir,
    run_id: str,
    *,
    suite_id: str | None = None,
    require: Collection[ItemName] = (),
    paths: Mapping[ItemName, str] | None = None,
) -> CertificationSuite:
    """Evaluate ``certification_suite`` (its id is the release's by default), write it and its index."""
    suite = certification_suite(
        directory,
        stamp(run_id),
        suite_id=suite_id or directory.release_id,
        require=require,
        paths=paths,
    )
    return _write_suite(directory, suite)


def decide_suite(
    directory: SubjectDir,
    run_id: str,
    *,
    suite_id: str | None = None,
    require: Collection[ItemName] = (),
    paths: Mapping[ItemName, str] | None = None,
) -> CertificationSuite:
    """As :func:`write_suite`, with the bundles that are there decided again first.

    They would be out of date as soon as one artifact was made anew. One that is not there stays missing.
    """
    if (directory.path / layout.STRATEGY_BUNDLE).exists():
        write_strategy_bundle(directory, run_id)
    if (directory.path / layout.EVIDENCE_BUNDLE).exists():
        write_evidence_bundle(directory, run_id)
    return write_suite(directory, run_id, suite_id=suite_id, require=require, paths=paths)


def _write_suite(directory: SubjectDir, suite: CertificationSuite) -> CertificationSuite:
    suite = directory.write(suite, markdown(suite))
    written = directory.read_with_digest(directory.suite_path, CertificationSuite)[1]
    previous, damage = _previous_index(directory)
    index = suite_index(previous, suite, written, provenance_of(suite), damage)
    directory.write(index, markdown(index))
    return suite


def write_summary(
    directory: SubjectDir,
    run_id: str,
    *,
    require: Collection[ItemName] = (),
    signer: Signer | None = None,
    trusted: Collection[PublicKey] = (),
    verifiers: Verifiers | None = None,
) -> tuple[ArtifactIndex, ReleaseSummary]:
    """Seal the evidence, index every file, chain them, decide on what lies on disk, grant levels, seal that.

    ``verifiers`` say what families are worth in seal and chain, and may remember it from deciding; the
    summary itself verifies everything from disk once more. What cannot be sealed or chained (no plan, a file
    that may not be there, a chain that was touched) makes the summary red.
    """
    verifiers = VERIFIERS.remembering() if verifiers is None else verifiers
    with _red_in_the_summary():
        seal_evidence(directory, signer, verifiers=verifiers)
    index = artifact_index(directory, stamp(run_id))
    index = directory.write(index, markdown(index))
    with _red_in_the_summary():
        chain.append(
            EvidenceStore.holding(directory),
            directory,
            stamp(run_id),
            signer=signer,
            trusted=trusted,
            verifiers=verifiers,
        )
    summary = release_summary(
        directory, stamp(run_id), require=require, verifiers=VERIFIERS.remembering(), kept=True
    )
    summary = directory.write(summary, markdown(summary))
    with _red_in_the_summary():
        believed = (*trusted, *([signer.public_key] if signer else []))
        write_levels(directory, stamp(run_id), trusted=believed)
    with _red_in_the_summary():
        seal_decisions(directory, signer)
    return index, summary


@contextmanager
def _red_in_the_summary() -> Iterator[None]:
    """What is wrong with evidence the summary says by itself; what the system refuses goes on up."""
    try:
        yield
    except EvidenceError as error:
        if error.kind is ProblemKind.REFUSED:  # nobody may be told that the evidence is red for that
            raise


def _previous_index(directory: SubjectDir) -> tuple[CertificationSuiteIndex | None, str | None]:
    try:
        return directory.read(layout.SUITE_INDEX, CertificationSuiteIndex), None
    except EvidenceError as error:
        missing = error.kind is ProblemKind.MISSING
        return None, None if missing else f"The earlier index is lost: {error}"
