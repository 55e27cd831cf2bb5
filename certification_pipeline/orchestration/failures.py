"""What can be expected to go wrong, as one message with its remedy in the run's page.

Anything else keeps its traceback: it is a defect of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import dagster as dg

from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.evidence.errors import EvidenceError
from certification_pipeline.families.plan import PlanError
from certification_pipeline.harness.engines.environment import EngineUnavailable
from certification_pipeline.harness.services.provider import ServiceError
from certification_pipeline.redaction import Redactor
from certification_pipeline.settings import SettingsError

_EXPECTED = (CatalogError, EvidenceError, PlanError, EngineUnavailable, ServiceError, SettingsError)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn an expected error into ``dagster.Failure``: no traceback, no retry, no secret."""
    try:
        yield
    except _EXPECTED as error:
        remedy = getattr(error, "remedy", "")
        said = str(error)
        text = said if not remedy or remedy in said else f"{said}. {remedy}"
        raise dg.Failure(Redactor().redact_text(text), allow_retries=False) from None
