"""A whole honest release on disk, decided at fixed times: what the tests here then forge."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from certification_pipeline.evidence.canonical import seal
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import PlannedCell
from certification_pipeline.evidence.report import CertificationReport
from certification_pipeline.evidence.seal.keys import Signer
from certification_pipeline.evidence.store import EvidenceStore
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.evidence.suite import CertificationSuite
from certification_pipeline.evidence.summary import ReleaseSummary
from certification_pipeline.gates.artifact_index import artifact_index
from certification_pipeline.gates.bundle_writer import BundleRequest, write_evidence, write_strategy
from certification_pipeline.gates.certification_report import certification_report
from certification_pipeline.gates.certification_suite import certification_suite, suite_index
from certification_pipeline.gates.chain import append
from certification_pipeline.gates.families import VERIFIERS
from certification_pipeline.gates.release_summary import release_summary, verify_release_summary
from certification_pipeline.gates.seal import seal_decisions, seal_evidence
from certification_pipeline.gates.verification import read_plan
from tests.evidence.builders import SMALL, provenance, release

DOCS: dict[str, Any] = {"docs": ()}


def report(directory: SubjectDir, minutes: float = 60) -> CertificationReport:
    sealed = read_plan(directory)
    cells = directory.scan(sealed.plan)
    made = certification_report(sealed.plan, cells, provenance(minutes), plan_sha256=sealed.sha256)
    return directory.write(made, markdown(made))


def bundles(directory: SubjectDir, minutes: float = 60.5, **asked: Any) -> None:
    """Both bundles, with no page of the repository in them: pages change."""
    sealed, verifiers, asking = read_plan(directory), VERIFIERS.remembering(), BundleRequest(**DOCS | asked)
    write_strategy(directory, sealed, provenance(minutes), verifiers, asking)
    write_evidence(directory, sealed, provenance(minutes), verifiers)


def suite(directory: SubjectDir, minutes: float = 61, **options: Any) -> CertificationSuite:
    return certification_suite(directory, provenance(minutes), suite_id="nightly", **options)


def summary(directory: SubjectDir, minutes: float = 63, **options: Any) -> ReleaseSummary:
    return release_summary(directory, provenance(minutes), **options)


def verified(directory: SubjectDir, minutes: float = 70) -> ReleaseSummary:
    return verify_release_summary(directory, provenance(minutes))


def decide(directory: SubjectDir, *, signer: Signer | None = None, **options: Any) -> ReleaseSummary:
    """All gates, written, sealed and chained, at minutes 60 to 63 after sealing."""
    report(directory)
    bundles(directory)
    judged = suite(directory, **options)
    directory.write(judged, markdown(judged))
    digest = directory.read_with_digest(directory.suite_path, CertificationSuite)[1]
    indexed = suite_index(None, judged, digest, provenance(61))
    directory.write(indexed, markdown(indexed))
    seal_evidence(directory, signer)
    index = artifact_index(directory, provenance(62))
    directory.write(index, markdown(index))
    with suppress(EvidenceError):  # what cannot be chained is red in the summary
        append(EvidenceStore.holding(directory), directory, provenance(62.5), signer=signer)
    decided = summary(directory)
    decided = directory.write(decided, markdown(decided))
    seal_decisions(directory, signer)
    return decided


def decided_release(
    root: Path, cells: tuple[PlannedCell, ...] = SMALL, *, signer: Signer | None = None
) -> SubjectDir:
    directory, _ = release(root, cells)
    assert decide(directory, signer=signer).passed
    return directory


def write_json(path: Path, value: Any, *, resealed: bool = False) -> None:
    """What a forger types; ``resealed`` makes the content digest right again."""
    if resealed and isinstance(value, dict) and "content_digest" in value:
        value = value | {"content_digest": ""}
    data = (json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()
    path.write_bytes(seal(data)[0] if resealed else data)


def codes(decision: CertificationReport | CertificationSuite | ReleaseSummary) -> list[str]:
    return [blocker.code for blocker in decision.blockers]
