"""The systems under test: how each is started, which version it is, which routes it claims."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue

from certification_pipeline.catalog.claims import RouteClaims
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.locked import locked_version, release_before

VERSION_MARK = "=="
"""Between an engine's id and a version of it: ``dlt==1.30.0``."""


def unversioned(engine_id: str) -> str:
    """``dlt`` of ``dlt==1.30.0`` and of ``dlt``."""
    return engine_id.partition(VERSION_MARK)[0]


class DriverSpec(Entry):
    """How the engine is started: a command, or a script with an environment of its own."""

    command: tuple[str, ...] = ()
    script: str | None = Field(None, description="path relative to the engine's folder; PEP 723")
    lock: str | None = Field(
        None, description="hash-pinned requirements for the script; none: it may use Python alone"
    )
    folder: str | None = Field(
        None,
        description="of this package's drivers, where several engines share one; default the engine's own",
    )
    config: dict[str, JsonValue] = Field(
        {}, description="what the driver is told to be: in CERTIFY_ENGINE_CONFIG, as JSON"
    )
    environments: dict[str, str] = Field(
        {}, description="name -> lock file of a program it starts: CERTIFY_ENV_<NAME> is the directory"
    )
    distribution: str | None = Field(
        None, description="the package in `lock` that is the engine; default the engine's id"
    )
    version: str | None = Field(
        None,
        exclude=True,
        description="of `distribution`, in place of the one that is locked; see `Engine.pinned`",
    )
    program_variable: str | None = Field(
        None, description="an environment variable that may name another program to run as the engine"
    )
    home: Path | None = Field(
        None, exclude=True, description="the folder of an engine outside this package; set when it is loaded"
    )


class Delivery(Entry):
    """The document that states an engine's guarantees, and the durability profile it is configured to."""

    table: str
    profile: str


class Engine(Entry):
    """A system under test."""

    id: str
    title: str
    description: str
    homepage: str | None = None
    license: str | None = None
    kinds: tuple[str, ...] = ()
    driver: DriverSpec
    routes: tuple[RouteClaims, ...]
    delivery: Delivery | None = Field(None, description="where its guarantees are declared as a table")
    scd2_columns: tuple[str, str] = Field(
        ("valid_from", "valid_to"), description="validity columns the engine adds for scd2"
    )
    added_columns: tuple[str, ...] = Field((), description="fnmatch patterns of columns it adds by design")
    prepared_files: tuple[str, ...] = Field(
        (),
        description="fnmatch patterns of what it keeps in a sink of files until a two-phase commit ends",
    )
    previous: str | None = Field(
        None, description="the release before the one that is locked: its state must be taken over"
    )
    reports: tuple[str, ...] = Field((), description="run record fields the engine claims to expose")

    def pinned(self, version: str) -> Engine:
        """In that version it is an engine of its own, ``dlt==1.30.0``, that claims the same."""
        name = f"{self.id}{VERSION_MARK}{version}"
        driver = self.driver.model_copy(
            update={
                "version": version,
                "folder": self.driver.folder or (None if self.driver.home else self.id),
                "distribution": self.driver.distribution or self.id,
            }
        )
        return self.model_copy(
            update={
                "id": name,
                "title": f"{self.title}{VERSION_MARK}{version}",
                "driver": driver,
                "previous": release_before(version, locked_version(self.id, self.driver), self.previous),
            }
        )

    def route(self, source: str, sink: str) -> RouteClaims | None:
        """Its claims about that pair, or ``None``."""
        for claims in self.routes:
            if (claims.source, claims.sink) == (source, sink):
                return claims
        return None
