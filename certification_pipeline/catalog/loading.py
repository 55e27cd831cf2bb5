"""The catalogue's YAML files, read into one ``Catalog`` or refused with every problem at once.

Layout of a catalogue directory: ``systems.yaml``, ``matrix.yaml``, ``types.yaml``, ``profiles.yaml``,
``scenarios.yaml`` or ``scenarios/*.yaml``, ``engines/<id>.yaml``, ``policies/<id>.yaml``,
``guarantees/<id>.yaml``. In every file,
top-level keys that start with ``x-`` are ignored: they hold YAML anchors. Engines outside the package
(``outside.py``) are read with the packaged ones and held to the same.
"""

from __future__ import annotations

import hashlib
import json
import re
from functools import cache
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.claims import TypeRule
from certification_pipeline.catalog.crossref import cross_check
from certification_pipeline.catalog.delivery import DeliveryTable
from certification_pipeline.catalog.engines import Engine
from certification_pipeline.catalog.matrix import MatrixPairs
from certification_pipeline.catalog.outside import engines_directory, entries
from certification_pipeline.catalog.policies import LevelPolicy
from certification_pipeline.catalog.problems import CatalogError, Problem
from certification_pipeline.catalog.profiles import Profile
from certification_pipeline.catalog.references import References
from certification_pipeline.catalog.scenarios import Scenario
from certification_pipeline.catalog.shorthand import apply_rest, expand_engine
from certification_pipeline.catalog.systems import System
from certification_pipeline.catalog.validation import validate
from certification_pipeline.catalog.yaml_tree import Node, read_tree

M = TypeVar("M", bound=BaseModel)

ENGINE_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,39}")
"""It names folders, tables' schemas and variables."""

PACKAGED = Path(__file__).parent / "data"


def load_catalog(directory: Path | None = None) -> Catalog:
    """Read a catalogue; when no directory is given, the packaged one with one's own engines.

    Raises ``CatalogError`` with every problem found: file, line, column, field and remedy.
    """
    if directory is not None:
        return _load(directory)
    return load_with(entries(engines_directory()))


def load_with(outside: tuple[Path, ...]) -> Catalog:
    """The packaged catalogue with these engines of one's own; read once per process while no file changes."""
    return _packaged(tuple((path, path.stat().st_mtime_ns) for path in outside))


