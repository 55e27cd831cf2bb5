"""All gates of one subject in their order, each written before the next rests on it.

The one place in this room that writes: the gates themselves only read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence import layout
from certification_pipeline.evidence.benchmark import BenchmarkBaseline
from certification_pipeline.evidence.errors import EvidenceError, ProblemKind
from certification_pipeline.evidence.index import ArtifactIndex
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.provenance import stamp
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite, CertificationSuiteIndex, ItemName
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.benchmark_baseline import benchmark_baseline
from certification_pipeline.gates.benchmark_request import BenchmarkRequest
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.certification_suite import certification_suite, suite_index
from certification_pipeline.gates.release_summary import release_summary
from certification_pipeline.gates.verification import SealedPlan, read_plan


@dataclass(frozen=True)
class Decided:
    """What :func:`decide` wrote. ``outcome`` is the release summary's."""

    report: CertificationReport
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
) -> Decided:
    """Write report, suite with its index, artifact index and release summary, JSON and Markdown.

    EvidenceError when there is no plan that can be read, or nothing can be written.
    """
    report = write_report(directory, run_id)
    suite = write_suite(directory, run_id, suite_id=suite_id, require=require, paths=paths)
    index, summary = write_summary(directory, run_id, require=require)
    return Decided(report, suite, index, summary)


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
        directory, stamp(run_id), suite_id=suite_id or directory.release_id, require=require, paths=paths
    )
    suite = directory.write(suite, markdown(suite))
    written = directory.read_with_digest(directory.suite_path, CertificationSuite)[1]
    previous, damage = _previous_index(directory)
    index = suite_index(previous, suite, written, stamp(run_id), damage)
    directory.write(index, markdown(index))
    return suite


def write_summary(
    directory: SubjectDir, run_id: str, *, require: Collection[ItemName] = ()
) -> tuple[ArtifactIndex, ReleaseSummary]:
    """Index every file, decide about the release on what lies on disk, and write both."""
    index = artifact_index(directory, stamp(run_id))
    index = directory.write(index, markdown(index))
    summary = release_summary(directory, stamp(run_id), require=require)
    return index, directory.write(summary, markdown(summary))


def _previous_index(directory: SubjectDir) -> tuple[CertificationSuiteIndex | None, str | None]:
    try:
        return directory.read(layout.SUITE_INDEX, CertificationSuiteIndex), None
    except EvidenceError as error:
        missing = error.kind is ProblemKind.MISSING
        return None, None if missing else f"The earlier index is lost: {error}"
