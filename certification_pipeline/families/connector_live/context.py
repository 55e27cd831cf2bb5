"""What the suite's process is told: everything but secrets in a file, secrets in one variable."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.vocabulary import Fidelity
from certification_pipeline.evidence.connectors import Connector

CONTEXT_VARIABLE = "CERTIFY_SUITE_CONTEXT"
ENDPOINTS_VARIABLE = "CERTIFY_SUITE_ENDPOINTS"
SUITE = Path(__file__).with_name("suite")


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Served(_Frozen):
    """A service that is up. Its DSNs hold passwords."""

    system: str
    provider: str
    fidelity: Fidelity
    version: str
    source_dsn: str = Field(repr=False)
    sink_dsn: str = Field(repr=False)


class Context(_Frozen):
    """The work of one suite run."""

    engine: str
    profile: str
    command: tuple[str, ...]
    env: dict[str, str]
    catalog: Catalog
    connectors: tuple[Connector, ...]
    docs_dir: Path | None
    changelog: Path | None
    previous_release: str | None
    previous_levels: dict[str, str]
    previous_problem: str | None = Field(None, description="why the published levels cannot be read")
    rows: int
    seed: int


_ENDPOINTS = TypeAdapter(dict[str, Served])


def variables(context: Context, endpoints: Mapping[str, Served], file: Path) -> dict[str, str]:
    """Write the context file; returns the variables that lead the suite to it."""
    file.write_text(context.model_dump_json(), encoding="utf-8")
    return {
        CONTEXT_VARIABLE: str(file),
        ENDPOINTS_VARIABLE: _ENDPOINTS.dump_json(dict(endpoints)).decode(),
    }


def read_context() -> Context:
    """In the suite: what to test. ``KeyError`` when it was not started by the family."""
    return Context.model_validate_json(Path(os.environ[CONTEXT_VARIABLE]).read_bytes())


def read_endpoints() -> dict[str, Served]:
    """In the suite: the services that are up; taken out of the environment, so that no child inherits it."""
    return _ENDPOINTS.validate_json(os.environ.pop(ENDPOINTS_VARIABLE))
