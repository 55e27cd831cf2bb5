"""What is signed: in-toto Statements v1 about one engine's artifact, with our predicates.

``test-result/v0.1`` knows passed, warned and failed only, so that a cell nobody could run is unrepresentable;
our predicates hold all five outcomes (W3C EARL), ``untested`` with its reason. Predicate types are
``urn:certification-pipeline:predicate:<kind>:v1``; their JSON Schemas are published. Field names are lower
camel case, as in-toto has them; absent fields are left out, never null. Sources: in-toto attestation
framework, spec v1 (statement, resource descriptor, digest set).
"""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

from pydantic import AwareDatetime, ConfigDict, Field, JsonValue, SerializeAsAny
from pydantic.alias_generators import to_camel
from pydantic_core import to_json

from certification_pipeline.catalog.vocabulary import Family, Fidelity, Outcome, ReasonCode, Strategy
from certification_pipeline.evidence.artifact import DIGEST_PATTERN, Digest, Model, Subject

_DIGEST = re.compile(DIGEST_PATTERN)

DigestSet = dict[Literal["sha256"], Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


class Wire(Model):
    """Frozen and closed, as all our models; spelled in lower camel case."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True)


class ResourceDescriptor(Wire):
    """A file or an artifact by its digest. ``uri`` of a file is relative to the subject's directory."""

    name: str | None = None
    uri: str | None = None
    digest: DigestSet

    @classmethod
    def of_file(cls, path: str, digest: Digest) -> ResourceDescriptor:
        """A file of the evidence, by its relative path."""
        return cls(uri=path, digest=digest_set(digest))


class EngineName(Wire):
    """Which engine in which version: what the subject's digest stands for."""

    name: str
    version: str


class Predicate(Wire):
    """What a statement says about its subject; ``kind`` gives the predicate's type."""

    KIND: ClassVar[str] = ""

    @classmethod
    def predicate_type(cls) -> str:
        """``urn:certification-pipeline:predicate:<kind>:v1``."""
        return f"urn:certification-pipeline:predicate:{cls.KIND}:v1"


class Statement(Wire):
    """An in-toto Statement v1."""

    type_: Literal["https://in-toto.io/Statement/v1"] = Field(
        "https://in-toto.io/Statement/v1", alias="_type"
    )
    subject: tuple[ResourceDescriptor, ...] = Field(min_length=1)
    predicate_type: str
    predicate: SerializeAsAny[Predicate]

    @classmethod
    def about(cls, subject: tuple[ResourceDescriptor, ...], predicate: Predicate) -> Statement:
        """A statement with that predicate's own type."""
        return cls(subject=subject, predicate_type=predicate.predicate_type(), predicate=predicate)

    def spelled(self) -> bytes:
        """The bytes that are signed: compact JSON, in the models' order, without absent fields."""
        return to_json(self, by_alias=True, exclude_none=True)


class _OfARelease(Predicate):
    engine: EngineName
    release_id: str
    profile: str


class PlanPredicate(_OfARelease):
    """The sealed plan: how much there must be evidence of."""

    KIND: ClassVar[str] = "plan"

    plan: ResourceDescriptor
    plan_digest: Digest = Field(description="over what defines the work, as the plan's file states it")
    catalog_digest: Digest
    verified: bool = Field(description="the plan is what was sealed: its digest recomputes")
    seed: int
    rows: int
    cells: int
    families: tuple[Family, ...] = Field(description="evidence families this release must not go without")


class CellFacts(Wire):
    """The cell: route, strategy, scenario."""

    cell_id: str
    source: str
    sink: str
    strategy: Strategy
    scenario: str
    scenario_version: int


class ServiceFacts(Wire):
    """A service the cell ran on."""

    role: Literal["source", "sink"]
    system: str
    provider: str
    fidelity: Fidelity
    version: str


class CellPredicate(_OfARelease):
    """One planned cell. ``outcome`` is recomputed from the evidence, not what that says of itself."""

    KIND: ClassVar[str] = "cell"

    cell: CellFacts
    outcome: Outcome
    required: bool
    verified: bool = Field(description="the evidence is what the plan asked for, or the plan asked for none")
    flaky: bool = Field(description="failed before, with nothing changed since")
    reason: ReasonCode | None = Field(None, description="why there is no verdict about the subject")
    detail: str | None = Field(None, description="what was seen, in words")
    problems: tuple[str, ...] = Field((), description="why the evidence is not verified")
    plan: ResourceDescriptor
    plan_digest: Digest
    catalog_digest: Digest
    seed: int
    rows: int
    services: tuple[ServiceFacts, ...] = ()
    started_at: AwareDatetime | None = None
    finished_at: AwareDatetime | None = None
    evidence: ResourceDescriptor | None = Field(None, description="the cell's file; absent: there is none")


class FamilyPredicate(_OfARelease):
    """One evidence family's artifact, verified down to what it rests on."""

    KIND: ClassVar[str] = "family"

    family: Family
    outcome: Outcome
    required: bool = Field(description="the sealed plan holds the family")
    verified: bool
    problems: tuple[str, ...] = Field((), description="where file and recomputation disagree")
    plan: ResourceDescriptor
    plan_digest: Digest
    evidence: ResourceDescriptor | None = Field(None, description="the artifact; absent: there is none")


class FilesPredicate(Predicate):
    """The subjects are files, as they were when this was signed."""

    KIND: ClassVar[str] = "files"

    release_id: str
    engine: str | None = Field(None, description="absent: files about all engines of the release")


def digest_set(digest: Digest) -> DigestSet:
    """``sha256:<hex>`` as in-toto spells it."""
    return {"sha256": digest.removeprefix("sha256:")}


def subject_of(subject: Subject, plan: ResourceDescriptor) -> tuple[ResourceDescriptor, ...]:
    """The engine's artifact. Of an engine that could not be installed there is none: then the plan's file.

    in-toto demands a digest of every subject and matches by nothing else, so that none may be made up.
    """
    if _DIGEST.fullmatch(subject.artifact_digest):
        name = f"{subject.engine}@{subject.version}"
        return (ResourceDescriptor(name=name, digest=digest_set(subject.artifact_digest)),)
    return (plan,)


def statement_name(statement: JsonValue) -> str | None:
    """What tells a statement from all others of its file; ``None``: it is none of ours.

    ``plan``, ``cell <id>``, ``family <name>``, ``files``, ``decision <resource uri>``.
    """
    fields = statement if isinstance(statement, dict) else {}
    predicate = fields.get("predicate")
    inside = predicate if isinstance(predicate, dict) else {}
    match fields.get("predicateType"):
        case "urn:certification-pipeline:predicate:plan:v1":
            return "plan"
        case "urn:certification-pipeline:predicate:files:v1":
            return "files"
        case "urn:certification-pipeline:predicate:family:v1":
            return f"family {inside.get('family')}"
        case "urn:certification-pipeline:predicate:cell:v1":
            cell = inside.get("cell")
            return f"cell {cell.get('cellId') if isinstance(cell, dict) else None}"
        case "https://slsa.dev/verification_summary/v1":
            return f"decision {inside.get('resourceUri')}"
        case _:
            return None


def engine_uri(subject: Subject) -> str:
    """``urn:certification-pipeline:engine:<engine>:<version>``."""
    words = (quote(subject.engine, safe=""), quote(subject.version, safe=""))
    return f"urn:certification-pipeline:engine:{':'.join(words)}"
