"""``connector_certification.json``: seed 000's checklist per connector, each item proven by tests.

Keeps dpone's fields (``connectors``, ``missing_required``, ``snapshot_id``) beside its own. Knows the shapes;
what a checklist item is worth follows from the JUnit file beside it (``evidence/connector_verdict.py``).
"""

from __future__ import annotations

from typing import ClassVar

from pydantic import Field

from certification_pipeline.catalog.checklist import ChecklistItem, TestMarker
from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model
from certification_pipeline.evidence.decision import Decision

JUNIT = "connectors/junit.xml"


class Capability(Model):
    """One checklist item of one connector."""

    connector: str
    capability: ChecklistItem
    status: Outcome
    required: bool = Field(description="anything but passed or inapplicable is a blocker")
    evidence: str = Field(description="the JUnit file; empty when no test was there to say anything")
    tests: tuple[str, ...] = Field(description="names of the tests that prove it")
    detail: str | None = None
    remedy: str | None = None


class Connector(Model):
    """An engine's source or sink (or both) for one system."""

    name: str = Field(description="<engine>/<system>")
    system: str
    roles: tuple[str, ...]
    required: bool = Field(description="the profile requires a route that rests on it")
    reason: str | None = Field(None, description="why it was not tested; None when it was")
    detail: str | None = None
    remedy: str | None = None
    level: str | None = Field(None, description="as its documentation page states; not granted here")
    previous_level: str | None = Field(None, description="as the last published release recorded it")


class JUnitFile(Model):
    """The test report the verdict is computed from."""

    path: str
    sha256: Digest = Field(pattern=DIGEST_PATTERN)
    tests: int
    failures: int
    errors: int
    skipped: int


class ConnectorCertification(Decision):
    """Green when every required item of every required connector passed, or was shown to be inapplicable."""

    KIND: ClassVar[str] = "connector_certification"

    markers: tuple[TestMarker, ...] = Field(description="which tests were asked for")
    scope: tuple[Connector, ...] = Field(description="every connector that the sealed plan claims")
    connectors: dict[str, dict[ChecklistItem, Capability]]
    missing_required: tuple[str, ...] = Field(
        description="<connector>.<item> of each required item not proven"
    )
    documents: dict[str, Digest] = Field(description="pages, manifests and changelog that were looked at")
    previous_release: str | None = Field(description="the published release that levels are compared with")
    pytest_exit_code: int | None = Field(description="None: pytest was killed")
    junit: JUnitFile | None
    catalog_digest: Digest
    snapshot_id: Digest = Field(description="sha256 over catalogue, documents and JUnit file")
