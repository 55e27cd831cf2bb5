"""The connector gate: everything in ``connector_certification`` recomputed from plan and JUnit file."""

from __future__ import annotations

from collections.abc import Iterator

from certification_pipeline.catalog.vocabulary import Family, Outcome
from certification_pipeline.evidence.artifact import Blocker
from certification_pipeline.evidence.canonical import parse_value, sha256
from certification_pipeline.evidence.connector_scope import connector_scope
from certification_pipeline.evidence.connector_snapshot import junit_file, snapshot_id
from certification_pipeline.evidence.connector_verdict import (
    judge_connectors,
    profile_markers,
)
from certification_pipeline.evidence.connectors import JUNIT, ConnectorCertification, JUnitFile
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.earlier import earlier_failures
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.evidence.junit import JUnitReport, parse_junit
from certification_pipeline.evidence.next_step import decide_again
from certification_pipeline.evidence.subject_dir import SubjectDir
from certification_pipeline.gates.verification import (
    EvidenceFile,
    SealedPlan,
    Verification,
    before_the_plan,
    differences,
    provenance_of,
)


def verify_connectors(directory: SubjectDir, file: EvidenceFile, sealed: SealedPlan) -> Verification:
    """Judge the JUnit file beside the artifact again, for the connectors that the plan claims.

    An edited JUnit file has another digest, an edited flag disagrees with what the file yields, a connector
    left out is still in the plan.
    """
    found = directory.load(file.data, file.path, ConnectorCertification)
    recomputed, problems = _recomputed(directory, found, sealed)
    proven = [
        capability.status is Outcome.PASSED
        for items in recomputed.connectors.values()
        for capability in items.values()
    ]
    flaky = tuple(_flaky(directory, recomputed)) if recomputed.passed else ()
    return Verification(
        outcome=Outcome.CANT_TELL if flaky else recomputed.outcome,
        release_id=found.release_id,
        made_at=found.created_at,
        problems=(*before_the_plan(found, sealed.plan), *problems, *differences(found, recomputed)),
        because=(*flaky, *recomputed.blockers),
        summary={
            "connectors": len(recomputed.connectors),
            "tested": sum(connector.reason is None for connector in recomputed.scope),
            "items": len(proven),
            "passed": sum(proven),
            "markers": [marker.value for marker in recomputed.markers],
        },
    )


def _flaky(directory: SubjectDir, made: ConnectorCertification) -> Iterator[Blocker]:
    """A pass after a failure of the same engine with the same documents (law 9)."""
    name = f"{ConnectorCertification.KIND}.json"
    for failure in earlier_failures(directory, name, made.subject):
        kept = parse_value(directory.read_bytes(failure.path), failure.path)
        if isinstance(kept, dict) and kept.get("documents") == made.documents:
            yield Blocker(
                code=f"{Family.CONNECTOR_LIVE.value}.flaky",
                message=f"passed, but failed before with nothing changed: see {failure.path}",
                next_step=f"Find out why it failed ({failure.path}); a mended engine is a new release: "
                "certify run",
            )
            return


def _recomputed(
    directory: SubjectDir, found: ConnectorCertification, sealed: SealedPlan
) -> tuple[ConnectorCertification, tuple[str, ...]]:
    plan = sealed.plan
    junit, report, problems = _report(directory, found)
    judged = judge_connectors(
        connector_scope(plan),
        report,
        markers=found.markers,
        profile=plan.profile,
        exit_code=found.pytest_exit_code,
        again=decide_again("connectors", plan.subject.engine, plan.release_id),
    )
    recomputed = ConnectorCertification(
        **provenance_of(found).header(
            ConnectorCertification, directory.release_id, plan.subject, plan.profile
        ),
        **verdict(judged.outcome, judged.blockers),
        markers=found.markers,
        scope=judged.scope,
        connectors=judged.connectors,
        missing_required=judged.missing_required,
        documents=found.documents,
        previous_release=found.previous_release,
        pytest_exit_code=found.pytest_exit_code,
        junit=junit,
        catalog_digest=plan.catalog_digest,
        snapshot_id=snapshot_id(plan.catalog_digest, found.documents, junit.sha256 if junit else ""),
    )
    lacking = [marker for marker in profile_markers(plan.profile) if marker not in found.markers]
    return recomputed, (
        *problems,
        *(f"tests marked {marker} belong to the profile and were not asked for" for marker in lacking),
    )


def _report(
    directory: SubjectDir, found: ConnectorCertification
) -> tuple[JUnitFile | None, JUnitReport | str, tuple[str, ...]]:
    """The JUnit file as it lies there, and how it differs from the one that was sealed."""
    if found.junit is None:
        # The artifact says itself why; its blocker is one of those that are compared.
        said = [b.message for b in found.blockers if b.code.endswith("missing:junit.xml")]
        return None, said[0] if said else "no JUnit file was written", ()
    problems: list[str] = []
    if found.junit.path != JUNIT:
        problems.append(f"junit.path: says {found.junit.path!r}, is {JUNIT!r}")
    try:
        data = directory.read_bytes(JUNIT)
        report = parse_junit(data, JUNIT)
    except EvidenceError as error:
        return None, str(error), (*problems, str(error))
    problems += _edited(found.junit, data)
    return junit_file(data, report), report, tuple(problems)


def _edited(stated: JUnitFile, data: bytes) -> Iterator[str]:
    if stated.sha256 != sha256(data):
        yield f"{JUNIT}: is not the file this artifact was computed from"
