"""A production deployment, attested: a signed and dated statement of a person who answers for it (seed 001).

It is about an engine's artifact, as every statement here, and says on which route it runs, where, and whose
it is. It says nothing that a test could: whether the route is right is for the cells.
"""

from __future__ import annotations

from typing import ClassVar, Literal, Self

from pydantic import AwareDatetime, Field, model_validator

from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Subject
from certification_pipeline.evidence.seal.statement import (
    EngineName,
    Predicate,
    ResourceDescriptor,
    Statement,
    Wire,
    digest_set,
)

ROUTE_PATTERN = r"^[a-z0-9_]+_to_[a-z0-9_]+$"


class ProductionPredicate(Predicate):
    """The deployment."""

    KIND: ClassVar[str] = "production-deployment"

    engine: EngineName
    artifact_digest: Digest = Field(pattern=DIGEST_PATTERN)
    route: str = Field(pattern=ROUTE_PATTERN, description="<source>_to_<sink>")
    deployment: str = Field(min_length=1, max_length=200, description="which one: a name its owner knows")
    owner: str = Field(min_length=1, max_length=200, description="who answers for it")
    attested_at: AwareDatetime
    expires_at: AwareDatetime

    @model_validator(mode="after")
    def _ends(self) -> Self:
        if self.expires_at <= self.attested_at:
            raise ValueError("it expires before it begins")
        return self


class ProductionStatement(Wire):
    """As :class:`~certification_pipeline.evidence.seal.statement.Statement`, read back."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(alias="_type")
    subject: tuple[ResourceDescriptor, ...] = Field(min_length=1, max_length=1)
    predicate_type: Literal["urn:certification-pipeline:predicate:production-deployment:v1"]
    predicate: ProductionPredicate

    @model_validator(mode="after")
    def _about_its_subject(self) -> Self:
        if self.subject[0].digest != digest_set(self.predicate.artifact_digest):
            raise ValueError("the predicate is about another artifact than the subject")
        return self

    @property
    def certified(self) -> Subject:
        """The engine, version and artifact that run there."""
        engine = self.predicate.engine
        digest = self.predicate.artifact_digest
        return Subject(engine=engine.name, version=engine.version, artifact_digest=digest)


def production_statement(predicate: ProductionPredicate) -> Statement:
    """The statement to be signed."""
    name = f"{predicate.engine.name}@{predicate.engine.version}"
    subject = ResourceDescriptor(name=name, digest=digest_set(predicate.artifact_digest))
    return Statement.about((subject,), predicate)
