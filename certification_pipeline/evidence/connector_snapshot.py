"""What exactly the connectors' verdict rests on, as digests."""

from __future__ import annotations

import json
from collections.abc import Mapping

from certification_pipeline.evidence.artifact import Digest
from certification_pipeline.evidence.canonical import sha256
from certification_pipeline.evidence.connectors import JUNIT, JUnitFile
from certification_pipeline.evidence.junit import JUnitReport


def snapshot_id(catalog_digest: Digest, documents: Mapping[str, Digest], junit: Digest) -> Digest:
    """One digest over the catalogue, every document that was looked at, and the test report."""
    body = {"catalog": catalog_digest, "documents": dict(documents), "junit": junit}
    return sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode())


def junit_file(data: bytes, report: JUnitReport) -> JUnitFile:
    """How the artifact refers to its report."""
    return JUnitFile(
        path=JUNIT,
        sha256=sha256(data),
        tests=report.tests,
        failures=report.failures,
        errors=report.errors,
        skipped=report.skipped,
    )
