"""``manifest.json``, ``run_results.json`` and ``catalog.json``, as far as lineage needs them.

Shapes: https://schemas.getdbt.com/dbt/{manifest/v12,run-results/v6,catalog/v1}.json. Fields that are not
listed here may change as they like; those that are must be there and of their type.
"""

from __future__ import annotations

from typing import TypeVar

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from certification_pipeline.evidence.canonical import parse_value
from certification_pipeline.evidence.errors import EvidenceError

_REMEDY = "Keep dbt's artifacts as dbt wrote them; run dbt again"
_NEWEST = {"manifest": 12, "run-results": 6, "catalog": 1}


class _Part(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class Metadata(_Part):
    """Which invocation wrote a file, and when."""

    dbt_schema_version: str
    dbt_version: str
    generated_at: AwareDatetime
    invocation_id: str = Field(min_length=1)
    adapter_type: str | None = None
    project_name: str | None = None


class _Config(_Part):
    enabled: bool = True
    materialized: str | None = None
    severity: str | None = None


class _DependsOn(_Part):
    nodes: tuple[str, ...] = ()


class ManifestNode(_Part):
    """A model, snapshot, seed, test, analysis … of the project."""

    unique_id: str
    name: str
    resource_type: str
    database: str | None = None
    schema_: str | None = Field(None, alias="schema")
    alias: str | None = None
    config: _Config = _Config()
    depends_on: _DependsOn = _DependsOn()
    relation_name: str | None = None
    compiled_code: str | None = None
    language: str | None = None

    @property
    def ephemeral(self) -> bool:
        """Never a relation of its own: dbt puts it into who refers to it."""
        return self.config.materialized == "ephemeral"


class ManifestSource(_Part):
    """A table that somebody else writes."""

    unique_id: str
    name: str
    database: str | None = None
    schema_: str = Field(alias="schema")
    identifier: str
    relation_name: str | None = None


class ManifestExposure(_Part):
    """Who uses what dbt makes; also a unit test, a saved query, a function."""

    unique_id: str
    name: str
    depends_on: _DependsOn = _DependsOn()


class Manifest(_Part):
    """The project as it was compiled."""

    metadata: Metadata
    nodes: dict[str, ManifestNode]
    sources: dict[str, ManifestSource]
    exposures: dict[str, ManifestExposure] = {}
    unit_tests: dict[str, ManifestExposure] = {}
    saved_queries: dict[str, ManifestExposure] = {}
    functions: dict[str, ManifestExposure] = {}


class Result(_Part):
    """What came of one node."""

    unique_id: str
    status: str
    message: str | None = None
    failures: int | None = None
    execution_time: float = 0.0
    compiled_code: str | None = None
    timing: tuple[Timing, ...] = ()


class Timing(_Part):
    """One phase of one node."""

    name: str
    started_at: AwareDatetime | None = None
    completed_at: AwareDatetime | None = None


class RunResults(_Part):
    """What came of one invocation."""

    metadata: Metadata
    results: tuple[Result, ...]


class CatalogColumn(_Part):
    """A column as the database has it."""

    name: str
    type: str
    index: int


class _CatalogMetadata(_Part):
    database: str | None = None
    schema_: str = Field(alias="schema")
    name: str


class CatalogTable(_Part):
    """A relation as the database has it."""

    metadata: _CatalogMetadata
    columns: dict[str, CatalogColumn]

    def names(self) -> tuple[str, ...]:
        """Column names in the table's order."""
        return tuple(column.name for column in sorted(self.columns.values(), key=lambda c: c.index))


class Catalog(_Part):
    """What the database really holds."""

    metadata: Metadata
    nodes: dict[str, CatalogTable]
    sources: dict[str, CatalogTable]


Result.model_rebuild()

P = TypeVar("P", Manifest, RunResults, Catalog)
_KINDS: dict[type[BaseModel], str] = {Manifest: "manifest", RunResults: "run-results", Catalog: "catalog"}


def read_dbt(data: bytes, model: type[P], path: str) -> P:
    """One of dbt's artifacts. ``EvidenceError`` for what is no such file, or of a version not known yet."""
    value = parse_value(data, path)
    if not isinstance(value, dict):
        raise EvidenceError(path, None, "is not a JSON object", _REMEDY)
    try:
        parsed = model.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or None
        raise EvidenceError(path, field, first["msg"], _REMEDY) from None
    kind = _KINDS[model]
    stated = parsed.metadata.dbt_schema_version
    known = {
        f"https://schemas.getdbt.com/dbt/{kind}/v{version}.json" for version in range(1, _NEWEST[kind] + 1)
    }
    if stated not in known:
        problem = f"is {stated!r}, not a {kind} this version can read"
        raise EvidenceError(path, "metadata.dbt_schema_version", problem, f"{_REMEDY} (dbt 1.11 is known)")
    return parsed
