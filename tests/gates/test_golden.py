"""One of each artifact, byte for byte; rewritten by ``UPDATE_GOLDEN=1 pytest tests/gates/test_golden.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from certification_pipeline.evidence.markdown import markdown
from certification_pipeline.evidence.plan import CertificationPlan
from certification_pipeline.evidence.subject_dir import SubjectDir
from tests.evidence.builders import SMALL, cell, release, row_judgement
from tests.gates.releases import decide, decided_release

GOLDEN = Path(__file__).parent / "golden"


def compare(directory: SubjectDir, case: str) -> None:
    made = {
        str(path.relative_to(directory.path)): path for path in directory.path.rglob("*") if path.is_file()
    }
    if os.environ.get("UPDATE_GOLDEN"):
        for name, path in made.items():
            (GOLDEN / case / name).parent.mkdir(parents=True, exist_ok=True)
            (GOLDEN / case / name).write_bytes(path.read_bytes())
    kept = {
        str(path.relative_to(GOLDEN / case)): path for path in (GOLDEN / case).rglob("*") if path.is_file()
    }
    assert set(made) == set(kept)
    for name in sorted(made):
        assert made[name].read_text() == kept[name].read_text(), name


def with_plan_markdown(directory: SubjectDir, plan: CertificationPlan) -> None:
    directory.write(plan, markdown(plan))


@pytest.mark.parametrize("case", ["green"])
def test_a_green_release(tmp_path: Path, case: str) -> None:
    directory = decided_release(tmp_path)
    with_plan_markdown(directory, directory.read(directory.plan_path, CertificationPlan))
    decide(directory)
    compare(directory, case)


def test_a_red_release(tmp_path: Path) -> None:
    directory, sealed = release(tmp_path, without=SMALL[1].key.cell_id)
    directory.write(cell(sealed, SMALL[0], (row_judgement("load 2", lost=3),), remedy="see the cursor"))
    with_plan_markdown(directory, sealed)
    decide(directory)
    compare(directory, "red")
