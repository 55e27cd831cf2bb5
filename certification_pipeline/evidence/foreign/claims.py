"""What another tool's artifacts claim, and what became of each claim when it was recomputed.

Five outcomes, as everywhere: ``passed`` was recomputed and agrees; ``failed`` was recomputed and
contradicts; ``cantTell`` could be recomputed, but what it names is not here; ``untested`` cannot be
recomputed from any file, and ``why`` says why; ``inapplicable`` claims nothing. No claim is passed because it
says so.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, JsonValue

from certification_pipeline.catalog.vocabulary import Outcome
from certification_pipeline.evidence.artifact import Model

SCHEMA_VERSION: Literal["certification_pipeline.foreign_claims.v1"] = (
    "certification_pipeline.foreign_claims.v1"
)


class ForeignClaim(Model):
    """One thing a file says."""

    claim: str = Field(description="the field, or a few words for several")
    stated: JsonValue = Field(description="as the file has it; shortened when it is long")
    recomputed: JsonValue = Field(
        None, description="what follows from what lies underneath, if anything does"
    )
    outcome: Outcome
    why: str


class ForeignArtifact(Model):
    """One file of another tool. ``outcome`` is the worst of its claims: how far it can be believed."""

    path: str = Field(description="relative to the directory")
    kind: str
    sha256: str | None
    says: Literal["passed", "not passed", "nothing"] = Field(description="its own verdict: a claim")
    counts: dict[str, int] = Field({}, description="what it says it holds")
    outcome: Outcome
    claims: tuple[ForeignClaim, ...]


class ForeignReport(Model):
    """A directory of another tool's artifacts."""

    KIND: ClassVar[str] = "foreign_claims"

    schema_version: Literal["certification_pipeline.foreign_claims.v1"] = SCHEMA_VERSION
    tool: str
    measured: str = Field(description="the version whose artifacts the models were measured on")
    outcome: Outcome = Field(
        description="worst of the artifacts'; failed, too, where one says itself that it did not pass"
    )
    artifacts: tuple[ForeignArtifact, ...]
    other_files: int = Field(description="files that are none of the tool's JSON artifacts")
    left_out: dict[str, str] = Field({}, description="path -> why it was not looked at")

    @classmethod
    def schema_name(cls) -> str:
        """``certification_pipeline.foreign_claims.v1``."""
        return SCHEMA_VERSION
