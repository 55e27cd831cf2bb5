"""``connector_certification`` as the family writes it, out of a JUnit file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from certification_pipeline.evidence.connector_scope import connector_scope
from certification_pipeline.evidence.connector_snapshot import junit_file, snapshot_id
from certification_pipeline.evidence.connector_verdict import Judged, judge_connectors
from certification_pipeline.evidence.connectors import JUNIT, ConnectorCertification
from certification_pipeline.evidence.decision import verdict
from certification_pipeline.evidence.junit import parse_junit
from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.connectors.junit import ASKED
from tests.evidence.builders import provenance

AGAIN = "certify connectors --engine reference --release-id r1"


def judged(plan: CertificationPlan, data: bytes, code: int | None = 0, **options: Any) -> Judged:
    asked = {"markers": ASKED, "profile": "embedded", "again": AGAIN, **options}
    return judge_connectors(connector_scope(plan), parse_junit(data, JUNIT), exit_code=code, **asked)


def write(
    directory: SubjectDir,
    plan: CertificationPlan,
    data: bytes,
    code: int = 0,
    *,
    minutes: float = 20,
    documents: Mapping[str, str] | None = None,
) -> ConnectorCertification:
    """What the family writes."""
    path = directory.path / JUNIT
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(data)
    parsed = parse_junit(data, JUNIT)
    result = judged(
        plan,
        data,
        code,
        again=f"certify connectors --engine {plan.subject.engine} --release-id {plan.release_id}",
    )
    made = ConnectorCertification(
        **provenance(minutes).header(ConnectorCertification, plan.release_id, plan.subject, plan.profile),
        **verdict(result.outcome, result.blockers),
        markers=ASKED,
        scope=result.scope,
        connectors=result.connectors,
        missing_required=result.missing_required,
        documents=dict(documents or {}),
        previous_release=None,
        pytest_exit_code=code,
        junit=junit_file(data, parsed),
        catalog_digest=plan.catalog_digest,
        snapshot_id=snapshot_id(plan.catalog_digest, dict(documents or {}), junit_file(data, parsed).sha256),
    )
    return directory.write(made, markdown(made))