def catalog_digest(catalog: Catalog, engine: str | None = None) -> str:
    """``sha256:<hex>`` over the content: independent of formatting, comments, key order and shorthand.

    With an ``engine``, as that engine's plans seal it: without the engines outside the package but this one.
    Who adds a connector of their own does not change what the others are certified against.
    """
    if engine is not None:
        seen = {
            name: one for name, one in catalog.engines.items() if one.driver.home is None or name == engine
        }
        catalog = catalog.model_copy(update={"engines": seen})
    text = json.dumps(catalog.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


@cache
def _packaged(outside: tuple[tuple[Path, int], ...]) -> Catalog:
    return _load(PACKAGED, tuple(path for path, _ in outside))


def _load(directory: Path, outside: tuple[Path, ...] = ()) -> Catalog:
    if not directory.is_dir():
        remedy = "give a directory laid out like the packaged catalogue/data"
        raise CatalogError([Problem(directory, 1, 1, "", "is not a directory", remedy)])
    reading = _Reading(directory)
    systems = reading.entries([directory / "systems.yaml"], System, "systems")
    profiles = reading.entries([directory / "profiles.yaml"], Profile, "profiles")
    scenarios = reading.entries(_scenario_files(directory), Scenario, "scenarios")
    matrix = reading.matrix(directory / "matrix.yaml")
    type_rules = reading.type_rules(directory / "types.yaml")
    engines = reading.engines(sorted(directory.glob("engines/*.yaml")), matrix)
    engines |= reading.outside(outside, matrix)
    policies = reading.files(sorted(directory.glob("policies/*.yaml")), LevelPolicy, "policies")
    tables = reading.files(sorted(directory.glob("guarantees/*.yaml")), DeliveryTable, "guarantees")
    problems = reading.problems
    for kind, folder in (("engines", "engines/<id>.yaml"), ("policies", "policies/<id>.yaml")):
        if not reading.references.known(kind):
            problems.append(Problem(directory, 1, 1, "", f"has no {kind}", f"add {folder}"))
    if matrix is not None:
        catalog = Catalog(
            systems=systems,
            engines=engines,
            scenarios=scenarios,
            profiles=profiles,
            matrix=matrix,
            types=type_rules,
            policies=policies,
            guarantees=tables,
        )
        problems += cross_check(catalog, reading.references)
        if not problems:
            return catalog
    raise CatalogError(problems)


def _scenario_files(directory: Path) -> list[Path]:
    return sorted(directory.glob("scenarios/*.yaml")) or [directory / "scenarios.yaml"]


class _Reading:
    """One pass over a catalogue directory: what was read, where it stands, what is wrong."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.problems: list[Problem] = []
        self.references = References()

    def entries(self, files: list[Path], model: type[M], kind: str) -> dict[str, M]:
        """Files that map an id to the rest of its entry."""
        found: dict[str, M] = {}
        for file in files:
            root = self._mapping(file)
            for name, member in root.members.items() if root else ():
                if first := self.references.node(kind, name):
                    message = f"`{name}` is defined twice; first in {first.file}:{first.mark.line}"
                    self.problems.append(member.node.problem(message, "rename one", key=member.key))
                    continue
                self.references.add(kind, name, member.node)
                if (entry := self._validated(member.node, model, name)) is not None:
                    found[name] = entry
        return found

    def matrix(self, file: Path) -> MatrixPairs | None:
        """``matrix.yaml``."""
        root = self._mapping(file)
        if root is None:
            return None
        self.references.add("matrix", "matrix", root)
        return self._validated(root, MatrixPairs)

    def type_rules(self, file: Path) -> dict[str, dict[str, TypeRule]]:
        """``types.yaml``: system -> logical type -> what it may look like there."""
        root = self._mapping(file)
        rules: dict[str, dict[str, TypeRule]] = {}
        for system, member in root.members.items() if root else ():
            self.references.add("types", system, member.node, key=member.key)
            rules[system] = {}
            for logical, below in member.node.members.items():
                if (rule := self._validated(below.node, TypeRule)) is not None:
                    rules[system][logical] = rule
        return rules

    def engines(self, files: list[Path], matrix: MatrixPairs | None) -> dict[str, Engine]:
        """One file an engine, named by its id; shorthand is written out here."""
        read = ((file.stem, self._engine(file, file.stem, matrix)) for file in files)
        return {name: engine for name, engine in read if engine is not None}

    def outside(self, files: tuple[Path, ...], matrix: MatrixPairs | None) -> dict[str, Engine]:
        """Engines outside the package: the folder is the id and the driver's home."""
        found: dict[str, Engine] = {}
        for file in files:
            name = file.parent.name
            if not ENGINE_ID.fullmatch(name):
                message = f"`{name}` cannot be an engine's id"
                self.problems.append(Problem(file, 1, 1, "", message, "name the folder in [a-z0-9_]"))
            elif first := self.references.node("engines", name):
                message = f"there is an engine `{name}` already, in {first.file}"
                self.problems.append(Problem(file, 1, 1, "", message, "rename the folder"))
            elif (engine := self._engine(file, name, matrix)) is not None:
                driver = engine.driver.model_copy(update={"home": file.parent.absolute()})
                found[name] = engine.model_copy(update={"driver": driver})
        return found

    def _engine(self, file: Path, name: str, matrix: MatrixPairs | None) -> Engine | None:
        if (root := self._mapping(file)) is None:
            return None
        expanded = expand_engine(root)
        self.problems += expanded.problems
        self.references.add("engines", name, expanded.node)
        engine = self._validated(expanded.node, Engine, name)
        if engine is None or matrix is None:
            return None
        return apply_rest(engine, expanded.rest, matrix)

    def files(self, files: list[Path], model: type[M], kind: str) -> dict[str, M]:
        """One file an entry, named by its id."""
        found: dict[str, M] = {}
        for file in files:
            if (root := self._mapping(file)) is None:
                continue
            self.references.add(kind, file.stem, root)
            if (entry := self._validated(root, model, file.stem)) is not None:
                found[file.stem] = entry
        return found

    def _mapping(self, file: Path) -> Node | None:
        """The file's top-level mapping without its ``x-`` keys."""
        root, problems = read_tree(file)
        self.problems += problems
        if root is None:
            return None
        if not isinstance(root.value, dict):
            self.problems.append(root.problem("the file is no mapping", "start it with `name:` lines"))
            return None
        return root.replace({key: member for key, member in root.members.items() if not key.startswith("x-")})

    def _validated(self, node: Node, model: type[M], name: str | None = None) -> M | None:
        """The model, its ``id`` taken from where it stands."""
        if name is not None and (own := node.members.get("id")) and own.node.value != name:
            message = f"the id `{own.node.value}` differs from where it is defined, `{name}`"
            self.problems.append(node.problem(message, "remove `id:`", key=own.key, field="id"))
        entry, problems = validate(node, model, given=None if name is None else {"id": name})
        self.problems += problems
        return entry
