"""Findings as data: what is known about a red cell, and the script that shows it without this harness.

One file ``findings/<engine>.yaml`` an engine (or a driver's folder, for all engines it is configured to be),
a list of entries. They explain; they change no outcome, and they are no part of the catalogue or its digest:
a defect is understood after the release in which it was seen.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.engines import Engine, unversioned
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.problems import CatalogError, Problem, nearest
from certification_pipeline.catalog.validation import Location, locate, validate
from certification_pipeline.catalog.vocabulary import Anomaly, Support
from certification_pipeline.catalog.yaml_tree import Node, read_tree

PACKAGED = Path(__file__).parent / "data" / "findings"
DOCUMENTS = Path(__file__).parents[2] / "docs" / "findings"
"""Prose and reproductions; there in a checkout, not in an installed wheel."""

Cause = Literal["engine", "library", "configuration", "declared_limit"]


class Shows(Entry):
    """What a cell's evidence must hold to be this defect: all that is given must be met, and nothing beside.

    A cell that shows more than this (another anomaly, another column, another message) shows another defect.
    """

    anomalies: tuple[Anomaly, ...] = Field((), description="all anomalies the oracle may have counted")
    columns: tuple[str, ...] = Field(
        (), description="fnmatch patterns of the columns that may differ; none given: any"
    )
    message: str | None = Field(None, min_length=4, description="part of what the failed load said")
    remark: str | None = Field(
        None, min_length=4, description="part of what the oracle says of a table it could not read"
    )
    checks: tuple[str, ...] = Field(
        (), description="fnmatch patterns of failed checks other than `load_ended`, which `message` covers"
    )
    steps: tuple[str, ...] = Field(
        (),
        description="fnmatch patterns of the steps in which it may show, as crash points; none given: any",
    )

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.anomalies or self.message or self.remark or self.checks):
            raise ValueError("give anomalies, a message, a remark or checks: showing nothing explains all")
        return self


class Finding(Entry):
    """One defect or limit: whose it is, which cells it turns red, and what shows it outside this harness."""

    id: str = Field(pattern=r"[a-z0-9][a-z0-9_-]*")
    title: str
    engine: str = Field(description="the file it stands in: an engine's id, or its driver's folder")
    engines: tuple[str, ...] = Field(
        (),
        description="fnmatch patterns of engine ids; none given: its file's, and all of that driver's",
    )
    versions: str = Field(description="the versions it was observed in")
    cause: Cause
    cells: tuple[str, ...] = Field((), description="fnmatch patterns over route/strategy/scenario")
    shows: Shows | None = Field(None, description="only without `cells` may it be left out")
    reproduction: str = Field(description="script below docs/findings")
    source_url: str | None = Field(None, description="what the vendor promises")
    note: str | None = None

    @model_validator(mode="after")
    def _explains(self) -> Self:
        if self.cells and self.shows is None:
            raise ValueError("`cells` without `shows` would explain any failure of these cells")
        return self

    @property
    def script(self) -> Path:
        """Where its reproduction lies in a checkout."""
        return DOCUMENTS / self.reproduction

    @property
    def document(self) -> str:
        """Its prose, relative to a checkout's root: ``docs/findings/dlt.md``."""
        return f"docs/findings/{self.engine}.md"

    def about(self, engine: Engine) -> bool:
        """Whether that engine (or that version of it) can have it."""
        folder = engine.driver.folder or engine.id
        # A version of an engine, `dlt==1.30.0`, is driven from the engine's folder.
        names = {engine.id, unversioned(engine.id)}
        if self.engines:
            return any(fnmatchcase(name, pattern) for name in names for pattern in self.engines)
        return self.engine in names | {folder}

    def names(self, route: str, strategy: str, scenario: str) -> bool:
        """Whether the cell is among those it was seen in."""
        return any(fnmatchcase(f"{route}/{strategy}/{scenario}", pattern) for pattern in self.cells)


def load_findings(catalog: Catalog, directory: Path | None = None) -> tuple[Finding, ...]:
    """Every finding, in the order of files and entries; the packaged ones (read once) without a directory.

    Raises ``CatalogError`` with every problem found: file, line, column, field and remedy.
    """
    return _packaged(_Held(catalog)) if directory is None else _load(catalog, directory)


class _Held:
    """A catalogue as a cache's key: by identity, as it is loaded once a process."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog

    def __hash__(self) -> int:
        return id(self.catalog)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Held) and other.catalog is self.catalog


@cache
def _packaged(held: _Held) -> tuple[Finding, ...]:
    return _load(held.catalog, PACKAGED)


def _load(catalog: Catalog, directory: Path) -> tuple[Finding, ...]:
    found: list[Finding] = []
    problems: list[Problem] = []
    places: dict[str, Node] = {}
    claimed = {engine.id: _claimed(engine, catalog) for engine in catalog.engines.values()}
    for file in sorted(directory.glob("*.yaml")):
        root, wrong = read_tree(file)
        problems += wrong
        if root is None:
            continue
        if not isinstance(root.value, tuple):
            problems.append(root.problem("the file is no list", "start each finding with `- id:`"))
            continue
        for node in root.items:
            finding, wrong = validate(node, Finding, given={"engine": file.stem})
            problems += wrong
            if finding is None:
                continue
            if (first := places.setdefault(finding.id, node)) is not node:
                message = f"`{finding.id}` is there twice; first in {first.file}:{first.mark.line}"
                problems.append(node.problem(message, "rename one", field="id"))
            found.append(finding)
            problems += _held(finding, node, catalog, claimed)
    if problems:
        raise CatalogError(problems)
    return tuple(found)


def _held(
    finding: Finding, node: Node, catalog: Catalog, claimed: Mapping[str, Collection[str]]
) -> list[Problem]:
    """Whether it speaks of engines and cells there are; ``claimed``: what each engine claims."""
    about = [engine for engine in catalog.engines.values() if finding.about(engine)]
    if not about:
        remedy = "name the file after an engine or its driver's folder, or give `engines:`"
        return [node.problem(f"no engine is meant: {nearest(finding.engine, catalog.engines)}", remedy)]
    made = []
    for index, pattern in enumerate(finding.cells):
        if not any(fnmatchcase(cell, pattern) for engine in about for cell in claimed[engine.id]):
            location: Location = ("cells", index)
            at, _, rest = locate(node, location)
            remedy = "write it as route/strategy/scenario, e.g. postgres_to_duckdb/scd2/strategy.scd2"
            made.append(at.problem(f"`{pattern}` matches no cell these engines claim", remedy, field=rest))
    return made


def _claimed(engine: Engine, catalog: Catalog) -> list[str]:
    """``route/strategy/scenario`` of everything it claims, drift or not."""
    return [
        f"{route.source}_to_{route.sink}/{strategy}/{scenario.id}"
        for route in engine.routes
        for strategy, claim in route.strategies.items()
        if claim.support in (Support.FULL, Support.PARTIAL)
        for scenario in catalog.scenarios.values()
        if strategy in scenario.strategies
    ]
