"""``release_summary.json``: may this subject's release go out?"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar

from pydantic import Field, JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Digest, Model
from certification_pipeline.evidence.decision import Decision


class SummaryItemName(StrEnum):
    """What a release rests on; later issues add the chains and the connector suite."""

    PLAN = "certification_automation_plan"
    SUITE = "certification_suite"
    INDEX = "artifact_index"


class SummaryItem(Model):
    """One artifact, verified from disk when the summary was made."""

    name: SummaryItemName
    kind: str
    path: str = Field(description="relative to the summary")
    sha256: Digest | None
    outcome: Outcome
    passed: bool
    missing: bool
    summary: dict[str, JsonValue] = Field({})


class ReleaseSummary(Decision):
    """The last gate before publication."""

    KIND: ClassVar[str] = "release_summary"

    output_dir: str = "."
    items: tuple[SummaryItem, ...]
