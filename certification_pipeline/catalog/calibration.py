"""The calibration plan as data: every planted defect, what it stands for, and the cells that must find it.

Files ``calibration/*.yaml`` map a defect's id (as the reference engine spells it) to the rest of its entry.
They are no part of the catalogue or its digest: they say nothing about what is certified, but about who
certifies it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Self

from pydantic import Field, model_validator

from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.entry import Entry
from certification_pipeline.catalog.problems import CatalogError, Problem
from certification_pipeline.catalog.validation import validate
from certification_pipeline.catalog.vocabulary import Family
from certification_pipeline.catalog.yaml_tree import read_tree

ENGINE = "reference"
"""Whose defects are planted, but for those that say otherwise."""
PACKAGED = Path(__file__).parent / "data" / "calibration"
_PARTS = 3


class PlantedDefect(Entry):
    """One defect: what is wrong, which defects of real engines it stands for, what must be red with it."""

    id: str = Field(pattern=r"^[a-z0-9][a-z0-9_]*$")
    does: str = Field(description="what the engine does wrong, in a sentence")
    stands_for: str = Field(description="the class of defects of real engines")
    seen_in: tuple[str, ...] = Field((), description="where: a finding's reproduction, or a public report")
    engine: str = Field(ENGINE, description="a configuration of the reference engine")
    killed_by: tuple[str, ...] = Field(
        (), description="cells, written route/strategy/scenario, or engine:route/strategy/scenario"
    )
    family: Family | None = Field(None, description="the evidence family that sees it, when no cell can")
    proof: str | None = Field(None, description="the test that shows the family's evidence turn red")

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if bool(self.killed_by) == bool(self.family):
            raise ValueError("give either `killed_by` or `family`")
        if self.family and not self.proof:
            raise ValueError("`family` needs the `proof`: a test")
        for cell in self.killed_by:
            if cell.count("/") != _PARTS - 1:
                raise ValueError(f"`{cell}`: write cells as route/strategy/scenario")
        return self

    @property
    def cells(self) -> tuple[str, ...]:
        """``killed_by`` with the engine, where it is another configuration than usual: :func:`named`."""
        return tuple(cell if ":" in cell else named(self.engine, cell) for cell in self.killed_by)


def engines_of(defects: Iterable[PlantedDefect]) -> tuple[str, ...]:
    """The engines whose cells these are."""
    cells = (cell for defect in defects for cell in defect.cells)
    return tuple(sorted({ENGINE, *(cell.partition(":")[0] for cell in cells if ":" in cell)}))


def held_to_defects(catalog: Catalog) -> tuple[str, ...]:
    """The scenarios that must see a planted defect: all that the reference engine can be asked.

    It has no release before its first one, so what needs one is shown red by a test alone
    (``tests/harness/test_upgrade.py``).
    """
    return tuple(one.id for one in catalog.scenarios.values() if not one.requires_previous)


def named(engine: str, cell: str) -> str:
    """``route/strategy/scenario``, behind ``engine:`` for another one than ``reference``."""
    return cell if engine == ENGINE else f"{engine}:{cell}"


def load_defects(directory: Path | None = None) -> dict[str, PlantedDefect]:
    """Every planted defect by id, in the order of files and entries.

    Raises ``CatalogError`` with every problem found: file, line, column, field and remedy.
    """
    return dict(_load(directory or PACKAGED))


@cache
def _load(directory: Path) -> dict[str, PlantedDefect]:
    found: dict[str, PlantedDefect] = {}
    problems: list[Problem] = []
    for file in sorted(directory.glob("*.yaml")):
        root, wrong = read_tree(file)
        problems += wrong
        for name, member in root.members.items() if root else ():
            if name.startswith("x-"):  # holds YAML anchors
                continue
            defect, wrong = validate(member.node, PlantedDefect, given={"id": name})
            problems += wrong
            if name in found:
                problems.append(member.node.problem(f"`{name}` is there twice", "remove one", key=member.key))
            if defect is not None:
                found[name] = defect
    if problems:
        raise CatalogError(problems)
    return found


def scope_digest(catalog: Catalog, defects: dict[str, PlantedDefect]) -> str:
    """``sha256:<hex>`` over what a calibration is about: scenarios, systems, types, what is claimed.

    What other engines claim and what profiles leave out changes nothing in it.
    """
    about = {
        "scenarios": {name: one.model_dump(mode="json") for name, one in catalog.scenarios.items()},
        "systems": {name: one.model_dump(mode="json") for name, one in catalog.systems.items()},
        "types": {
            name: {key: rule.model_dump(mode="json") for key, rule in rules.items()}
            for name, rules in catalog.types.items()
        },
        "engines": {
            name: catalog.engine(name).model_dump(mode="json") for name in engines_of(defects.values())
        },
        "defects": {name: one.model_dump(mode="json") for name, one in defects.items()},
    }
    text = json.dumps(about, sort_keys=True, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
