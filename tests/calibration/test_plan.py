"""The plan as data: every defect there is, every scenario there is, every cell one the reference claims."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from certification_pipeline.catalog.calibration import engines_of, held_to_defects, load_defects, named
from certification_pipeline.catalog.catalog import Catalog
from certification_pipeline.catalog.loading import load_catalog
from certification_pipeline.catalog.problems import CatalogError
from certification_pipeline.reference.defects import Defect

ROOT = Path(__file__).parents[2]
ENOUGH = 40


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def test_the_plan_has_every_defect_of_the_engine_and_no_other() -> None:
    assert set(load_defects()) == {defect.value for defect in Defect}


def test_there_are_enough_that_cells_must_find() -> None:
    assert sum(bool(defect.killed_by) for defect in load_defects().values()) >= ENOUGH


def test_every_scenario_has_a_defect(catalog: Catalog) -> None:
    planned = {cell.rpartition("/")[2] for one in load_defects().values() for cell in one.killed_by}
    assert set(held_to_defects(catalog)) - planned == set(), "plant a defect that this scenario must see"


def test_every_cell_is_one_the_reference_engine_claims(catalog: Catalog) -> None:
    claimed = {
        named(engine, f"{route.source}_to_{route.sink}/{strategy}/{scenario.id}")
        for engine in engines_of(load_defects().values())
        for route in catalog.engines[engine].routes
        for strategy in route.strategies
        for scenario in catalog.scenarios.values()
        if strategy in scenario.strategies
    }
    cells = [cell for one in load_defects().values() for cell in one.cells]
    assert [cell for cell in cells if not any(fnmatchcase(cell, known) for known in claimed)] == []


def test_what_another_family_sees_has_a_test_and_findings_are_there() -> None:
    for defect in load_defects().values():
        assert defect.proof is None or (ROOT / defect.proof).is_file(), defect.id
        for seen in defect.seen_in:
            assert not seen.startswith("findings/") or (ROOT / "docs" / seen).is_file(), (defect.id, seen)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x: {does: a, stands_for: b}\n", "give either"),
        ("x: {does: a, stands_for: b, killed_by: [a/b]}\n", "write cells as"),
        ("x: {does: a, stands_for: b, family: replay}\n", "needs the `proof`"),
        ("x: {does: a, stands_for: b, killed_by: [a/b/c], kills: 1}\n", "unknown key"),
        ("X y: {does: a, stands_for: b, killed_by: [a/b/c]}\n", "id"),
    ],
)
def test_what_no_plan_can_be_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "some.yaml").write_text(text)
    with pytest.raises(CatalogError, match=said):
        load_defects(tmp_path)
