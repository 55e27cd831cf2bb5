"""What every artifact has in common: who made it, for which release and subject, and when.

Sources: DESIGN section 10; in-toto test-result predicate v0.1 for the shape of results.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import ClassVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from certification_pipeline.catalog.vocabulary import Outcome

Digest = str
"""``sha256:<64 hex digits>``"""

DIGEST_PATTERN = r"^sha256:[0-9a-f]{64}$"


class Model(BaseModel):
    """Frozen, closed: an unknown field in an artifact is an error, not a surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Subject(Model):
    """The named thing that is certified (law 8)."""

    engine: str
    version: str
    artifact_digest: str = Field(description="sha256 of what was installed; empty only when untested")


class Producer(Model):
    """What made the artifact."""

    name: str = "certification_pipeline"
    version: str
    git_revision: str | None = None
    git_dirty: bool | None = None


class Environment(Model):
    """Where it was made; coarse on purpose, so that it names a kind of machine, not a person's."""

    python: str
    platform: str
    cpu_count: int
    memory_bytes: int | None = None


class Blocker(Model):
    """Why a verdict is not green. ``code`` keeps the seeds' grammar (seed 003, failure behaviour)."""

    code: str = Field(
        examples=["certification_report.missing", "certification_report.not_passed", "matrix.missing:x.json"]
    )
    message: str
    next_step: str = Field(description="what to do about it, as a command where there is one")


class Artifact(Model):
    """Header fields of every artifact; subclasses set ``KIND`` and add their items.

    ``passed`` and ``outcome`` are for readers; gates never believe them and recompute from the items
    (law 3).
    """

    KIND: ClassVar[str] = ""
    LONG: ClassVar[str] = ""
    """The list that grows with the cells, if any: read and written piece by piece (:mod:`pieces`)."""

    schema_version: str
    release_id: str
    run_id: str
    created_at: AwareDatetime
    producer: Producer
    environment: Environment
    subject: Subject
    profile: str
    outcome: Outcome
    passed: bool
    blockers: tuple[Blocker, ...] = ()

    @classmethod
    def schema_name(cls) -> str:
        """``certification_pipeline.<kind>.v1``."""
        return f"certification_pipeline.{cls.KIND}.v1"


def utc_now() -> datetime:
    """Now, aware, without sub-millisecond noise."""
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
