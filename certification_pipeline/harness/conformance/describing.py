"""What a driver says about itself, held against its catalogue entry."""

from __future__ import annotations

import re

from certification_pipeline.catalog.engines import Engine
from certification_pipeline.harness.conformance.checks import Report
from certification_pipeline.harness.engines.environment import PreparedEngine
from certification_pipeline.harness.engines.protocol import Described

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def check_described(report: Report, engine: Engine, said: Described, prepared: PreparedEngine) -> None:
    """Name, version and digest; that it answered in our version of the protocol is known by now."""
    report.add("describe.answers", bool(said.version), f"{said.engine} {said.version or '(no version)'}")
    driver = engine.driver
    names = {engine.id, driver.folder or engine.id, driver.distribution or engine.id}
    plain = {_plain(name) for name in names}
    report.add("describe.name", _plain(said.engine) in plain, f"it calls itself `{said.engine}`")
    told, installed = said.artifact_digest, prepared.artifact_digest
    well_formed = bool(_DIGEST.fullmatch(told)) if told else bool(_DIGEST.fullmatch(installed))
    seen = f"it tells {told[:80]}" if told else f"it tells none; installed: {installed[:19]}…"
    report.add("describe.digest", well_formed, seen)


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
